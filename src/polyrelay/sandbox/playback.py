"""Carries out one plan on one connection: writes, waits, and ends as the plan says."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable

from polyrelay.sandbox.framing import MARK, Ending, Plan
from polyrelay.sandbox.pacer import Pacer
from polyrelay.sandbox.records import Record

LINGER_ZERO = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that makes closing a socket send a TCP reset."""
_FLUSH_SECONDS = 0.005
"""From the last write to a reset, so that what was written has left before the reset discards the socket."""
_OUTCOMES = {Ending.CLOSE: "cut", Ending.RESET: "reset"}


def reset(transport: asyncio.Transport) -> None:
    """Close with a TCP reset instead of a FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()


class Playback:
    """One answer being sent. `finished(ending)` is called once, when the connection may go on or is to go."""

    __slots__ = (
        "_begun",
        "_finished",
        "_held",
        "_loop",
        "_over",
        "_pacer",
        "_pending",
        "_plan",
        "_position",
        "_record",
        "_start",
        "_transport",
    )

    def __init__(
        self,
        plan: Plan,
        record: Record,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        pacer: Pacer,
        finished: Callable[[Ending], None],
    ) -> None:
        self._plan = plan
        self._record = record
        self._transport = transport
        self._loop = loop
        self._pacer = pacer
        self._finished = finished
        self._position = 0
        self._start = 0.0
        self._over = False
        self._begun = False
        self._pending = False
        self._held = False

    def start(self) -> None:
        """Begin, at once or after the plan's wait."""
        plan = self._plan
        if plan.before is not None:
            self._end(plan.before)
        elif plan.whole is not None:
            self._write(plan.whole)
            self._end(plan.ending)
        elif plan.headers:
            self._pacer.at(self._loop.time() + plan.headers, self._head)
        else:
            self._head()

    def abandon(self) -> None:
        """The connection is gone: send nothing more."""
        if self._over:
            return
        self._over = True
        self._conclude("client_left")

    def hold(self) -> None:
        """The client reads too slowly: stop writing until `resume`."""
        self._held = True

    def resume(self) -> None:
        """Go on after `hold`."""
        self._held = False
        if self._begun and not (self._over or self._pending):
            self._schedule()

    def _head(self) -> None:
        if self._over:
            return
        self._write(self._plan.head)
        self._begun = True
        self._start = self._loop.time() + self._plan.first
        if self._plan.first:
            self._schedule()
        else:
            self._next()

    def _next(self) -> None:
        """Send the write that is due; without a pace, and unless they must stay apart, all that the client takes."""
        self._pending = False
        plan = self._plan
        writes, spaced = plan.writes, plan.pace or plan.apart
        while not (self._over or self._held) and self._position < len(writes):
            self._write_next(writes[self._position])
            if spaced and self._position < len(writes):
                self._schedule()
                return
        if not (self._over or self._held):
            self._end(plan.ending)

    def _schedule(self) -> None:
        self._pending = True
        if self._plan.pace or not self._position:
            self._pacer.at(self._start + self._position * self._plan.pace, self._next)
        else:
            self._loop.call_soon(self._next)

    def _write_next(self, data: bytes) -> None:
        if self._plan.stamped:
            data = data.replace(MARK, b"%020d" % time.monotonic_ns())
        self._position += 1
        self._record.sent += len(data)
        self._transport.write(data)

    def _write(self, data: bytes) -> None:
        self._record.sent += len(data)
        self._transport.write(data)

    def _end(self, ending: Ending) -> None:
        if ending is Ending.STALL:
            self._record.outcome = "stalled"
            return
        self._over = True
        complete = self._plan.complete and self._plan.before is None
        self._conclude("finished" if complete else _OUTCOMES.get(ending, "finished"))
        if ending is Ending.RESET and self._record.sent:
            self._pacer.at(self._loop.time() + _FLUSH_SECONDS, self._reset)
        else:
            self._finished(ending)

    def _reset(self) -> None:
        self._finished(Ending.RESET)

    def _conclude(self, outcome: str) -> None:
        self._record.outcome = outcome
        self._record.ended_at = time.monotonic_ns()
