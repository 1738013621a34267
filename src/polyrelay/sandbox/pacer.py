"""One timer for all streams: everything that is due in the same millisecond is done by the same tick.

A timer object for each event would cost more than the event itself when hundreds of streams are paced; the event
loop's clock has a resolution of 1 ms anyway.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

Due = Callable[[], None]
_NEVER = 1 << 62


class Pacer:
    """Calls back at given times of the loop's clock, to the millisecond, in the order they were asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ticks: dict[int, list[Due]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed = _NEVER

    def at(self, when: float, due: Due) -> None:
        """Call `due` at `when`, seconds of the loop's clock; at the next millisecond when that is past."""
        tick = round(when * 1000)
        waiting = self._ticks.get(tick)
        if waiting is not None:
            waiting.append(due)
            return
        self._ticks[tick] = [due]
        heappush(self._order, tick)
        if tick < self._armed:
            self._arm(tick)

    def close(self) -> None:
        """Forget everything that is still due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = _NEVER
        self._ticks.clear()
        self._order.clear()

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = tick
        self._timer = self._loop.call_later(max(0.0, tick / 1000 - self._loop.time()), self._run)

    def _run(self) -> None:
        self._timer = None
        self._armed = -1
        now = round(self._loop.time() * 1000)
        order, ticks = self._order, self._ticks
        try:
            while order and order[0] <= now:
                for due in ticks.pop(heappop(order)):
                    due()
        finally:
            self._armed = _NEVER
            if order:
                self._arm(order[0])
