"""Use within a stretch of time, against a limit. Pure: instants are handed in (monotonic seconds).

A window forgets in slots: "a minute" is any 60 seconds in slots of one second, and a slot is forgotten when all of it
is older than that. A token bucket would be smaller, but lets through twice its limit in the first minute after a rest.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from math import inf


@dataclass(frozen=True, slots=True)
class Span:
    """How far back a window looks, and its resolution, in seconds."""

    seconds: float
    slot: float


MINUTE = Span(60.0, 1.0)
"""At most 61 slots, whatever the traffic."""

DAY = Span(86_400.0, 600.0)
"""Any 24 hours, not a calendar day: nobody gets two days' worth around midnight. At most 145 slots."""


class LimitKind(Enum):
    """Which limit; the value is how refusals call it."""

    REQUESTS = "requests per minute"
    DAILY_REQUESTS = "requests per day"
    TOKENS = "tokens per minute"
    CONCURRENCY = "concurrent requests"


def share(limit: int, workers: int, index: int) -> int:
    """Worker `index`'s (from 0) part of `limit`: the parts of all `workers` add up to exactly `limit`.

    The first workers get what is left over, of every limit alike: a worker that has a part of a small limit then has
    one of every larger limit too, so that a request under several limits always finds a worker that can serve it.
    A limit below the number of workers leaves the last of them without any.
    """
    return limit // workers + (index < limit % workers)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a window holds use against.

    `limit` is as configured, `own` this worker's share of it and `largest` the largest share of any worker; all three
    are equal where one worker runs. `label` is whose limit it is: `this API key`, `model gpt-4o`.
    """

    kind: LimitKind
    label: str
    limit: int
    own: int
    largest: int


class Slot:
    """What was used while it was the newest; `window` is None once that is forgotten."""

    __slots__ = ("amount", "forgotten_at", "window")

    def __init__(self, window: "Window", forgotten_at: float) -> None:
        self.amount = 0
        self.forgotten_at = forgotten_at
        self.window: Window | None = window

    def correct(self, difference: int) -> None:
        """Change what was counted; without effect once it is forgotten."""
        window = self.window
        if window is not None:
            self.amount += difference
            window.used += difference


class Window:
    """Use within the last `span`. Every method but `add` wants `forget` called at `now` first.

    `limit` is the share that binds here, `oldest` when there is next something to forget (infinity: never).
    """

    __slots__ = ("_open_until", "_slots", "_span", "limit", "oldest", "terms", "used")

    def __init__(self, span: Span, terms: Terms) -> None:
        self._span = span
        self._slots: deque[Slot] = deque()
        self._open_until = -inf
        self.oldest = inf
        self.used = 0
        self.adopt(terms)

    def adopt(self, terms: Terms) -> None:
        """Go on under changed terms; what was used stays counted."""
        self.terms = terms
        self.limit = terms.own

    def forget(self, now: float) -> None:
        """Drop the slots that are older than the span."""
        slots = self._slots
        while slots and slots[0].forgotten_at <= now:
            slot = slots.popleft()
            slot.window = None
            self.used -= slot.amount
        self.oldest = slots[0].forgotten_at if slots else inf

    @property
    def remembers(self) -> bool:
        """Whether a slot is left, be it empty: one that is may yet be corrected upwards."""
        return bool(self._slots)

    @property
    def remaining(self) -> int:
        """What may still be taken; never below 0, also after a correction upwards or a lowered limit."""
        return self.limit - self.used if self.used < self.limit else 0

    def reset(self, now: float) -> float:
        """Seconds until nothing is counted any more."""
        return self._slots[-1].forgotten_at - now if self.used else 0.0

    def wait(self, now: float, amount: int) -> float:
        """Seconds until `amount`, at most `limit`, fits if nobody else takes any: 0 for now."""
        excess, until = self.used + amount - self.limit, now
        for slot in self._slots:
            if excess <= 0:
                break
            excess -= slot.amount
            until = slot.forgotten_at
        return until - now

    def add(self, now: float, amount: int) -> Slot:
        """Count `amount`, and name the slot it is counted in."""
        if now >= self._open_until:
            return self._open(now, amount)
        slot = self._slots[-1]
        slot.amount += amount
        self.used += amount
        return slot

    def _open(self, now: float, amount: int) -> Slot:
        span = self._span
        self._open_until = now + span.slot
        slot = Slot(self, self._open_until + span.seconds)
        self._slots.append(slot)
        self.oldest = self._slots[0].forgotten_at
        slot.amount = amount
        self.used += amount
        return slot
