"""Reads the JSON in which Whisper and everything after it says what was heard: `text`, `segments`, `words`.

One reader for OpenAI's `verbose_json` and the dialects of whisper-asr-webservice's engines (WIRE 4.2, 4.5). Members of
a wrong type are as if they were absent.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from polyrelay.exchange.sound import MOST_SECONDS
from polyrelay.exchange.transcript import Segment, Transcript, Word

_SEGMENT_MEMBERS = frozenset({"start", "end", "text", "words", "speaker"})


def read(body: bytes) -> Transcript | None:
    """The transcript in `body`; None when that is not a JSON object with a text or segments. Never raises."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return of(found) if isinstance(found, dict) else None


def of(found: dict[str, Any]) -> Transcript | None:
    """The transcript that a decoded object is; None when it has neither text nor segments."""
    text, listed = found.get("text"), found.get("segments")
    if not isinstance(text, str) and not isinstance(listed, list):
        return None
    segments = tuple(map(_segment, _objects(listed)))
    language = found.get("language")
    return Transcript(
        text if isinstance(text, str) else " ".join(each.text.strip() for each in segments),
        language if isinstance(language, str) else None,
        seconds(found.get("duration")),
        segments,
        tuple(map(_word, _objects(found.get("words")))),
    )


def seconds(value: object) -> float | None:
    """A time in seconds, also written as a string, as older answers have it; None when it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= MOST_SECONDS else None


def _segment(found: dict[str, Any]) -> Segment:
    text, speaker = found.get("text"), found.get("speaker")
    return Segment(
        seconds(found.get("start")) or 0.0,
        seconds(found.get("end")) or 0.0,
        text if isinstance(text, str) else "",
        tuple(map(_word, _objects(found.get("words")))),
        speaker if isinstance(speaker, str) else None,
        {name: value for name, value in found.items() if name not in _SEGMENT_MEMBERS},
    )


def _word(found: dict[str, Any]) -> Word:
    text, score = found.get("word"), found.get("probability", found.get("score"))
    return Word(
        text if isinstance(text, str) else "",
        seconds(found.get("start")) or 0.0,
        seconds(found.get("end")) or 0.0,
        float(score) if isinstance(score, (int, float)) else None,
    )


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())
