"""A real server on a thread with uvloop, a scripted relay behind it, and a client that speaks raw bytes."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from polyrelay.http import server as http_server
from polyrelay.http.context import LaneContext, LaneSettings
from polyrelay.kernel.errors import Refusal
from polyrelay.service.ports import Client, Exchange, HeaderList, Inbound
from polyrelay.settings.bounds import Bounds
from polyrelay.settings.root import CorsSettings, ServerSettings
from polyrelay.wire.registry import Surface
from polyrelay.wire.spoken import Incoming, Request

CHAT = "/v1/chat/completions"
FORMS = "/v1/forms"
EITHER = "/v1/either"


def unread(_: Incoming) -> Request:
    """The lane hands requests over without reading them."""
    raise AssertionError


SURFACES = (
    Surface("openai_chat", CHAT, unread),
    Surface("aitoearn_chat", "/api/ai/chat/completions", unread),
    Surface("forms", FORMS, unread, accepts=frozenset({"multipart"})),
    Surface("either", EITHER, unread, accepts=frozenset({"json", "multipart"})),
)
START_CHAT = b"POST %b HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\n" % CHAT.encode()
JSON = (b"content-type", b"application/json")
PATIENCE = 5.0

T = TypeVar("T")
Script = Callable[["ScriptedExchange"], None]


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Seconds until `condition` held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never happened"
        time.sleep(0.005)
    return time.monotonic() - began


@dataclass
class ScriptedExchange:
    """What the lane told an exchange, and the client it may write to."""

    inbound: Inbound
    client: Client
    gone: int = 0
    events: list[str] = field(default_factory=list)
    on_shut: Callable[[], None] | None = None

    def client_gone(self) -> None:
        self.gone += 1

    def pause(self) -> None:
        self.events.append("pause")

    def resume(self) -> None:
        self.events.append("resume")

    def shut(self) -> None:
        self.events.append("shut")
        if self.on_shut is not None:
            self.on_shut()


def echo(exchange: ScriptedExchange) -> None:
    """Answer at once with what was received."""
    inbound = exchange.inbound
    seen = {"surface": inbound.surface, "length": len(inbound.body), "peer": inbound.peer, "sum": sum(inbound.body)}
    seen["headers"] = {name.decode(): value.decode("latin-1") for name, value in inbound.headers}
    exchange.client.reply(200, [JSON], json.dumps(seen).encode())


def hold(exchange: ScriptedExchange) -> None:
    """Answer later, from the test."""


def stream(exchange: ScriptedExchange) -> None:
    """Begin an answer, and leave it open."""
    exchange.client.start(200, [(b"content-type", b"text/event-stream")])
    exchange.client.write(b"data: 1\n\n")


class ScriptedRelay:
    """The relay port's twin: does what `script` says, refuses in the OpenAI shape, and remembers everything."""

    def __init__(self) -> None:
        self.script: Script = echo
        self.screening: Refusal | None = None
        self.exchanges: list[ScriptedExchange] = []
        self.screened: list[tuple[str, str]] = []
        self.refused: list[tuple[str, Refusal]] = []
        self.tasks: list[int] = []

    def open(self, inbound: Inbound, client: Client) -> Exchange | None:
        exchange = ScriptedExchange(inbound, client)
        self.exchanges.append(exchange)
        self.tasks.append(len(asyncio.all_tasks()))
        self.script(exchange)
        return exchange

    def screen(self, surface: str, headers: HeaderList, peer: str) -> Refusal | None:
        self.screened.append((surface, peer))
        return self.screening

    def identify(self, head: Mapping[bytes, bytes]) -> HeaderList:
        return [(b"x-request-id", head.get(b"x-request-id", b"px_1"))]

    def refuse(self, surface: str, headers: HeaderList, refusal: Refusal, client: Client) -> None:
        self.refused.append((surface, refusal))
        extra = [(b"retry-after", b"%d" % refusal.retry_after)] if refusal.retry_after else []
        error = {"message": refusal.message, "type": "invalid_request_error", "param": None, "code": refusal.code}
        body = json.dumps({"error": error}).encode()
        client.reply(refusal.status, [JSON, (b"x-request-id", b"px_test"), *extra, *refusal.headers], body)


class EchoApplication:
    """An ASGI application that says what it got; `/slow` waits for `gate`."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.gate = threading.Event()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.scopes.append(scope)
        assert scope["type"] == "http"
        message = await receive()
        assert message["type"] == "http.request"
        while scope["path"] == "/slow" and not self.gate.is_set():  # noqa: ASYNC110 - set from the test's thread
            await asyncio.sleep(0.005)
        body = f"asgi {scope['method']} {scope['path']} {len(message['body'])}".encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


@dataclass
class Response:
    """A parsed answer. `complete` says whether its body had a proper end."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """A client socket, byte by byte."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def post(self, body: bytes = b"{}", headers: bytes = b"", path: str = CHAT, version: str = "1.1") -> None:
        self.send(post(body, headers, path, version))

    def read(self, *, head_only: bool = False) -> Response:
        """The next whole answer."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        line, *lines = head[:-4].split("\r\n")
        headers = {name.lower(): value for name, value in (h.split(": ", 1) for h in lines)}
        status = int(line.split(" ")[1])
        if head_only or status in (100, 204):
            return Response(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return self._chunked(status, headers)
        if "content-length" in headers:
            return Response(status, headers, self._exactly(int(headers["content-length"])))
        return Response(status, headers, self.rest())

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while data := self.socket.recv(65536):
            self._buffer += data
        rest, self._buffer = self._buffer, b""
        return rest

    def is_closed(self) -> bool:
        """Waits for the server's close; False when it sends something instead."""
        try:
            return not self._buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def is_silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for a while."""
        self.socket.settimeout(seconds)
        try:
            return not self._buffer and self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    def until(self, marker: bytes) -> bytes:
        return self._until(marker)

    def close(self) -> None:
        self.socket.close()

    def _chunked(self, status: int, headers: dict[str, str]) -> Response:
        body = b""
        while True:
            try:
                size = int(self._until(b"\r\n")[:-2], 16)
            except EOFError:
                return Response(status, headers, body, complete=False)
            piece = self._exactly(size + 2)
            if not size:
                return Response(status, headers, body)
            body += piece[:-2]

    def _until(self, marker: bytes) -> bytes:
        while marker not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(marker)
        return found + marker

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(self._buffer)
        self._buffer += data


def post(body: bytes = b"{}", headers: bytes = b"", path: str = CHAT, version: str = "1.1") -> bytes:
    """A POST with content-length; `headers` are whole lines."""
    head = b"POST %b HTTP/%b\r\nhost: relay\r\ncontent-type: application/json\r\n" % (path.encode(), version.encode())
    return head + b"content-length: %d\r\n%b\r\n%b" % (len(body), headers, body)


def chunked(pieces: list[bytes], headers: bytes = b"", trailers: bytes = b"") -> bytes:
    """A POST in chunks."""
    head = b"POST %b HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\n" % CHAT.encode()
    head += b"transfer-encoding: chunked\r\n%b\r\n" % headers
    return head + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n%b\r\n" % trailers


def get(path: str = "/other", method: str = "GET", headers: bytes = b"") -> bytes:
    """A request without a body."""
    return f"{method} {path} HTTP/1.1\r\nhost: relay\r\n".encode() + headers + b"\r\n"


class Live:
    """The running server, as tests see it."""

    def __init__(self, server: http_server.Server, context: LaneContext, relay: ScriptedRelay) -> None:
        self.server = server
        self.context = context
        self.relay = relay
        self.app = EchoApplication()
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: list[Raw] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure: BaseException | None = None

    def connect(self, receive_buffer: int | None = None) -> Raw:
        client = Raw(self.port, receive_buffer)
        self._clients.append(client)
        return client

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the server's loop."""
        assert self._loop is not None
        done: list[T] = []
        failed: list[BaseException] = []
        ready = threading.Event()

        def run() -> None:
            try:
                done.append(function())
            except BaseException as error:  # noqa: BLE001 - handed to the test, which raises it
                failed.append(error)
            ready.set()

        self._loop.call_soon_threadsafe(run)
        assert ready.wait(PATIENCE)
        if failed:
            raise failed[0]
        return done[0]

    def exchange(self, index: int = -1) -> ScriptedExchange:
        """An exchange that was opened, waiting for it."""
        needed = index + 1 if index >= 0 else 1
        eventually(lambda: len(self.relay.exchanges) >= needed)
        return self.relay.exchanges[index]

    def start(self) -> None:
        self.port = self.server.bind()
        self._thread.start()
        eventually(lambda: self.server.started)

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.app.gate.set()
        self.server.stop()
        self.join()

    def join(self) -> None:
        self._thread.join(10 * PATIENCE)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:
                self._loop = runner.get_loop()
                runner.run(self.server.serve())
        except BaseException as error:  # noqa: BLE001 - raised by `join`
            self._failure = error


@contextlib.contextmanager
def live(
    *,
    bounds: Bounds | None = None,
    cors: CorsSettings | None = None,
    forwarded: tuple[str, ...] = (),
    limit_concurrency: int | None = None,
    drain: float = 1.0,
    app: ASGI3Application | None = None,
    ws: type[asyncio.Protocol] | str = "auto",
    tls: tuple[str, str] | None = None,
    spool: Path | None = None,
) -> Iterator[Live]:
    """A server for one test."""
    relay = ScriptedRelay()
    settings = LaneSettings(
        relay, {each.path: each for each in SURFACES}, bounds or Bounds(), cors or CorsSettings(), forwarded
    )
    context = LaneContext(settings, spool)
    certificate, key = tls or (None, None)
    place = ServerSettings(port=0, drain_seconds=drain, tls_certificate=certificate, tls_key=key)
    holder: list[Live] = []

    async def echo_app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await holder[0].app(scope, receive, send)

    server = http_server.build(place, context, app or echo_app, limit_concurrency=limit_concurrency, ws=ws)
    running = Live(server, context, relay)
    holder.append(running)
    running.start()
    try:
        yield running
        eventually(lambda: context.bytes_in_flight == 0 or bool(context.exchanges))
    finally:
        running.stop()
    assert context.bytes_in_flight == 0
    assert context.bytes_spooled == 0
    assert not context.exchanges
