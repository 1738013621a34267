"""One upstream answer that is handed on piece by piece to whoever awaits them: videos, that no buffer should hold."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from polyrelay.exchange.faults import Fault
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.answers import Headers
from polyrelay.service.ports import Flight, HeaderList, Take, Upstream

HELD_BYTES = 1024 * 1024
"""Read ahead of a slow reader before the upstream is paused."""


Pieces = Callable[[], Awaitable[bytes]]
"""The next piece of a body that is too large to hold; empty at its end. Raises when the rest will not come."""


class Streamed(msgspec.Struct, frozen=True):
    """An answer whose body comes piece by piece. `close` lets go of where it comes from, at its end or before."""

    status: int
    headers: Headers
    pieces: Pieces
    close: Callable[[], None]


class DownloadFailed(PolyrelayError):
    """The upstream broke off; `fault` says how."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind.value)
        self.fault = fault


class Download:
    """Implements the port `Sink`. `status` and `headers` are known once `begun` has returned."""

    def __init__(self, upstream: Upstream, request: OutboundRequest) -> None:
        self.status = 0
        self.headers: HeaderList = ()
        self.data: Take = self._data
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._over = False
        self._fault: Fault | None = None
        self._changed = asyncio.Event()
        self._flight: Flight = upstream.send(request, self)

    # ── the upstream's side ──

    def head(self, status: int, headers: HeaderList) -> None:
        """See the port."""
        self.status, self.headers = status, headers
        self._changed.set()

    def ended(self) -> None:
        """See the port."""
        self._over = True
        self._changed.set()

    def failed(self, fault: Fault) -> None:
        """See the port."""
        self._over, self._fault = True, fault
        self._changed.set()

    def _data(self, chunk: bytes) -> None:
        self._pieces.append(chunk)
        self._held += len(chunk)
        if self._held >= HELD_BYTES:
            self._flight.pause()
        self._changed.set()

    # ── the reader's side ──

    async def begun(self) -> None:
        """Wait for the head. Raises `DownloadFailed`."""
        while not self.status and not self._over:
            await self._wait()
        self._blame()

    async def more(self) -> bool:
        """Wait for the next piece; whether there is one. Raises `DownloadFailed`."""
        while not self._pieces and not self._over:
            await self._wait()
        if not self._pieces:
            self._blame()
        return bool(self._pieces)

    async def piece(self) -> bytes:
        """The next piece, empty at the end. Raises `DownloadFailed`."""
        if not await self.more():
            return b""
        piece = self._pieces.popleft()
        before, self._held = self._held, self._held - len(piece)
        if self._held < HELD_BYTES <= before:
            self._flight.resume()
        return piece

    def close(self) -> None:
        """Nobody reads on."""
        self._flight.cancel()
        self._over = True
        self._pieces.clear()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _blame(self) -> None:
        if self._fault is not None:
            raise DownloadFailed(self._fault)
