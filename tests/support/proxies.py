"""Proxies, just large enough to be gone through: HTTP CONNECT (RFC 9110 section 9.3.6), SOCKS5 (RFC 1928), and a line
that can be cut.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

Target = tuple[str, int]
Greeting = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Target | None]]

READY_SECONDS = 10
_SOCKS_DONE = b"\x05\x00\x00\x01" + bytes(6)


class Proxy:
    """A proxy in a thread of its own; `targets` are the addresses it was asked for."""

    def __init__(self, greeting: Greeting, accepted: bytes) -> None:
        self.port = 0
        self.targets: list[Target] = []
        self._greeting = greeting
        self._accepted = accepted
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(READY_SECONDS)

    def stop(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, family=socket.AF_INET)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            target = await self._greeting(reader, writer)
            if target is not None:
                self.targets.append(target)
                beyond_reader, beyond_writer = await asyncio.open_connection(*target)
                writer.write(self._accepted)
                await asyncio.gather(_pump(reader, beyond_writer), _pump(beyond_reader, writer))
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


def _connect_greeting(authorization: str | None) -> Greeting:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Target | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        if method != "CONNECT" or (authorization and f"Proxy-Authorization: {authorization}\r\n" not in head):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return None
        host, _, port = target.rpartition(":")
        return host, int(port)

    return greet


async def _socks_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Target | None:
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    _, command, _, kind = await reader.readexactly(4)
    assert command == 1, "CONNECT"
    if kind == 1:
        host = socket.inet_ntoa(await reader.readexactly(4))
    else:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode("ascii")
    return host, int.from_bytes(await reader.readexactly(2), "big")


@contextmanager
def _running(proxy: Proxy) -> Iterator[Proxy]:
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def connect_proxy(authorization: str | None = None) -> contextlib.AbstractContextManager[Proxy]:
    """An HTTP proxy that only tunnels, and only for `authorization` (`Basic ...`) when given."""
    return _running(Proxy(_connect_greeting(authorization), b"HTTP/1.1 200 Connection established\r\n\r\n"))


def socks_proxy() -> contextlib.AbstractContextManager[Proxy]:
    """A SOCKS5 proxy without authentication; a name it is asked for stays a name in `targets`."""
    return _running(Proxy(_socks_greeting, _SOCKS_DONE))


class Line:
    """A line to a Unix socket, in a thread of its own, that can be cut: then nothing arrives, and nobody is told.

    What was sent meanwhile arrives once it is whole again, as after a network that lost its way for a while.
    """

    def __init__(self, path: str) -> None:
        self.port = 0
        self._path = path
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._whole = asyncio.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def cut(self) -> None:
        self._call(self._whole.clear)

    def heal(self) -> None:
        self._call(self._whole.set)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(READY_SECONDS)

    def stop(self) -> None:
        self._call(self._stopped.set)
        self._thread.join()

    def _call(self, act: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(act)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._whole.set()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._whole.wait()
            beyond_reader, beyond_writer = await asyncio.open_unix_connection(self._path)
            await asyncio.gather(self._pump(reader, beyond_writer), self._pump(beyond_reader, writer))
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                await self._whole.wait()
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


@contextmanager
def line(path: str) -> Iterator[Line]:
    """A line to the Unix socket at `path`."""
    made = Line(path)
    made.start()
    try:
        yield made
    finally:
        made.heal()
        made.stop()
