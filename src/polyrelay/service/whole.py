"""Upstream answers that are waited for as a whole, where there is no hurry: nothing of them is passed on."""

import asyncio
from collections.abc import Callable

import msgspec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.ports import Flight, HeaderList, Timers, Upstream


class Whole(msgspec.Struct, frozen=True, gc=False):
    """One complete answer, whatever its status."""

    status: int
    headers: HeaderList
    body: bytes


Told = Callable[[Whole | Fault], None]
"""Is called once, with what came of a request."""


class _Collector:
    """Implements the port `Sink`: collects at most `most` bytes of a body, and tells `told` how it ended."""

    __slots__ = ("_chunks", "_headers", "_most", "_size", "_status", "_told", "data", "flight")

    flight: Flight
    """Set right after the request was sent, before any callback."""

    def __init__(self, most: int, told: Told) -> None:
        self._most = most
        self._told = told
        self._status = 0
        self._headers: HeaderList = ()
        self._chunks: list[bytes] = []
        self._size = 0
        self.data = self._collect

    def head(self, status: int, headers: HeaderList) -> None:
        """Keep them."""
        self._status, self._headers = status, headers

    def ended(self) -> None:
        """All of it is there."""
        self._told(Whole(self._status, self._headers, b"".join(self._chunks)))

    def failed(self, fault: Fault) -> None:
        """The rest will not come."""
        self._told(fault)

    def _collect(self, data: bytes, /) -> None:
        self._size += len(data)
        self._chunks.append(data)
        if self._size > self._most:
            self.flight.cancel()
            self._told(Fault(FaultKind.OVERSIZE, f"more than {self._most} bytes", self._status))


def send(upstream: Upstream, request: OutboundRequest, most: int, told: Told) -> Flight:
    """Send `request`; `told` is called once with its answer of at most `most` bytes, unless the flight is cancelled."""
    collector = _Collector(most, told)
    collector.flight = upstream.send(request, collector)
    return collector.flight


async def fetch(
    upstream: Upstream, timers: Timers, request: OutboundRequest, most: int, seconds: float
) -> Whole | Fault:
    """Send `request`, and return its answer of at most `most` bytes, or what kept it from coming within `seconds`.

    A caller that is cancelled cancels the request.
    """
    answer: asyncio.Future[Whole | Fault] = asyncio.get_running_loop().create_future()

    def tell(said: Whole | Fault) -> None:
        if not answer.done():
            answer.set_result(said)

    flight = send(upstream, request, most, tell)
    timer = timers.call_later(seconds, lambda: tell(Fault(FaultKind.TOTAL, f"no answer within {seconds:g} s")))
    try:
        return await answer
    finally:
        timer.cancel()
        flight.cancel()
