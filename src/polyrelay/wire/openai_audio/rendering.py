"""A transcript in OpenAI's formats."""

from typing import Any

import msgspec

from polyrelay.exchange import languages
from polyrelay.exchange.transcript import Segment, Transcript, Word
from polyrelay.wire import subtitles
from polyrelay.wire.openai_audio.fields import Fields
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import EVENTS, JSON

_DONE = "transcript.text.done"
_TEXT = b"text/plain; charset=utf-8"
_UNKNOWN: dict[str, Any] = {
    "seek": 0,
    "tokens": [],
    "temperature": 0.0,
    "avg_logprob": 0.0,
    "compression_ratio": 0.0,
    "no_speech_prob": 0.0,
}
"""Members that the contract demands of a segment, where the upstream does not know them."""


def media_type(fields: Fields) -> bytes:
    """Of the format that was asked for."""
    if fields.stream:
        return EVENTS
    return JSON if fields.format in ("json", "verbose_json") else _TEXT


def rendered(found: Transcript, fields: Fields, recording: Recording) -> bytes:
    """The body in the format that was asked for."""
    if fields.stream:
        return _events(found.text)
    if fields.format == "srt":
        return subtitles.srt(found.segments).encode()
    if fields.format == "vtt":
        return subtitles.vtt(found.segments, hours=True).encode()
    if fields.format == "text":
        return found.text.strip().encode() + b"\n"
    if fields.format == "verbose_json":
        return msgspec.json.encode(_verbose(found, fields, recording))
    return msgspec.json.encode({"text": found.text.strip()})


def events_of(body: bytes) -> bytes:
    """A whole answer as the events it amounts to: all its text at once, then the last one, which has all the rest."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _events(body.decode("utf-8", "replace"))
    text = found.get("text")
    return _delta(text if isinstance(text, str) else "") + _event({**found, "type": _DONE})


def _events(text: str) -> bytes:
    text = text.strip()
    return _delta(text) + _event({"type": _DONE, "text": text})


def _delta(text: str) -> bytes:
    return _event({"type": "transcript.text.delta", "delta": text}) if text else b""


def _event(event: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


def _verbose(found: Transcript, fields: Fields, recording: Recording) -> dict[str, Any]:
    length = recording.length
    answer: dict[str, Any] = {
        "task": "translate" if fields.wish.translate else "transcribe",
        "language": "english" if fields.wish.translate else languages.name(found.language or "unknown"),
        "duration": found.duration or (found.end if length.guessed else length.seconds),
        "text": found.text.strip(),
    }
    if fields.segments:
        answer["segments"] = [_segment(number, each) for number, each in enumerate(found.segments)]
    if fields.wish.words:
        words = found.words or tuple(word for each in found.segments for word in each.words)
        answer["words"] = [_word(each) for each in words]
    return answer


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    said = {"id": number, "start": segment.start, "end": segment.end, "text": segment.text}
    return _UNKNOWN | segment.details | said


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text.strip(), "start": word.start, "end": word.end}
