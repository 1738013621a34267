"""Limits per key: requests and tokens per minute and exchanges at once, taken together or not at all.

Pure: instants are handed in (monotonic seconds), and a decision is a value. "Per minute" means in any 60 seconds: use
is counted in slots of one second and forgotten when the whole slot is older than that. A token bucket would be
smaller, but lets through twice its limit in the first minute after a rest.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from math import ceil

from polyrelay.access.principal import KeyLimits

MINUTE = 60.0
SLOT_SECONDS = 1.0
"""Resolution of a window. A minute is at most 61 slots, whatever the traffic."""

CONCURRENCY_RETRY_SECONDS = 1.0
"""Advice when every slot is taken: nobody knows when an answer ends, so ask again soon."""

_MILLIS = 1000
_MINUTE_MILLIS = 60 * _MILLIS
_MINUTES_AN_HOUR = 60
_ROUNDING = 1e-6
"""Milliseconds by which floats may miss a whole number."""

_REQUEST_HEADERS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_TOKEN_HEADERS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")


class LimitKind(Enum):
    """Which limit; the value is how refusals call it."""

    REQUESTS = "requests per minute"
    TOKENS = "tokens per minute"
    CONCURRENCY = "concurrent requests"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request may not start. `retry_after` in seconds; None when it can never succeed."""

    kind: LimitKind
    limit: int
    retry_after: float | None


@dataclass(slots=True)
class Slot:
    """What one second used. `counted` until the window has forgotten it."""

    forgotten_at: float
    amount: int
    counted: bool = True


class Window:
    """Use within the last minute, against `limit`. Every method but `correct` wants `forget` called at `now` first."""

    __slots__ = ("_slots", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._slots: deque[Slot] = deque()

    def forget(self, now: float) -> None:
        """Drop what is older than a minute."""
        slots = self._slots
        while slots and slots[0].forgotten_at <= now:
            slot = slots.popleft()
            slot.counted = False
            self.used -= slot.amount

    @property
    def remaining(self) -> int:
        """What may still be taken; never below 0, also after a correction upwards or a lowered limit."""
        return max(0, self.limit - self.used)

    def reset(self, now: float) -> float:
        """Seconds until nothing is counted any more."""
        return self._slots[-1].forgotten_at - now if self.used else 0.0

    def wait(self, now: float, amount: int) -> float | None:
        """Seconds until `amount` fits if nobody else takes any: 0 for now, None for never."""
        if amount > self.limit:
            return None
        excess = self.used + amount - self.limit
        if excess <= 0:
            return 0.0
        for slot in self._slots:
            excess -= slot.amount
            if excess <= 0:
                return slot.forgotten_at - now
        return None

    def add(self, now: float, amount: int) -> Slot:
        """Count `amount`, and name the slot it is counted in."""
        if not self._slots or self._slots[-1].forgotten_at - now <= MINUTE:
            self._slots.append(Slot(forgotten_at=now + MINUTE + SLOT_SECONDS, amount=0))
        slot = self._slots[-1]
        slot.amount += amount
        self.used += amount
        return slot

    def correct(self, slot: Slot, difference: int) -> None:
        """Change what `slot` has counted; without effect once it is forgotten."""
        if slot.counted:
            slot.amount += difference
            self.used += difference


@dataclass(slots=True)
class Grant:
    """What one exchange took; handed back to `Quota.release`. `window` and `slot` are where tokens are counted."""

    tokens: int
    window: Window | None = None
    slot: Slot | None = None
    released: bool = False


@dataclass(slots=True)
class Quota:
    """The state of one key's limits."""

    limits: KeyLimits
    in_flight: int = 0
    _requests: Window | None = field(init=False, default=None)
    _tokens: Window | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.adopt(self.limits)

    def adopt(self, limits: KeyLimits) -> None:
        """Go on under changed limits; what was used stays counted."""
        self.limits = limits
        self._requests = _resized(self._requests, limits.requests_per_minute)
        self._tokens = _resized(self._tokens, limits.tokens_per_minute)

    def take(self, now: float, tokens: int) -> Grant | Denial:
        """One request, `tokens` tokens and one place at once: all of them, or a denial and nothing changed."""
        requests, counted = self._requests, self._tokens
        if requests is not None:
            requests.forget(now)
        if counted is not None:
            counted.forget(now)
        if (
            (requests is not None and requests.used >= requests.limit)
            or (counted is not None and counted.used + tokens > counted.limit)
            or 0 < self.limits.concurrency <= self.in_flight
        ):
            return self._denial(now, tokens)
        if requests is not None:
            requests.add(now, 1)
        self.in_flight += 1
        if counted is None:
            return Grant(tokens)
        return Grant(tokens, counted, counted.add(now, tokens))

    def release(self, grant: Grant, tokens: int) -> None:
        """The exchange is over and used `tokens`. A second release of the same grant changes nothing."""
        if grant.released:
            return
        grant.released = True
        self.in_flight -= 1
        if grant.window is not None and grant.slot is not None:
            grant.window.correct(grant.slot, tokens - grant.tokens)

    def idle(self, now: float) -> bool:
        """Whether forgetting this state would change no decision."""
        self._forget(now)
        return not self.in_flight and all(window.reset(now) == 0.0 for window in self._windows())

    def headers(self, now: float) -> tuple[tuple[bytes, bytes], ...]:
        """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for the limits there are (OpenAI's names)."""
        requests, tokens = self._requests, self._tokens
        if requests is None:
            return () if tokens is None else _window_headers(_TOKEN_HEADERS, tokens, now)
        if tokens is None:
            return _window_headers(_REQUEST_HEADERS, requests, now)
        return _window_headers(_REQUEST_HEADERS, requests, now) + _window_headers(_TOKEN_HEADERS, tokens, now)

    def _windows(self) -> tuple[Window, ...]:
        return tuple(window for window in (self._requests, self._tokens) if window is not None)

    def _forget(self, now: float) -> None:
        if self._requests is not None:
            self._requests.forget(now)
        if self._tokens is not None:
            self._tokens.forget(now)

    def _denial(self, now: float, tokens: int) -> Denial:
        """The limit that takes longest to clear, so that waiting as told is enough. One of them is used up."""
        denials: list[Denial] = []
        if self._requests is not None and (wait := self._requests.wait(now, 1)) != 0.0:
            denials.append(Denial(LimitKind.REQUESTS, self._requests.limit, wait))
        if self._tokens is not None and (wait := self._tokens.wait(now, tokens)) != 0.0:
            denials.append(Denial(LimitKind.TOKENS, self._tokens.limit, wait))
        if 0 < self.limits.concurrency <= self.in_flight:
            denials.append(Denial(LimitKind.CONCURRENCY, self.limits.concurrency, CONCURRENCY_RETRY_SECONDS))
        return max(denials, key=_severity)


def _severity(denial: Denial) -> float:
    return float("inf") if denial.retry_after is None else denial.retry_after


def _resized(window: Window | None, limit: int) -> Window | None:
    if limit <= 0:
        return None
    if window is None:
        return Window(limit)
    window.limit = limit
    return window


def _window_headers(names: tuple[bytes, bytes, bytes], window: Window, now: float) -> tuple[tuple[bytes, bytes], ...]:
    """Resets are rounded up to a whole second, which is a slot's resolution and lets their texts be made once."""
    window.forget(now)
    limit, used = window.limit, window.used
    return (
        (names[0], b"%d" % limit),
        (names[1], b"%d" % (limit - used if used < limit else 0)),
        (names[2], _RESETS[ceil(window.reset(now))]),
    )


def duration(seconds: float) -> str:
    """Seconds as OpenAI's reset headers write them: `0s`, `12ms`, `8.64s`, `6m0s`, `1h0m30s`. Rounded up to 1 ms."""
    millis = ceil(seconds * _MILLIS - _ROUNDING)
    if millis <= 0:
        return "0s"
    if millis < _MILLIS:
        return f"{millis}ms"
    minutes, millis = divmod(millis, _MINUTE_MILLIS)
    whole, thousandths = divmod(millis, _MILLIS)
    fraction = f".{thousandths:03d}".rstrip("0") if thousandths else ""
    if not minutes:
        return f"{whole}{fraction}s"
    hours, minutes = divmod(minutes, _MINUTES_AN_HOUR)
    return f"{hours}h{minutes}m{whole}{fraction}s" if hours else f"{minutes}m{whole}{fraction}s"


_RESETS = tuple(duration(seconds).encode() for seconds in range(ceil(MINUTE + SLOT_SECONDS) + 1))
"""`x-ratelimit-reset-*` by whole seconds; a window is empty after a minute and a slot."""
