"""Bodies that are read as they are sent, and methods other than POST."""

import asyncio
import contextlib
import hashlib
import logging
import socket
import tempfile
from collections.abc import Iterator
from os import pread
from pathlib import Path

import pytest

from polyrelay.exchange.faults import FaultKind
from polyrelay.exchange.upload import Span, Stream, Upload, in_memory
from polyrelay.settings.timeouts import Timeouts

from .servers import PATIENCE, Connection, Recorder, answering, channel, listen, run, sender, until
from .test_http2 import NGINX, nginx

FILE = bytes(range(256)) * 8_000
PREFIX, SUFFIX = b"--x\r\n\r\nmodel\r\n", b"--x--\r\n"
SENT = PREFIX + FILE + SUFFIX


class Spooled:
    """An upload on disk that counts how often it was closed."""

    def __init__(self, data: bytes = FILE) -> None:
        self.closed = 0
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the upload
        self.file.write(data)
        number = self.file.fileno()
        self.upload = Upload(len(data), lambda size, offset: pread(number, size, offset), self._close)
        self.stream = Stream([PREFIX, Span(0, len(data)), SUFFIX], self.upload)

    def _close(self) -> None:
        self.closed += 1
        self.file.close()


@pytest.fixture
def spooled() -> Iterator[Spooled]:
    made = Spooled()
    yield made
    made.file.close()


async def echoing(connection: Connection) -> None:
    """Says which method came, and a digest of the body."""
    while (request := await connection.request()) is not None:
        digest = hashlib.sha256(request.body).hexdigest()
        await connection.answer(f"{request.line.split()[0]} {len(request.body)} {digest}".encode())


def said(method: str, body: bytes) -> bytes:
    return f"{method} {len(body)} {hashlib.sha256(body).hexdigest()}".encode()


async def ended(got: Recorder) -> Recorder:
    await asyncio.wait_for(got.over.wait(), PATIENCE)
    return got


def test_a_stream_arrives_whole_and_is_let_go(spooled: Spooled) -> None:
    async def handle(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            assert request.headers["content-length"] == str(len(SENT))
            assert "expect" not in request.headers
            assert "transfer-encoding" not in request.headers
            await connection.answer(hashlib.sha256(request.body).hexdigest().encode())

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            for _ in range(3):
                got = await client.fetch(server.base, spooled.stream)
                assert got.body.decode() == hashlib.sha256(SENT).hexdigest()
            assert len(server.connections) == 1
        spooled.upload.release()
        assert spooled.closed == 1

    run(main())


def test_bodies_and_methods_of_every_kind_follow_each_other_on_one_handle(spooled: Spooled) -> None:
    async def main() -> None:
        async with listen(echoing) as server, sender() as client:
            for _ in range(2):
                for method, body, expected in (
                    ("POST", b"{}", b"{}"),
                    ("POST", spooled.stream, SENT),
                    ("GET", b"", b""),
                    ("POST", b"y" * 100_000, b"y" * 100_000),
                    ("DELETE", b"", b""),
                    ("POST", spooled.stream, SENT),
                    ("POST", b"", b""),
                    ("PUT", spooled.stream, SENT),
                    ("GET", b"", b""),
                    ("DELETE", b"", b""),
                    ("POST", Stream([b"short"], in_memory(b"")), b"short"),
                ):
                    got = await client.fetch(server.base, body, method=method)
                    assert got.body == said(method, expected)
            assert (len(server.connections), client.client.idle_handles) == (1, 1)

    run(main())


def test_a_request_without_a_body_announces_none() -> None:
    async def handle(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            assert not {"content-length", "transfer-encoding", "expect"} & request.headers.keys()
            await connection.answer(request.line.encode())

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            for method in ("GET", "DELETE"):
                got = await client.fetch(f"{server.base}/v1/videos/1", b"", method=method)
                assert got.body.decode() == f"{method} /v1/videos/1 HTTP/1.1"

    run(main())


def test_bytes_with_another_method_than_post_are_not_sendable() -> None:
    async def main() -> None:
        async with listen(echoing) as server, sender() as client:
            got = await client.fetch(server.base, b"{}", method="GET")
            assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            assert (await client.fetch(server.base)).body == said("POST", b"{}")
            assert all(connection.served == 1 for connection in server.connections)

    run(main())


def test_a_stream_through_http2(spooled: Spooled, tmp_path: Path) -> None:
    if NGINX is None:
        pytest.skip("nginx is not installed")

    async def main() -> None:
        async with (
            listen(echoing) as server,
            nginx(tmp_path, server.port) as (base, certificate),
            sender(channel(certificate, http2=True)) as client,
        ):
            together = [client.send(base, spooled.stream) for _ in range(5)]
            for got in together:
                assert (await ended(got)).body == said("POST", SENT)
                assert dict(got.headers)[b"x-protocol"] == b"HTTP/2.0"
            for method, body, expected in (("POST", b"{}", b"{}"), ("GET", b"", b""), ("POST", spooled.stream, SENT)):
                assert (await client.fetch(base, body, method=method)).body == said(method, expected)

    run(main())


@pytest.mark.parametrize("connections", [1, 8])
def test_on_a_stale_connection_the_same_bytes_go_again(spooled: Spooled, connections: int) -> None:
    """The server reads some of the body before it resets; with 8, libcurl gives up and the transfer itself repeats."""
    gathered = asyncio.Event()
    done = 0

    async def handle(connection: Connection) -> None:
        nonlocal done
        while True:
            if connection.served:
                await connection.reader.read(150_000)
                connection.writer.transport.abort()
                return
            request = await connection.request()
            if request is None:
                return
            done += 1
            if done == connections:
                gathered.set()
            await gathered.wait()
            await connection.answer(hashlib.sha256(request.body).hexdigest().encode())

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            for got in [client.send(server.base) for _ in range(connections)]:
                await ended(got)
            got = await client.fetch(server.base, spooled.stream)
            assert got.body.decode() == hashlib.sha256(SENT).hexdigest()
            assert got.calls == ["head", "data", "ended"]
            assert done == connections + 1

    run(main())


def test_after_a_failure_another_channel_gets_the_same_bytes(spooled: Spooled) -> None:
    async def breaking(connection: Connection) -> None:
        await connection.reader.read(500_000)

    async def main() -> None:
        async with listen(breaking) as bad, listen(echoing) as good, sender() as first, sender() as second:
            got = await first.fetch(bad.base, spooled.stream)
            assert (got.calls, got.kind) == (["failed"], FaultKind.CUT)
            assert (await second.fetch(good.base, spooled.stream)).body == said("POST", SENT)
        assert not spooled.upload.released

    run(main())


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Content Too Large"])
def test_an_upstream_may_refuse_without_reading_the_body(spooled: Spooled, status: str) -> None:
    async def handle(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.answer(b'{"error":1}', status=status, extra="connection: close\r\n")
        with contextlib.suppress(ConnectionError):
            while await connection.reader.read(65536):
                pass

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            got = await client.fetch(server.base, spooled.stream)
            assert (got.status, got.body) == (int(status[:3]), b'{"error":1}')
            assert got.calls == ["head", "data", "ended"]
            await until(lambda: client.client.active == 0)
        spooled.upload.release()
        assert spooled.closed == 1

    run(main())


def test_sending_is_movement_for_the_first_byte_deadline() -> None:
    """An upload that takes longer than the deadline, at a pace at which what the sockets hold takes much less."""
    timeouts = Timeouts(connect=PATIENCE, first_byte=0.4, idle=0.4, total=PATIENCE)
    large = Spooled(FILE * 10)

    async def handle(connection: Connection) -> None:
        connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
        await connection.reader.readuntil(b"\r\n\r\n")
        missing = large.stream.size
        while missing and (data := await connection.reader.read(256 * 1024)):
            missing -= len(data)
            await asyncio.sleep(0.008)
        await connection.answer(b"all")

    async def main() -> None:
        async with listen(handle) as server, sender(channel(timeouts=timeouts)) as client:
            began = asyncio.get_running_loop().time()
            got = await client.fetch(server.base, large.stream)
            assert (got.body, got.kind) == (b"all", None)
            assert asyncio.get_running_loop().time() - began > 1.5 * timeouts.first_byte
        large.upload.release()

    run(main())


def test_an_upstream_that_stops_reading_runs_into_the_first_byte_deadline() -> None:
    timeouts = Timeouts(connect=PATIENCE, first_byte=0.3, idle=PATIENCE, total=PATIENCE)
    large = Spooled(FILE * 10)

    async def handle(connection: Connection) -> None:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(PATIENCE)

    async def main() -> None:
        async with listen(handle) as server, sender(channel(timeouts=timeouts)) as client:
            got = await client.fetch(server.base, large.stream)
            assert (got.calls, got.kind) == (["failed"], FaultKind.FIRST_BYTE)
        large.upload.release()
        assert large.closed == 1

    run(main())


def test_a_slow_upstream_is_not_read_ahead_for() -> None:
    """What has been read of the upload and not been taken fits into the sockets' buffers."""
    large = Spooled(FILE * 10)
    read = 0

    def counting(size: int, offset: int) -> bytes:
        nonlocal read
        read += size
        return pread(large.file.fileno(), size, offset)

    async def handle(connection: Connection) -> None:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await connection.gone()

    async def main() -> None:
        upload = Upload(large.upload.size, counting, large.upload.release)
        stream = Stream([Span(0, upload.size)], upload)
        async with listen(handle) as server, sender() as client:
            got = client.send(server.base, stream)
            still = -1
            while still != read:
                still = read
                await asyncio.sleep(0.15)
            assert 0 < read < upload.size / 2
            assert got.flight is not None
            got.flight.cancel()
            await until(lambda: client.client.active == 0)
            assert not upload.released
            upload.release()
            assert large.closed == 1

    run(main())


@pytest.mark.parametrize("moment", ["at once", "later"])
def test_a_cancel_lets_the_upload_go(moment: str) -> None:
    large = Spooled(FILE * 10)

    async def handle(connection: Connection) -> None:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await connection.gone()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            got = client.send(server.base, large.stream)
            large.upload.release()
            assert large.closed == 0
            if moment == "later":
                await until(lambda: bool(server.connections))
                await asyncio.sleep(0.02)
            assert got.flight is not None
            got.flight.cancel()
            await until(lambda: client.client.active == 0)
            assert (large.closed, got.calls) == (1, [])

    run(main())


def test_closing_the_client_lets_the_upload_go() -> None:
    large = Spooled()

    async def main() -> None:
        async with listen(echoing) as server, sender() as client:
            got = client.send(server.base, large.stream)
            large.upload.release()
            client.client.close()
            assert (large.closed, got.kind) == (1, FaultKind.CUT)

    run(main())


def test_an_upload_that_was_released_too_early_is_not_sent() -> None:
    async def main() -> None:
        gone = Spooled()
        gone.upload.release()
        async with listen(echoing) as server, sender() as client:
            got = await client.fetch(server.base, gone.stream)
            assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            assert (await client.fetch(server.base)).body == said("POST", b"{}")

    run(main())


def test_an_upload_that_cannot_be_read_ends_its_request_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def broken(size: int, offset: int) -> bytes:
        if offset:
            raise OSError(5, "Input/output error")
        return FILE[:size]

    async def main() -> None:
        upload = Upload(len(FILE), broken)
        async with listen(answering()) as other, listen(echoing) as server, sender() as client:
            with caplog.at_level(logging.ERROR, "polyrelay.upstream.transfer"):
                got = await client.fetch(server.base, Stream([Span(0, len(FILE))], upload))
            assert (got.calls, got.kind) == (["failed"], FaultKind.CUT)
            assert "Input/output error" in caplog.text
            assert (await client.fetch(other.base)).calls[-1] == "ended"
            assert client.client.active == 0

    run(main())
