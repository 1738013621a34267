"""What was heard in a recording, and what is asked of one: where protocols of transcription meet."""

from typing import Any

import msgspec


class Word(msgspec.Struct, frozen=True, gc=False):
    """A word from `start` to `end`, in seconds. `score` is how sure the model is, 0 to 1; None where it is not said."""

    text: str
    start: float
    end: float
    score: float | None = None


class Segment(msgspec.Struct, frozen=True, gc=False):
    """A phrase from `start` to `end`, in seconds. `details` are members that a vendor adds, by its names (Whisper's:
    `tokens`, `avg_logprob`, `no_speech_prob`, ...).
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    details: dict[str, Any] = {}


class Transcript(msgspec.Struct, frozen=True, gc=False):
    """A whole recording. `language` as the vendor names it, by code or in English; `duration` in seconds, None where
    nobody says. `words` are those of no segment in particular.
    """

    text: str
    language: str | None = None
    duration: float | None = None
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()

    @property
    def end(self) -> float:
        """When the last segment or word ends, in seconds; 0 without any."""
        ends = [segment.end for segment in self.segments] + [word.end for word in self.words]
        return max(ends, default=0.0)


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What is asked of a recording: its words, in English if `translate`. `language` is a code, None to have it found
    out; `prompt` text that comes before it; `words` whether each word's time is wanted, `segments` whether each
    phrase's is.
    """

    translate: bool = False
    language: str | None = None
    prompt: str | None = None
    words: bool = False
    segments: bool = True
