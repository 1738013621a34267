"""The sandbox as an object: start it, script it, read what it received, stop it."""

import asyncio
import ssl
from collections.abc import Mapping

from polyrelay.sandbox.board import Board
from polyrelay.sandbox.connection import Hub
from polyrelay.sandbox.desk import Desk
from polyrelay.sandbox.door import Door
from polyrelay.sandbox.pacer import Pacer
from polyrelay.sandbox.records import Record, Ring


class Sandbox:
    """All vendors on a port. `seed` varies all answers.

    `keys`, when given, are the only bearers it accepts, and `basic` the only `user:password` of Stable Diffusion.
    """

    def __init__(
        self, *, seed: int = 0, keys: frozenset[str] = frozenset(), basic: frozenset[str] = frozenset()
    ) -> None:
        self._board = Board()
        self._ring = Ring()
        self._desk = Desk(self._board, self._ring, seed=seed, keys=keys, basic=basic)
        self._door: Door | None = None
        self._hub: Hub | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen; gives the port (a free one for 0). With `tls` the server speaks HTTPS.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        if tls is not None:
            self._desk.secure()
        self._hub = Hub(loop, Pacer(loop), self._desk, self._ring)
        self._door = Door(host, port, tls, self._board, self._hub)
        return self._door.port

    async def stop(self) -> None:
        """Close the port and every connection, at once."""
        if self._door is None or self._hub is None:
            return
        await self._door.close()
        self._hub.pacer.close()
        for connection in tuple(self._hub.open):
            connection.abort()
        while self._hub.open:  # noqa: ASYNC110 - transports tell of their end in the next turns of the loop
            await asyncio.sleep(0)
        self._door = self._hub = None

    def script(self, model: str, written: str | Mapping[str, object], times: int | None = None) -> None:
        """Set the behaviour of the next `times` requests (None: all) to `model`; see `board.Board.put`.

        Raises:
            ScriptError: the options cannot be understood.
        """
        self._board.put(model, written, times)

    def forget(self) -> None:
        """Drop all scripts and records; counts stay."""
        self._board.clear()
        self._ring.kept.clear()

    @property
    def requests(self) -> list[Record]:
        """What was received, oldest first."""
        return list(self._ring.kept)

    def state(self) -> dict[str, int]:
        """Counts of connections and exchanges, open and in total."""
        return self._ring.state()
