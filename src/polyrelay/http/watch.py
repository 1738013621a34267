"""One coarse timer for all connections of a loop, instead of a loop timer for every request.

A connection waits for at most one thing at a time. Each kind of waiting has one duration, so entries expire in the
order they were made: entering and leaving cost a dictionary write, and a sweep looks only at the oldest.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from polyrelay.settings.bounds import Bounds

LINGER_SECONDS = 2.0
"""How long a refused connection may go on sending before it is closed; nginx's `lingering_timeout` is 5 s."""

COARSEST = 1.0
FINEST = 0.02
"""Seconds between sweeps: a quarter of the shortest bound, within these."""


class Awaited(Enum):
    """What a connection is expected to send, or in the end to take."""

    HEAD = "head"
    BODY = "body"
    REQUEST = "request"
    CLOSE = "close"
    FLUSH = "flush"


class Watched(Protocol):
    """A connection under watch."""

    def overdue(self, awaited: Awaited) -> None:
        """What was awaited did not come in time; the entry is gone already."""
        ...


class Watch:
    """Who waits for what, since when (seconds of the loop's clock)."""

    def __init__(self, bounds: Callable[[], Bounds]) -> None:
        self._bounds = bounds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.heads: OrderedDict[Watched, float] = OrderedDict()
        self.bodies: OrderedDict[Watched, float] = OrderedDict()
        self.uploads: OrderedDict[Watched, float] = OrderedDict()
        self.idles: OrderedDict[Watched, float] = OrderedDict()
        self.lingers: OrderedDict[Watched, float] = OrderedDict()
        self.flushes: OrderedDict[Watched, float] = OrderedDict()

    def attend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sweep on `loop` from now on, until no connection waits; called for each new connection."""
        if self._loop is not loop:
            self._loop = loop
            self._timer = None
        self._arm()

    def since(self, entries: OrderedDict[Watched, float], line: Watched) -> None:
        """Start `line`'s waiting among `entries`, unless it waits there already."""
        if line not in entries and self._loop is not None:
            entries[line] = self._loop.time()
            if self._timer is None:
                self._arm()

    def forget(self, line: Watched) -> None:
        """`line` waits for nothing."""
        self.heads.pop(line, None)
        self.bodies.pop(line, None)
        self.uploads.pop(line, None)
        self.idles.pop(line, None)
        self.lingers.pop(line, None)
        self.flushes.pop(line, None)

    def _arm(self) -> None:
        if self._timer is None and self._loop is not None:
            bounds = self._bounds()
            bodies = min(bounds.header_seconds, bounds.body_seconds, bounds.upload_seconds)
            shortest = min(bodies, bounds.keep_alive_seconds, LINGER_SECONDS)
            self._timer = self._loop.call_later(min(max(shortest / 4, FINEST), COARSEST), self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        bounds = self._bounds()
        self._expire(self.heads, bounds.header_seconds, Awaited.HEAD)
        self._expire(self.bodies, bounds.body_seconds, Awaited.BODY)
        self._expire(self.uploads, bounds.upload_seconds, Awaited.BODY)
        self._expire(self.idles, bounds.keep_alive_seconds, Awaited.REQUEST)
        self._expire(self.lingers, LINGER_SECONDS, Awaited.CLOSE)
        self._expire(self.flushes, bounds.keep_alive_seconds, Awaited.FLUSH)
        if self.heads or self.bodies or self.uploads or self.idles or self.lingers or self.flushes:
            self._arm()

    def _expire(self, entries: OrderedDict[Watched, float], seconds: float, awaited: Awaited) -> None:
        now = self._loop.time() if self._loop is not None else 0.0
        while entries:
            line, since = next(iter(entries.items()))
            if now - since < seconds:
                return
            del entries[line]
            line.overdue(awaited)
