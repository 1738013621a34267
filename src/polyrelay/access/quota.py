"""Limits on requests, tokens and exchanges at once, of every scope a request falls under, all taken or none.

Pure: instants are handed in (monotonic seconds), and a decision is a value. Everything is a window: requests are
counted once, tokens by estimate and corrected at the end, and an open exchange is a place counted for as long as an
exchange can last and given back at its end; what never ends is thereby given back as well.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from polyrelay.access import headers
from polyrelay.access.principal import LimitScope
from polyrelay.access.windows import DAY, MINUTE, LimitKind, Slot, Span, Terms, Window, share

LEASE_SECONDS = 4500.0
"""How long a place is held for an exchange that never ends: five attempts (`routing.plan.ATTEMPTS_MAX`) of 900 s each,
which is the default of `timeouts.total`."""

LEASE_SLOTS = 60
"""Resolution of a lease: it is given back at most a 60th of its life late."""

CONCURRENCY_RETRY_SECONDS = 1.0
"""Advice when every place is taken: nobody knows when an answer ends, so ask again soon."""

ELSEWHERE_RETRY_SECONDS = 1.0
"""Advice when this worker's share is too small for any such request and another worker's is not."""

ONE_REQUEST = 1


def lease_span(seconds: float) -> Span:
    """The span of places that are given back after `seconds` at the latest, give or take a slot."""
    return Span(seconds, seconds / LEASE_SLOTS)


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of how many processes counts here, without knowing of the others; and how long places are held."""

    workers: int
    index: int
    lease: Span


ALONE = Worker(workers=1, index=0, lease=lease_span(LEASE_SECONDS))
"""The only process."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request may not start. `retry_after` in seconds; None when it can never succeed."""

    terms: Terms
    retry_after: float | None


class Quota:
    """What one scope has used."""

    __slots__ = ("_windows", "_worker", "scope")

    def __init__(self, scope: LimitScope, worker: Worker) -> None:
        self._worker = worker
        self._windows: dict[LimitKind, Window] = {}
        self.adopt(scope)

    def adopt(self, scope: LimitScope) -> None:
        """Go on under changed limits; what was used stays counted where there is still a limit."""
        before = self._windows
        self.scope = scope
        self._windows = {terms.kind: self._window(before.get(terms.kind), terms) for terms in self._terms()}

    def windows(self, *kinds: LimitKind) -> Iterator[Window]:
        """The windows of those of `kinds` that are limited."""
        return (window for kind, window in self._windows.items() if kind in kinds)

    def idle(self, now: float) -> bool:
        """Whether forgetting this state would change no decision. A place that is held or a window that remembers
        would.
        """
        for window in self._windows.values():
            window.forget(now)
        return not any(
            window.used if kind is LimitKind.CONCURRENCY else window.remembers for kind, window in self._windows.items()
        )

    def _terms(self) -> Iterator[Terms]:
        limits, worker = self.scope.limits, self._worker
        for kind, limit in (
            (LimitKind.REQUESTS, limits.requests_per_minute),
            (LimitKind.DAILY_REQUESTS, limits.requests_per_day),
            (LimitKind.TOKENS, limits.tokens_per_minute),
            (LimitKind.CONCURRENCY, limits.concurrency),
        ):
            if limit > 0:
                own = share(limit, worker.workers, worker.index)
                yield Terms(kind, self.scope.label, limit, own, largest=share(limit, worker.workers, 0))

    def _window(self, held: Window | None, terms: Terms) -> Window:
        if held is None:
            return Window(self._span(terms.kind), terms)
        held.adopt(terms)
        return held

    def _span(self, kind: LimitKind) -> Span:
        if kind is LimitKind.CONCURRENCY:
            return self._worker.lease
        return DAY if kind is LimitKind.DAILY_REQUESTS else MINUTE


class Grant:
    """What one exchange took of every scope."""

    __slots__ = ("_counted", "_places", "_released", "_tokens")

    def __init__(self, tokens: int, places: tuple[Slot, ...], counted: tuple[Slot, ...]) -> None:
        self._tokens = tokens
        self._places = places
        self._counted = counted
        self._released = False

    def release(self, tokens: int) -> None:
        """The exchange is over and used `tokens`. Changes nothing a second time, nor what is forgotten by now."""
        if self._released:
            return
        self._released = True
        for slot in self._places:
            slot.correct(-1)
        for slot in self._counted:
            slot.correct(tokens - self._tokens)


class Gate:
    """All that a request must pass: the windows of every scope it falls under."""

    __slots__ = ("_ones", "_places", "_requests", "_tokens", "open")

    def __init__(self, quotas: Iterable[Quota]) -> None:
        """`quotas` of different scopes."""
        held = tuple(quotas)
        self._requests = _all(held, LimitKind.REQUESTS, LimitKind.DAILY_REQUESTS)
        self._places = _all(held, LimitKind.CONCURRENCY)
        self._tokens = _all(held, LimitKind.TOKENS)
        self._ones = self._requests + self._places
        self.open = not (self._ones or self._tokens)
        """Whether nothing is limited."""

    def take(self, now: float, tokens: int) -> Grant | Denial:
        """One request, `tokens` tokens and one place of every scope: all of them, or a denial and nothing changed."""
        for window in self._ones:
            if window.oldest <= now:
                window.forget(now)
            if window.used >= window.limit:
                return self._denial(now, tokens)
        for window in self._tokens:
            if window.oldest <= now:
                window.forget(now)
            if window.used + tokens > window.limit:
                return self._denial(now, tokens)
        for window in self._requests:
            window.add(now, ONE_REQUEST)
        places = _added(self._places, now, 1) if self._places else ()
        return Grant(tokens, places, _added(self._tokens, now, tokens) if self._tokens else ())

    def headers(self, now: float) -> headers.HeaderPairs:
        """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` of the tightest scope, for the limits there are."""
        return headers.tightest(headers.REQUESTS, self._requests, now) + headers.tightest(
            headers.TOKENS, self._tokens, now
        )

    def _denial(self, now: float, tokens: int) -> Denial:
        """The limit that takes longest to clear, so that waiting as told is enough. One of them is used up."""
        asked = [(window, 1) for window in self._ones] + [(window, tokens) for window in self._tokens]
        denials = [_denied(window, now, amount) for window, amount in asked]
        return max((denial for denial in denials if denial is not None), key=_severity)


def _added(windows: tuple[Window, ...], now: float, amount: int) -> tuple[Slot, ...]:
    if len(windows) == 1:
        return (windows[0].add(now, amount),)
    return tuple([window.add(now, amount) for window in windows])


def _all(quotas: tuple[Quota, ...], *kinds: LimitKind) -> tuple[Window, ...]:
    return tuple(window for quota in quotas for window in quota.windows(*kinds))


def _denied(window: Window, now: float, amount: int) -> Denial | None:
    window.forget(now)
    terms = window.terms
    if window.used + amount <= window.limit:
        return None
    if amount > terms.largest:
        return Denial(terms, None)
    if amount > window.limit:
        return Denial(terms, ELSEWHERE_RETRY_SECONDS)
    if terms.kind is LimitKind.CONCURRENCY:
        return Denial(terms, CONCURRENCY_RETRY_SECONDS)
    return Denial(terms, window.wait(now, amount))


def _severity(denial: Denial) -> float:
    return float("inf") if denial.retry_after is None else denial.retry_after
