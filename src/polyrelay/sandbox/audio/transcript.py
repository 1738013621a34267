"""What a recording says and when, and the formats for that: SRT, WebVTT, TSV, lines of text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_ENDS = ".?!\n\u3002\uff1f\uff01"
"""Ends of sentences, those of Chinese too."""
_SENTENCE = re.compile(f"[^{_ENDS}]*[{_ENDS}]*")
_WORD = re.compile(r"\S+")
_PIECE = re.compile(r"\s*\S+(?:\s+\Z)?")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words and when they are said, in seconds from the start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcript:
    """`language` is a code of ISO 639-1. Words and sentences share the time by their letters."""

    text: str
    seconds: float
    language: str

    @cached_property
    def segments(self) -> list[Stretch]:
        """One stretch a sentence; at least one."""
        return self._timed(_SENTENCE) or [Stretch(self.text, 0.0, self.seconds)]

    @cached_property
    def pieces(self) -> list[str]:
        """The words with the spaces around them: joined, they are the text."""
        return _PIECE.findall(self.text)

    @cached_property
    def words(self) -> list[Stretch]:
        """One stretch a word."""
        return self._timed(_WORD)

    def words_of(self, segment: Stretch) -> list[Stretch]:
        """The words that begin in a segment."""
        return [word for word in self.words if segment.start <= word.start < segment.end]

    def _timed(self, pattern: re.Pattern[str]) -> list[Stretch]:
        timed = list[Stretch]()
        for match in pattern.finditer(self.text):
            words = match[0].strip()
            if words:
                start = match.start() + match[0].index(words[0])
                timed.append(Stretch(words, self._at(start), self._at(start + len(words))))
        return timed

    def _at(self, letter: int) -> float:
        return round(letter / len(self.text) * self.seconds, 3)


def lines(transcript: Transcript) -> str:
    """One line a segment."""
    return "".join(f"{segment.text}\n" for segment in transcript.segments)


def srt(transcript: Transcript) -> str:
    """SubRip."""
    blocks = [
        f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{segment.text}\n\n"
        for number, segment in enumerate(transcript.segments, 1)
    ]
    return "".join(blocks)


def vtt(transcript: Transcript, *, hours: bool = True) -> str:
    """WebVTT; without `hours` they are written only where there are any, as Whisper's own writer does."""
    blocks = [
        f"{_clock(segment.start, '.', hours=hours)} --> {_clock(segment.end, '.', hours=hours)}\n{segment.text}\n\n"
        for segment in transcript.segments
    ]
    return "".join(["WEBVTT\n\n", *blocks])


def tsv(transcript: Transcript) -> str:
    """Tab-separated: start and end in milliseconds, and the text."""
    rows = [f"{round(part.start * 1000)}\t{round(part.end * 1000)}\t{part.text}\n" for part in transcript.segments]
    return "".join(["start\tend\ttext\n", *rows])


def whisper_segments(transcript: Transcript, *, words: Callable[[Stretch], dict[str, Any]] | None = None) -> list[Any]:
    """The segments as Whisper writes them in JSON; `words` adds the words of each, made by it."""
    return [
        {
            "id": number,
            "seek": 0,
            "start": segment.start,
            "end": segment.end,
            "text": f" {segment.text}",
            "tokens": [50364 + number],
            "temperature": 0.0,
            "avg_logprob": -0.25,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.01,
            **({} if words is None else {"words": [words(word) for word in transcript.words_of(segment)]}),
        }
        for number, segment in enumerate(transcript.segments)
    ]


def _clock(seconds: float, point: str, *, hours: bool = True) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    if hours or minutes >= 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}{point}{milliseconds:03}"
    return f"{minutes:02}:{rest:02}{point}{milliseconds:03}"
