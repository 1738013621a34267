"""A transcript in the service's outputs, as its engine for OpenAI's Whisper writes them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from polyrelay.exchange import languages
from polyrelay.exchange.transcript import Segment, Transcript, Word
from polyrelay.wire import subtitles
from polyrelay.wire.whisper_asr.query import Output

_UNKNOWN = 0.0
"""The probability of a word where the upstream does not say it, as of other members that a client may read."""

_APART = 64
"""Characters between two words at most: punctuation, and words that the upstream did not time."""


def rendered(found: Transcript, output: Output) -> bytes:
    """The body. A transcript without phrases is one phrase."""
    segments = found.segments or _one(found)
    if output == "json":
        return msgspec.json.encode(_json(found, segments))
    if output == "srt":
        return subtitles.srt(segments).encode()
    if output == "vtt":
        return subtitles.vtt(segments, hours=False).encode()
    return (subtitles.tsv(segments) if output == "tsv" else subtitles.lines(segments)).encode()


def _one(found: Transcript) -> tuple[Segment, ...]:
    return (Segment(0.0, found.duration or found.end, found.text),) if found.text.strip() else ()


def _json(found: Transcript, segments: tuple[Segment, ...]) -> dict[str, Any]:
    shown = [_segment(number, each, found.words) for number, each in enumerate(segments)]
    return {"text": found.text, "segments": shown, "language": languages.code(found.language or "")}


def _segment(number: int, segment: Segment, words: tuple[Word, ...]) -> dict[str, Any]:
    """With the words that begin in it, where they were not given by phrase."""
    shown: dict[str, Any] = {
        "id": number,
        **segment.details,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
    }
    inside = segment.words or tuple(each for each in words if segment.start <= each.start < segment.end)
    if inside:
        shown["words"] = list(_words(inside, segment.text))
    if segment.speaker is not None:
        shown["speaker"] = segment.speaker
    return shown


def _words(words: Iterable[Word], text: str) -> Iterable[dict[str, Any]]:
    """Joined they can be read, as the engines' can: each begins with a space, unless `text` has it right behind the one
    before, as in scripts without spaces.
    """
    at = 0
    for word in words:
        said = word.text.strip()
        found = text.find(said, at, at + _APART + len(said))
        space = "" if 0 < at == found else " "
        at = at if found < 0 else found + len(said)
        score = _UNKNOWN if word.score is None else word.score
        yield {"word": space + said, "start": word.start, "end": word.end, "probability": score}
