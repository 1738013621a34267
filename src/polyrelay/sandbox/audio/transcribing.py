"""Serves `audio/transcriptions` and `audio/translations`: says what the sandbox's own speech says."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import msgspec

from polyrelay.sandbox import faults, frames
from polyrelay.sandbox.audio import formats, language, transcript
from polyrelay.sandbox.audio.transcript import Transcript
from polyrelay.sandbox.calls import Call, Later, Route, model_in_body
from polyrelay.sandbox.content import Form
from polyrelay.sandbox.fields import Fields
from polyrelay.sandbox.frames import Chunks
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.script import Script
from polyrelay.sandbox.surfaces import OPENAI, Refused

_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_TOKENED = ("gpt-4o", "gpt-transcribe")
"""Beginnings of the models whose usage is in tokens; that of others is in seconds."""
_TOKENS_A_SECOND = 10
_TOKEN_BYTES = 4
_STREAM = ("content-type", "text/event-stream; charset=utf-8")
_PLAIN: dict[str, tuple[str, Callable[[Transcript], str]]] = {
    "text": ("text/plain; charset=utf-8", lambda said: f"{said.text}\n"),
    "srt": ("text/plain; charset=utf-8", transcript.srt),
    "vtt": ("text/vtt; charset=utf-8", transcript.vtt),
}


@dataclass(frozen=True, slots=True)
class TranscriptionAsk:
    """One call. `task` is `transcribe` or `translate`; `spoken` the first name given for a speaker."""

    task: str
    model: str
    format: str
    stream: bool
    logprobs: bool
    words: bool
    segments: bool
    prompt: str
    spoken: str
    language: str | None


def routes() -> list[Route]:
    """The calls of this counter."""
    return [
        Route("POST", "*/audio/transcriptions", OPENAI, _transcribe, model_in_body()),
        Route("POST", "*/audio/translations", OPENAI, _translate, model_in_body()),
    ]


def _transcribe(call: Call) -> Later:
    return _handle(call, "transcribe")


def _translate(call: Call) -> Later:
    return _handle(call, "translate")


def _handle(call: Call, task: str) -> Later:
    form = call.content.form
    files = form.files("file")
    if not files:
        raise Refused("Missing required parameter: 'file'.", param="file", code="missing_required_parameter")
    if not files[0].data:
        raise Refused("Audio file might be corrupted or unsupported.", param="file", code="invalid_value")
    ask = _ask(form, task)
    return Later(lambda: _answered(ask, files[0].data, call.script))


def _ask(form: Form, task: str) -> TranscriptionAsk:
    given = Fields(form.values(), written=True)
    model = given.text("model", most=200)
    shape = given.choice("response_format", "json", _FORMATS if task == "transcribe" else _FORMATS[:-1])
    granularities = form.rows("timestamp_granularities")
    if granularities and shape != "verbose_json":
        message = "timestamp_granularities needs response_format 'verbose_json'."
        raise Refused(message, param="timestamp_granularities", code="invalid_value")
    given.number("temperature", 0, 0, 1)
    _check_chunking(given)
    _check_speakers(form)
    return TranscriptionAsk(
        task=task,
        model=model,
        format=shape,
        stream=task == "transcribe" and given.flag("stream") and model != "whisper-1",
        logprobs="logprobs" in form.rows("include"),
        words="word" in granularities,
        segments="segment" in granularities or not granularities,
        prompt=form.text("prompt") or "",
        spoken=next(iter(form.rows("known_speaker_names")), "A"),
        language=form.text("language"),
    )


def _check_chunking(given: Fields) -> None:
    """`auto`, or an object as JSON or as `chunking_strategy[type]` parts."""
    strategy = given.values.get("chunking_strategy", "auto")
    if isinstance(strategy, str) and strategy != "auto":
        try:
            strategy = msgspec.json.decode(strategy)
        except msgspec.DecodeError:
            strategy = None
    if strategy != "auto" and not (isinstance(strategy, dict) and strategy.get("type") == "server_vad"):
        message = "chunking_strategy must be 'auto' or of type 'server_vad'."
        raise Refused(message, param="chunking_strategy", code="invalid_value")


def _check_speakers(form: Form) -> None:
    names, references = form.rows("known_speaker_names"), form.rows("known_speaker_references")
    if len(names) > 4 or len(names) != len(references):  # noqa: PLR2004 - said in the message
        message = "known_speaker_names and known_speaker_references must be as many, at most 4."
        raise Refused(message, param="known_speaker_names", code="invalid_value")
    for reference in references:
        head, comma, encoded = reference.partition(",")
        try:
            base64.b64decode(encoded, validate=True)
        except binascii.Error:
            comma = ""
        if not (comma and head.startswith("data:")):
            message = "known_speaker_references must be data URLs."
            raise Refused(message, param="known_speaker_references", code="invalid_value")


def _answered(ask: TranscriptionAsk, data: bytes, script: Script) -> Reply:
    text, seconds = formats.listen(data)
    code = "en" if ask.task == "translate" else ask.language or language.guessed(text)
    said = Transcript(text, seconds, code)
    if ask.stream:
        portions = frames.segments(_events(ask, said, script), script)
        return Reply(200, (_STREAM, ("cache-control", "no-cache")), portions, stream=True, events=True)
    if ask.format in _PLAIN:
        kind, write = _PLAIN[ask.format]
        return Reply(200, (("content-type", kind),), [write(said).encode()])
    return Reply(200, (faults.JSON,), [msgspec.json.encode(_object(ask, said, script))])


def _object(ask: TranscriptionAsk, said: Transcript, script: Script) -> dict[str, Any]:
    found: dict[str, Any]
    if ask.format == "verbose_json":
        found = _verbose(ask, said)
    elif ask.format == "diarized_json":
        found = {"task": "transcribe", "duration": said.seconds, "text": said.text, "segments": _diarized(ask, said)}
    else:
        found = {"text": said.text, **({"logprobs": _logprobs(said)} if ask.logprobs else {})}
    if script.usage != "none":
        found["usage"] = _usage(ask, said, script)
    return found


def _verbose(ask: TranscriptionAsk, said: Transcript) -> dict[str, Any]:
    found: dict[str, Any] = {
        "task": ask.task,
        "language": language.name(said.language),
        "duration": said.seconds,
        "text": said.text,
    }
    if ask.words:
        found["words"] = [{"word": word.text, "start": word.start, "end": word.end} for word in said.words]
    if ask.segments:
        found["segments"] = transcript.whisper_segments(said)
    return found


def _diarized(ask: TranscriptionAsk, said: Transcript) -> list[dict[str, Any]]:
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "speaker": ask.spoken,
        }
        for number, segment in enumerate(said.segments)
    ]


def _events(ask: TranscriptionAsk, said: Transcript, script: Script) -> Chunks:
    content = []
    for piece in said.pieces:
        delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": piece}
        if ask.logprobs:
            delta["logprobs"] = [_logprob(piece)]
        content.append(msgspec.json.encode(delta))
    if ask.format == "diarized_json":
        content += [msgspec.json.encode(segment) for segment in _diarized(ask, said)]
    done: dict[str, Any] = {"type": "transcript.text.done", "text": said.text}
    if ask.logprobs:
        done["logprobs"] = _logprobs(said)
    if script.usage != "none":
        done["usage"] = _usage(ask, said, script)
    return Chunks(content, [msgspec.json.encode(done)], named=True)


def _logprobs(said: Transcript) -> list[dict[str, Any]]:
    return [_logprob(piece) for piece in said.pieces]


def _logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode())}


def _usage(ask: TranscriptionAsk, said: Transcript, script: Script) -> dict[str, Any]:
    if not ask.model.startswith(_TOKENED):
        return {"type": "duration", "seconds": ceil(said.seconds)}
    text = -(-len(ask.prompt.encode()) // _TOKEN_BYTES) if script.prompt is None else script.prompt
    sound = ceil(said.seconds * _TOKENS_A_SECOND)
    output = -(-len(said.text.encode()) // _TOKEN_BYTES) if script.tokens is None else script.tokens
    return {
        "type": "tokens",
        "input_tokens": text + sound,
        "input_token_details": {"text_tokens": text, "audio_tokens": sound},
        "output_tokens": output,
        "total_tokens": text + sound + output,
    }
