"""The HTTP client: libcurl behind the service's `Upstream` port."""

import asyncio
from typing import Final

import pycurl

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service.ports import Flight, Sink
from polyrelay.upstream.multi import Multi
from polyrelay.upstream.transfer import Transfer, tell_end

SWEEP_SECONDS: Final = 0.1
"""How often deadlines are looked at: one timer for all requests, none per request or chunk. A deadline is late by at
most this."""

IDLE_HANDLES: Final = 256
"""Easy handles kept per channel and credential, about 10 KB each."""

UNUSED_POOL_SECONDS: Final = 60.0
"""A channel that a reload has replaced is forgotten after it."""


class Pool:
    """The easy handles of one channel and credential. Holding both keeps their identities from being reused."""

    __slots__ = ("channel", "credential", "free", "made", "used")

    def __init__(self, channel: Channel, credential: Credential) -> None:
        self.channel = channel
        self.credential = credential
        self.free: list[Transfer] = []
        self.made = 0
        """Transfers that exist, in the air or free."""
        self.used = 0.0
        """The loop's seconds at the last request."""

    def give_back(self, transfer: Transfer) -> None:
        """Keep `transfer` for the next request, or close it when enough are kept."""
        if len(self.free) < IDLE_HANDLES:
            self.free.append(transfer)
        else:
            self.made -= 1
            transfer.curl.close()

    def empty(self) -> None:
        """Close every free handle."""
        self.made -= len(self.free)
        while self.free:
            self.free.pop().curl.close()


class Stillborn:
    """The flight of a request that could not begin."""

    __slots__ = ("_report",)

    def __init__(self, report: asyncio.Handle) -> None:
        """`report` is the pending call that tells the sink."""
        self._report = report

    def cancel(self) -> None:
        """The sink need not hear of it."""
        self._report.cancel()

    def pause(self) -> None:
        """Nothing flows."""

    def resume(self) -> None:
        """Nothing flows."""


class CurlUpstream:
    """Sends requests by libcurl on `loop`. To be made and used in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._multi = Multi(loop)
        self._pools: dict[tuple[int, int], Pool] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def active(self) -> int:
        """Requests under way."""
        return sum(pool.made - len(pool.free) for pool in self._pools.values())

    @property
    def idle_handles(self) -> int:
        """Easy handles waiting for a request."""
        return sum(len(pool.free) for pool in self._pools.values())

    def send(self, request: OutboundRequest, sink: Sink) -> Flight:
        """Start a request. Never raises and never calls the sink before it has returned."""
        if self._closed:
            return self._stillborn(sink, "the client is closed")
        pool = self._pool(request.channel, request.credential)
        pool.used = now = self._loop.time()
        try:
            transfer = pool.free.pop() if pool.free else self._make(pool)
        except (pycurl.error, ValueError, TypeError) as error:
            return self._stillborn(sink, f"channel {request.channel.name}: {type(error).__name__}")
        if self._sweeper is None:
            self._schedule_sweep(now)
        return transfer.begin(request, sink)

    def close(self) -> None:
        """Fail what is under way, then close every connection and handle. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._multi.settle()
        for transfer in list(self._multi.transfers):
            transfer.abandon(Fault(FaultKind.CUT, "the client was closed"))
        self._multi.settle()
        self._multi.close()
        for pool in self._pools.values():
            pool.empty()
        self._pools.clear()

    # ── handles ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _pool(self, channel: Channel, credential: Credential) -> Pool:
        key = (id(channel), id(credential))
        pool = self._pools.get(key)
        if pool is None:
            self._forget_unused()
            pool = self._pools[key] = Pool(channel, credential)
        return pool

    def _forget_unused(self) -> None:
        """A reload makes new channels; a new pool is the moment to drop those of the old ones."""
        limit = self._loop.time() - UNUSED_POOL_SECONDS
        for key, pool in list(self._pools.items()):
            if pool.used < limit and len(pool.free) == pool.made:
                pool.empty()
                del self._pools[key]

    def _make(self, pool: Pool) -> Transfer:
        """Raises pycurl.error, ValueError, TypeError for a channel libcurl cannot serve."""
        transfer = Transfer(self._multi, self._loop.time, pool.channel, pool.give_back)
        pool.made += 1
        return transfer

    def _stillborn(self, sink: Sink, detail: str) -> Flight:
        return Stillborn(self._loop.call_soon(tell_end, sink, Fault(FaultKind.CONNECT, detail)))

    # ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────────

    def _schedule_sweep(self, now: float) -> None:
        self._sweeper = self._loop.call_at(now + SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """End what is overdue.

        Both uvloop and asyncio look at sockets before timers, so that bytes which waited while the loop was held up are
        not held against the upstream.
        """
        self._sweeper = None
        now = self._loop.time()
        for transfer in list(self._multi.transfers):
            transfer.expire(now)
        # A request that was just sent is not among the transfers yet, and a sink may have sent one just now.
        if self._sweeper is None and self.active:
            self._schedule_sweep(now)
