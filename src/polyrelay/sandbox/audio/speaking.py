"""Serves `audio/speech`: the sound as it is made, or events that carry it."""

import base64
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from polyrelay.sandbox import frames
from polyrelay.sandbox.audio import speech
from polyrelay.sandbox.audio.formats import FORMATS
from polyrelay.sandbox.calls import Call, Later, Route, model_in_body
from polyrelay.sandbox.fields import Fields
from polyrelay.sandbox.frames import Chunks
from polyrelay.sandbox.framing import MARK, Reply
from polyrelay.sandbox.script import Script
from polyrelay.sandbox.surfaces import OPENAI, Refused

_MOST_CHARACTERS = 4096
_PORTION_BYTES = 4096
_TOKEN_BYTES = 4
_TOKENS_A_SECOND = 20
"""What the sandbox counts for sound; OpenAI does not say."""
_STREAM = ("content-type", "text/event-stream; charset=utf-8")


@dataclass(frozen=True, slots=True)
class SpeechAsk:
    """One call."""

    model: str
    text: str
    voice: str
    format: str
    speed: float
    events: bool


def routes() -> list[Route]:
    """The calls of this counter."""
    return [Route("POST", "*/audio/speech", OPENAI, _handle, model_in_body())]


def _handle(call: Call) -> Later:
    ask = _ask(call)
    return Later(lambda: _answered(ask, call.script))


def _ask(call: Call) -> SpeechAsk:
    given = Fields(call.content.json)
    model = given.text("model", most=200)
    if given.values.get("instructions"):
        given.text("instructions", most=_MOST_CHARACTERS)
    events = given.choice("stream_format", "audio", ("audio", "sse")) == "sse"
    if events and model.startswith("tts-1"):
        message = f"The model '{model}' does not support stream_format 'sse'."
        raise Refused(message, param="stream_format", code="unsupported_value")
    return SpeechAsk(
        model=model,
        text=given.text("input", most=_MOST_CHARACTERS),
        voice=_voice(given),
        format=given.choice("response_format", "mp3", tuple(FORMATS)),
        speed=given.number("speed", 1.0, 0.25, 4.0),
        events=events,
    )


def _voice(given: Fields) -> str:
    """A voice by its name, or by `{"id": ...}`."""
    voice = given.values.get("voice")
    if isinstance(voice, dict):
        return Fields(voice).text("id", most=200)
    return given.text("voice", most=200)


@lru_cache(maxsize=16)
def _recorded(ask: SpeechAsk, seconds: float | None) -> tuple[bytes, float]:
    """The file, and how long the speech in it is."""
    spoken = speech.speak(ask.text, ask.voice, ask.speed)
    if seconds is not None:
        spoken = spoken.lasting(seconds)
    return FORMATS[ask.format].write(spoken), spoken.seconds


def _answered(ask: SpeechAsk, script: Script) -> Reply:
    sound, seconds = _recorded(ask, script.seconds)
    portions = [sound[at : at + _PORTION_BYTES] for at in range(0, len(sound), _PORTION_BYTES)]
    if script.stamp:
        portions = [_stamped(portion) for portion in portions]
    if not ask.events:
        return Reply(200, (("content-type", FORMATS[ask.format].kind),), portions, stream=True)
    content = [_event("delta", audio=base64.b64encode(portion).decode()) for portion in portions]
    usage = {} if script.usage == "none" else {"usage": _usage(ask, seconds, script)}
    chunks = Chunks(content, [_event("done", **usage)], named=True)
    headers = (_STREAM, ("cache-control", "no-cache"))
    return Reply(200, headers, frames.segments(chunks, script), stream=True, events=True)


def _stamped(portion: bytes) -> bytes:
    """The time of sending in place of the first sounds; a last portion that is too short stays as it is."""
    return MARK + b" " + portion[len(MARK) + 1 :] if len(portion) > len(MARK) else portion


def _event(kind: str, **more: object) -> bytes:
    return msgspec.json.encode({"type": f"speech.audio.{kind}", **more})


def _usage(ask: SpeechAsk, seconds: float, script: Script) -> dict[str, int]:
    text = -(-len(ask.text.encode()) // _TOKEN_BYTES) if script.prompt is None else script.prompt
    output = round(seconds * _TOKENS_A_SECOND) if script.tokens is None else script.tokens
    return {"input_tokens": text, "output_tokens": output, "total_tokens": text + output}
