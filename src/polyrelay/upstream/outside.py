"""The client for addresses that somebody else names: libcurl behind the port `service.outside.Outside`.

Apart from the channels' client, so that nothing is shared with it: no connection, no DNS cache, no handle. Calls are
rare, so each has its own handle and its own connection, which nobody else can have left in some state.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pycurl

from polyrelay.access.destinations import Destination
from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.service.outside import Answer, Errand, TooLong, Unreachable, Wire
from polyrelay.service.ports import HeaderList
from polyrelay.upstream import faults, headers, options
from polyrelay.upstream.guard import Guard
from polyrelay.upstream.multi import Multi

HELD_BYTES: Final = 1024 * 1024
"""Of an answer, waiting to be taken, before its server is made to wait."""

TRIED_ADDRESSES: Final = 3
"""Of one name in one call: one may be down, or its family not reach us. Each takes its part of the time."""

USER_AGENT: Final = "polyrelay"

_CLOSED: Final = Fault(FaultKind.CUT, "the client was closed")
_ABORT: Final = -1
_ENDS: Final = frozenset({b"\r\n", b"\n"})
_LINES: Final = ("Expect:", "Accept-Encoding: identity")
_REFUSED_PARTS: Final = ("\r", "\n", "\0")


class CurlOutside:
    """Implements `Outside` on `loop`. To be made and used in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, guard: Guard | None = None) -> None:
        self._loop = loop
        self._guard = guard or Guard()
        self._multi = Multi(loop)

    @asynccontextmanager
    async def open(self, errand: Errand) -> AsyncIterator[Answer]:
        """See the port. `errand.wire.total` bounds all of it: name, connection, answer, and whoever reads it."""
        deadline = self._loop.time() + errand.wire.total
        url, addresses = await self._admitted(errand)
        call = await self._first_answer(errand, url, addresses, deadline)
        try:
            yield call
        finally:
            call.drop()

    def close(self) -> None:
        """Break off what is under way. Idempotent."""
        self._multi.settle()
        for transfer in list(self._multi.transfers):
            transfer.abandon(_CLOSED)
        self._multi.settle()
        self._multi.close()

    async def _admitted(self, errand: Errand) -> tuple[str, tuple[str | None, ...]]:
        """The URL to call, and where to connect: at these addresses, or (None) wherever its name leads."""
        if errand.rules is None:
            return errand.url, (None,)
        try:
            async with asyncio.timeout(errand.wire.total):
                destination, found = await self._guard.admit(errand.url, errand.rules)
        except TimeoutError:
            raise Unreachable("its name was not resolved in time") from None
        return destination.url, tuple(_pin(destination, address) for address in found[:TRIED_ADDRESSES])

    async def _first_answer(self, errand: Errand, url: str, pins: tuple[str | None, ...], deadline: float) -> "_Call":
        """The call that got an answer; the next address is tried only when there was no connection to the one before.

        Raises `Unreachable`.
        """
        for left, pin in zip(range(len(pins), 0, -1), pins, strict=True):
            call = _Call(self._multi, errand, url, pin, max(0.001, deadline - self._loop.time()), left)
            try:
                await call.head()
            except _NotConnected:
                if left == 1:
                    raise
            except BaseException:
                call.drop()
                raise
            else:
                return call
        raise AssertionError("there is at least one address")


class _NotConnected(Unreachable):
    """Not a byte was sent."""


class _Call:
    """One easy handle and its answer. Implements `multi.Transfer` and the port `Answer`."""

    def __init__(self, multi: Multi, errand: Errand, url: str, pin: str | None, seconds: float, share: int) -> None:
        """Sends at once. `seconds` are for all of it; a connection gets its `share`-th part at most."""
        self.curl = pycurl.Curl()
        self.status = 0
        self.headers: HeaderList = ()
        self._multi = multi
        self._most = errand.most
        self._lines: list[bytes] = []
        self._pieces: deque[bytes] = deque()
        self._held = self._size = 0
        self._paused = False
        self._over = False
        self._fault: Unreachable | None = None
        self._news = asyncio.Event()
        try:
            _configure(self.curl, errand, url, pin)
            _limit(self.curl, errand.wire, seconds, share)
        except (pycurl.error, ValueError, TypeError) as error:
            self.curl.close()
            raise Unreachable(f"not sendable: {type(error).__name__}") from None
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._on_line)
        multi.later(self._start)

    async def head(self) -> None:
        """Wait for it. Raises `Unreachable`."""
        while not self.status and not self._over:
            await self._wait()
        if self._fault is not None:
            raise self._fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """See the port."""
        while True:
            if self._pieces:
                yield self._take()
            elif self._fault is not None:
                raise self._fault
            elif self._over:
                return
            else:
                await self._wait()

    def drop(self) -> None:
        """Nobody wants the rest. Idempotent."""
        if not self._over:
            self._over = True
            self._multi.later(self._end)

    # ── what the multi handle says ──

    def expire(self, now: float) -> None:
        """Libcurl keeps the deadlines of such a call itself."""

    def abandon(self, fault: Fault) -> None:
        """End it with `fault`."""
        self._fail(fault.detail)
        self._multi.remove(self)
        self.curl.close()

    def finished(self, number: int, message: str) -> None:
        """The end, by libcurl."""
        if not self._over:
            self._judge(number, message)
        self.curl.close()

    # ── within ──

    def _start(self) -> None:
        if self._over:
            self.curl.close()
            return
        try:
            self._multi.add(self)
        except pycurl.error as error:
            self._fail(f"not sendable: curl {error.args[0]}", connected=False)
            self.curl.close()

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._paused and not self._over:
            self._paused = False
            self._multi.later(self._go_on)
        return data

    def _go_on(self) -> None:
        if not self._over:
            self._multi.unpause(self)

    def _end(self) -> None:
        """Only outside libcurl."""
        self._multi.remove(self)
        self.curl.close()

    def _judge(self, number: int, message: str) -> None:
        connected = self.curl.getinfo(pycurl.REQUEST_SIZE) > 0
        if number:
            fault = faults.from_curl(number, message, connected=connected)
            kind = "timeout" if connected and number == pycurl.E_OPERATION_TIMEDOUT else fault.kind.value
            self._fail(f"{kind}: {fault.detail}", connected=connected)
        elif self.status:
            self._over = True
            self._news.set()
        else:
            self._fail("the answer ends within its head")

    def _fail(self, detail: str, *, connected: bool = True) -> None:
        if self._fault is None:
            self._fault = Unreachable(detail) if connected else _NotConnected(detail)
        self._over = True
        self._news.set()

    def _read_head(self) -> None:
        """Take the final head, once it is there; what is wrong with it ends the call."""
        try:
            head = headers.parse(self._lines, strange=True)
        except faults.Unacceptable as reason:
            self._fail(str(reason))
            return
        if head is not None:
            self.status, self.headers = head
            self._news.set()

    def _on_line(self, line: bytes) -> None:
        """CURLOPT_HEADERFUNCTION. A head counts when it is whole, not only when a body follows."""
        if not self.status and not self._over:
            self._lines.append(line)
            if line in _ENDS:
                self._read_head()

    def _on_body(self, chunk: bytes) -> int | None:
        """CURLOPT_WRITEFUNCTION. A chunk that is held back comes again."""
        if self._over or not self.status:
            return _ABORT
        if self._held >= HELD_BYTES:
            self._paused = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self._size += len(chunk)
        if self._size > self._most:
            self._fault = TooLong(f"an answer of more than {self._most} bytes")
            return _ABORT
        self._held += len(chunk)
        self._pieces.append(chunk)
        self._news.set()
        return None


def _pin(destination: Destination, address: str) -> str:
    """CURLOPT_CONNECT_TO for any host and port: whatever libcurl reads in the URL, it connects here."""
    host = f"[{address}]" if ":" in address else address
    return f"::{host}:{destination.port}"


def _configure(curl: pycurl.Curl, errand: Errand, url: str, pin: str | None) -> None:
    """Raises pycurl.error, ValueError, TypeError."""
    wire = errand.wire
    options.set_protocol(curl, http2=wire.http2)
    options.set_connection(curl, wire.connect)
    options.set_tls(curl, wire.ca_file or options.system_authorities())
    options.set_proxy(curl, wire.proxy)
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.FRESH_CONNECT, 1)
    curl.setopt(pycurl.FORBID_REUSE, 1)
    if pin is not None:
        curl.setopt(pycurl.CONNECT_TO, [pin])
    if any(part in line for line in errand.lines for part in _REFUSED_PARTS):
        raise ValueError("a line break in a header line")
    curl.setopt(pycurl.USERAGENT, USER_AGENT)
    curl.setopt(pycurl.HTTPHEADER, [*errand.lines, *_LINES])
    if errand.body is not None:
        curl.setopt(pycurl.POSTFIELDS, errand.body)


def _limit(curl: pycurl.Curl, wire: Wire, seconds: float, share: int) -> None:
    """Raises pycurl.error. A server that sends less than a byte a second is idle."""
    connect = min(wire.connect, seconds / share)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(connect * 1000)))
    curl.setopt(pycurl.TIMEOUT_MS, max(1, round(seconds * 1000)))
    curl.setopt(pycurl.LOW_SPEED_LIMIT, 1)
    curl.setopt(pycurl.LOW_SPEED_TIME, max(1, math.ceil(wire.idle)))
