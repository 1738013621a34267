"""How a job gets from its submission to its end: a function of its age, with no task, timer or thread behind it."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Fate = Literal["complete", "error", "half", "stuck"]
"""`half`: of two clips the second ends in error; a job of one part completes. `stuck`: it never leaves the queue."""

_SECONDS = 0.3
_QUEUED_FROM, _RUNNING_FROM = 0.1, 0.4
_GRAIN = 1e-6
"""Seconds that ages are rounded up by: seconds since the epoch are no finer as floats."""


class Stage(Enum):
    """Where in its life a job is. Each protocol has its own words for these."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Life:
    """A life of `seconds`: submitted for a tenth of it, queued until four tenths, then running until its end."""

    seconds: float = _SECONDS
    fate: Fate = "complete"

    def part(self, age: float) -> float:
        """How much of the life is over at `age` seconds, from 0 to 1; one that is stuck gets no further than queued."""
        lived = 1.0 if self.seconds <= 0 else min(1.0, max(0.0, (age + _GRAIN) / self.seconds))
        return min(lived, _QUEUED_FROM) if self.fate == "stuck" else lived

    def stage(self, age: float, *, second: bool = False) -> Stage:
        """Where the job is at `age` seconds; `second` asks for the second of its parts."""
        part = self.part(age)
        if part >= 1:
            failed = self.fate == "error" or (self.fate == "half" and second)
            return Stage.FAILED if failed else Stage.DONE
        if part >= _RUNNING_FROM:
            return Stage.RUNNING
        return Stage.QUEUED if part >= _QUEUED_FROM else Stage.SUBMITTED

    @property
    def running_after(self) -> float | None:
        """The age in seconds at which the job begins to run, None for never."""
        return None if self.fate == "stuck" else self.seconds * _RUNNING_FROM
