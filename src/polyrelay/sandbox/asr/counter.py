"""Serves `/asr` and `/detect-language`; every transcript is `text/plain`, JSON too, as the original's is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import msgspec

from polyrelay.sandbox import faults, surfaces
from polyrelay.sandbox.audio import formats, language, transcript
from polyrelay.sandbox.audio.transcript import Stretch, Transcript
from polyrelay.sandbox.calls import Call, Later, Route
from polyrelay.sandbox.content import Upload
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.surfaces import ASR, Refused

_TEXT = ("content-type", "text/plain; charset=utf-8")
_OUTPUTS = ("txt", "vtt", "srt", "tsv", "json")
_TASKS = ("transcribe", "translate")
_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class AsrAsk:
    """One call, by the query."""

    output: str
    task: str
    language: str
    words: bool
    diarize: bool
    engine: str


def routes() -> list[Route]:
    """The calls of this counter."""
    return [Route("POST", "/asr", ASR, _asr), Route("POST", "/detect-language", ASR, _detect)]


def _asr(call: Call) -> Later:
    ask = AsrAsk(
        output=_word(call, "output", _OUTPUTS),
        task=_word(call, "task", _TASKS),
        language=call.asked("language"),
        words=_switch(call, "word_timestamps", usual=False),
        diarize=_switch(call, "diarize", usual=False),
        engine=call.script.engine,
    )
    for name, usual in (("encode", True), ("vad_filter", False)):
        _switch(call, name, usual=usual)
    for name in ("min_speakers", "max_speakers"):
        if not call.asked(name, "1").isdecimal():
            raise surfaces.invalid("query", name, "Input should be a valid integer", call.asked(name))
    if ask.language and ask.language not in language.NAMES:
        raise surfaces.invalid("query", "language", "Input should be the code of a language", ask.language)
    file = _file(call)
    return Later(lambda: _answered(ask, file))


def _detect(call: Call) -> Later:
    _switch(call, "encode", usual=True)
    file = _file(call)

    def make() -> Reply:
        code = language.guessed(formats.listen(file.data)[0])
        found = {"detected_language": language.name(code), "language_code": code, "confidence": _CONFIDENCE}
        return Reply(200, (faults.JSON,), [msgspec.json.encode(found)])

    return Later(make)


def _file(call: Call) -> Upload:
    try:
        files = call.content.form.files("audio_file")
    except Refused as refused:
        raise surfaces.invalid("body", "audio_file", refused.message) from None
    if not files:
        raise surfaces.missing("body", "audio_file")
    return files[0]


def _word(call: Call, name: str, words: tuple[str, ...]) -> str:
    word = call.asked(name, words[0])
    if word not in words:
        raise surfaces.invalid("query", name, f"Input should be {', '.join(words)}", word)
    return word


def _switch(call: Call, name: str, *, usual: bool) -> bool:
    word = call.asked(name, str(usual)).lower()
    if word not in _SWITCHES:
        raise surfaces.invalid("query", name, "Input should be a valid boolean", word)
    return _SWITCHES[word]


def _answered(ask: AsrAsk, file: Upload) -> Reply:
    text, seconds = formats.listen(file.data)
    code = "en" if ask.task == "translate" else ask.language or language.guessed(text)
    body = _WRITERS[ask.output](Transcript(text, seconds, code), ask)
    name = quote(f"{PurePosixPath(file.filename).name}.{ask.output}")
    disposition = ("content-disposition", f'attachment; filename="{name}"')
    return Reply(200, (_TEXT, ("asr-engine", ask.engine), disposition), [body.encode()])


def _json(said: Transcript, ask: AsrAsk) -> str:
    return msgspec.json.encode(_ENGINES[ask.engine](said, ask)).decode()


def _openai_whisper(said: Transcript, ask: AsrAsk) -> dict[str, Any]:
    segments = transcript.whisper_segments(said, words=_probable if ask.words else None)
    return {"text": said.text, "segments": segments, "language": said.language}


def _faster_whisper(said: Transcript, ask: AsrAsk) -> dict[str, Any]:
    segments = transcript.whisper_segments(said, words=_probable if ask.words else None)
    for segment in segments:
        segment.setdefault("words", None)
    return {"language": said.language, "segments": segments, "text": said.text}


def _whisperx(said: Transcript, ask: AsrAsk) -> dict[str, Any]:
    """Its words are always timed, and it has no text of the whole."""
    speaker = {"speaker": "SPEAKER_00"} if ask.diarize else {}

    def word(stretch: Stretch) -> dict[str, Any]:
        return {"word": stretch.text, "start": stretch.start, "end": stretch.end, "score": 0.9, **speaker}

    segments = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": f" {segment.text}",
            "words": [word(part) for part in said.words_of(segment)],
            **speaker,
        }
        for segment in said.segments
    ]
    return {"segments": segments, "word_segments": [word(part) for part in said.words], "language": said.language}


def _probable(word: Stretch) -> dict[str, Any]:
    return {"word": f" {word.text}", "start": word.start, "end": word.end, "probability": 0.9}


_ENGINES: dict[str, Callable[[Transcript, AsrAsk], dict[str, Any]]] = {
    "openai_whisper": _openai_whisper,
    "faster_whisper": _faster_whisper,
    "whisperx": _whisperx,
}
_WRITERS: dict[str, Callable[[Transcript, AsrAsk], str]] = {
    "txt": lambda said, _: transcript.lines(said),
    "vtt": lambda said, _: transcript.vtt(said, hours=False),
    "srt": lambda said, _: transcript.srt(said),
    "tsv": lambda said, _: transcript.tsv(said),
    "json": _json,
}
