"""A transcript in the service's outputs, as its engine for OpenAI's Whisper writes them."""

from typing import Any

import msgspec

from polyrelay.exchange import languages
from polyrelay.exchange.transcript import Segment, Transcript, Word
from polyrelay.wire import subtitles
from polyrelay.wire.whisper_asr.query import Output


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
        shown["words"] = [_word(each) for each in inside]
    if segment.speaker is not None:
        shown["speaker"] = segment.speaker
    return shown


def _word(word: Word) -> dict[str, Any]:
    shown: dict[str, Any] = {"word": word.text, "start": word.start, "end": word.end}
    return shown if word.score is None else {**shown, "probability": word.score}
