"""One uvicorn server on one pre-bound socket, started and stopped by us and not by uvicorn's signal handlers."""

import asyncio
import contextlib
import math
import socket
from collections.abc import Generator

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from polyrelay.http import fast_lane
from polyrelay.http.context import LaneContext
from polyrelay.settings.root import ServerSettings

BACKLOG = 2048
"""Connections the kernel may hold for us; uvicorn's own default."""

SHUT_SECONDS = 2.0
"""After the drain deadline: time for exchanges to end honestly before their connections are dropped."""


class Server(uvicorn.Server):
    """`serve()` until `stop()`; then drain, within `drain_seconds`."""

    def __init__(self, config: uvicorn.Config, context: LaneContext, drain_seconds: float) -> None:
        super().__init__(config)
        self._context = context
        self._drain_seconds = drain_seconds
        self._listener: socket.socket | None = None

    def bind(self) -> int:
        """Bind the address, unless done; returns the port. Raises OSError when it is taken or not ours."""
        if self._listener is None:
            self._listener = listener(self.config.host, self.config.port)
        return self.bound_port

    def adopt(self, bound: socket.socket) -> None:
        """Serve on a bound socket instead of binding one. Other processes may serve on it too."""
        self._listener = bound

    @property
    def bound_port(self) -> int:
        """The port after `bind`; the configured one before."""
        if self._listener is None:
            return self.config.port
        port: int = self._listener.getsockname()[1]
        return port

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept and answer until `stop`. `sockets` are used instead of the configured address when given."""
        if sockets is None:
            self.bind()
            sockets = [self._listener] if self._listener is not None else []
        await super().serve(sockets)

    def stop(self) -> None:
        """End `serve`: no new connections, open exchanges finish. Noticed within 0.1 s; may be called again."""
        self.should_exit = True

    def abort(self) -> None:
        """End `serve` without waiting for anyone."""
        self.should_exit = True
        self.force_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: they are the command line's."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain: at the deadline exchanges are told to end honestly, a little later their connections are dropped."""
        self._context.draining = True
        loop = asyncio.get_running_loop()
        shut = loop.call_later(self._drain_seconds, self._context.shut_exchanges)
        drop = loop.call_later(self._drain_seconds + SHUT_SECONDS, self._drop_connections)
        try:
            await super().shutdown(sockets)
        finally:
            shut.cancel()
            drop.cancel()

    def _drop_connections(self) -> None:
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, HttpToolsProtocol):
                connection.transport.abort()


def listener(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound TCP socket, not yet listening; with `shared` several processes may bind it (SO_REUSEPORT)."""
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def build(
    settings: ServerSettings,
    context: LaneContext,
    app: ASGI3Application,
    *,
    limit_concurrency: int | None = None,
    ws: type[asyncio.Protocol] | str = "auto",
) -> Server:
    """A server for `settings`, not yet bound. It logs through `uvicorn.error` and configures no logging."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=fast_lane.protocol(context),
        ws=ws,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,
        backlog=BACKLOG,
        limit_concurrency=limit_concurrency,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds + 2 * SHUT_SECONDS),
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    return Server(config, context, settings.drain_seconds)
