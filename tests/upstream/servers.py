"""Real peers for the HTTP client: raw TCP and TLS servers, proxies, and the ends that listen to answers."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.upload import Stream
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service.ports import Flight, HeaderList
from polyrelay.settings.timeouts import Timeouts
from polyrelay.upstream.curl import CurlUpstream

PATIENCE = 20.0
"""Seconds a test waits for what must come; only reached when it fails."""


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Certificate:
    pem: str
    key: str

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, self.key)
        return context


def make_certificate(folder: Path, *, names: tuple[str, ...] = ("localhost",), loopback: bool = True) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    if loopback:
        alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate(str(pem), str(secret))


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes
    raw_head: bytes


@dataclass
class Connection:
    """One accepted connection."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    served: int = 0

    async def request(self) -> Request | None:
        """The next request, or None at the end of the connection."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode().split("\r\n")[:-2]
            headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in fields)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return None
        self.served += 1
        return Request(line, headers, body, head)

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, body: bytes = b"{}", *, status: str = "200 OK", extra: str = "") -> None:
        self.write(f"HTTP/1.1 {status}\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def gone(self) -> None:
        """Until the client closes its side."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while await self.reader.read(65536):
                pass


Handler = Callable[[Connection], Awaitable[None]]


@dataclass
class Server:
    """A listening peer; `connections` holds everything that was ever accepted."""

    port: int
    tls: bool
    connections: list[Connection] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def listen(handler: Handler, certificate: Certificate | None = None) -> AsyncIterator[Server]:
    """Serve with `handler` on a free port; at the end every connection is closed."""
    peer = Server(0, tls=certificate is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        connection = Connection(len(peer.connections), reader, writer)
        peer.connections.append(connection)
        try:
            await handler(connection)
        finally:
            await close(writer)
            tasks.discard(task)

    context = certificate.server_context() if certificate is not None else None
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def answering(body: bytes = b"{}", *, extra: str = "", status: str = "200 OK") -> Handler:
    """Every request gets the same answer, on a connection that stays open."""

    async def handle(connection: Connection) -> None:
        while await connection.request() is not None:
            await connection.answer(body, extra=extra, status=status)

    return handle


def saying(*parts: bytes, stay: bool = False) -> Handler:
    """Each request gets exactly these bytes; then the connection is closed, or left open with `stay`."""

    async def handle(connection: Connection) -> None:
        while await connection.request() is not None:
            for part in parts:
                connection.write(part)
                await connection.writer.drain()
            if not stay:
                return

    return handle


async def close(writer: asyncio.StreamWriter) -> None:
    """Close properly if the other end plays along, and in any case."""
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 0.5)
    writer.transport.abort()
    await asyncio.sleep(0)


async def piped(first: tuple[asyncio.StreamReader, asyncio.StreamWriter], second: Connection) -> None:
    """Copy both ways until either side ends."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    ways = [
        asyncio.ensure_future(copy(first[0], second.writer)),
        asyncio.ensure_future(copy(second.reader, first[1])),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await close(first[1])


# ── the relay's side ─────────────────────────────────────────────────────────────────────────────────────────────


class Recorder:
    """A sink that writes everything down."""

    def __init__(self, act: Callable[["Recorder", str], object] | None = None) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.headers: HeaderList = ()
        self.chunks: list[bytes] = []
        self.fault: Fault | None = None
        self.flight: Flight | None = None
        self.act = act
        self.over = asyncio.Event()
        self.headed = asyncio.Event()
        self.fed = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def kind(self) -> FaultKind | None:
        return self.fault.kind if self.fault is not None else None

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.act is not None:
            self.act(self, call)

    def head(self, status: int, headers: HeaderList) -> None:
        self.status, self.headers = status, headers
        self.headed.set()
        self._note("head")

    def data(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.fed.set()
        self._note("data")

    def ended(self) -> None:
        self.over.set()
        self._note("ended")

    def failed(self, fault: Fault) -> None:
        self.fault = fault
        self.over.set()
        self._note("failed")


CREDENTIAL = Credential("first", "sk-test")
FIXED = ("content-type: application/json", "authorization: Bearer sk-test")


def channel(
    certificate: Certificate | None = None,
    *,
    http2: bool = False,
    proxy: str | None = None,
    timeouts: Timeouts | None = None,
) -> Channel:
    return Channel(
        name="test",
        provider="openai",
        base_url="",
        credentials=(CREDENTIAL,),
        timeouts=timeouts or Timeouts(connect=PATIENCE, first_byte=PATIENCE, idle=PATIENCE, total=PATIENCE),
        proxy=proxy,
        http2=http2,
        ca_file=certificate.pem if certificate is not None else None,
    )


class Sender:
    """The client under test with a channel to send on."""

    def __init__(self, route: Channel) -> None:
        self.channel = route
        self.client = CurlUpstream(asyncio.get_running_loop())

    def send(
        self,
        url: str,
        body: bytes | Stream = b"{}",
        *,
        headers: tuple[str, ...] = (),
        act: Callable[[Recorder, str], object] | None = None,
        method: str = "POST",
    ) -> Recorder:
        recorder = Recorder(act)
        request = OutboundRequest(self.channel, CREDENTIAL, url, FIXED, headers, body, method)
        recorder.flight = self.client.send(request, recorder)
        assert not recorder.calls
        return recorder

    async def fetch(
        self, url: str, body: bytes | Stream = b"{}", *, headers: tuple[str, ...] = (), method: str = "POST"
    ) -> Recorder:
        recorder = self.send(url, body, headers=headers, method=method)
        await asyncio.wait_for(recorder.over.wait(), PATIENCE)
        return recorder


@contextlib.asynccontextmanager
async def sender(route: Channel | None = None) -> AsyncIterator[Sender]:
    made = Sender(route or channel())
    try:
        yield made
    finally:
        made.client.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`, looking at every turn of the loop and then every few milliseconds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - any condition, of libcurl's or a server's
            await asyncio.sleep(0.002)
