"""Accepts connections from the raw socket, so that a script can delay the TLS handshake or refuse to open at all.

The event loop's own server begins to read, or to shake hands, before anyone can stop it.
"""

import asyncio
import logging
import socket
import ssl

from polyrelay.sandbox.board import Board
from polyrelay.sandbox.connection import Connection, Hub
from polyrelay.sandbox.playback import LINGER_ZERO
from polyrelay.sandbox.script import Script

_LOG = logging.getLogger(__name__)
_BACKLOG = 2048
"""Load tests open hundreds of connections at once."""
_ACCEPTED_AT_ONCE = 128
_HANDSHAKE_SECONDS = 30.0


class Door:
    """A listening socket and the connections that are not open yet.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, board: Board, hub: Hub) -> None:
        self._tls = tls
        self._board = board
        self._hub = hub
        self._opening: set[asyncio.Task[None]] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        hub.loop.add_reader(self._socket, self._accept)

    async def close(self) -> None:
        """Stop listening, and drop the connections that are not open yet."""
        self._hub.loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._opening:
            task.cancel()
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._socket.accept()
            except OSError:  # none is waiting, or no descriptor is free: then it waits in the backlog
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._hub.loop.create_task(self._open(accepted, self._board.take_connection()))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket, script: Script) -> None:
        """Hand the socket to the loop, which from then on closes it; or close it here."""
        mine = True
        try:
            await self._wait(accepted, script)
            if script.door == "no":
                mine = False
                await self._hub.loop.connect_accepted_socket(
                    lambda: Connection(self._hub),
                    accepted,
                    ssl=self._tls,
                    ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
                )
        except OSError as error:
            _LOG.debug("sandbox: a connection was not opened: %s", error)
        finally:
            if mine:
                accepted.close()

    async def _wait(self, accepted: socket.socket, script: Script) -> None:
        if script.door == "reset":
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        elif script.door == "mute":
            while await self._hub.loop.sock_recv(accepted, 65536):
                pass
        elif script.handshake:
            await asyncio.sleep(script.handshake)
