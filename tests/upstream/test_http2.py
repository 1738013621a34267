"""HTTP/2 as nginx speaks it, in front of the same raw servers."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polyrelay.exchange.faults import FaultKind

from .servers import PATIENCE, Certificate, Connection, Recorder, channel, listen, make_certificate, run, sender, until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None and not os.environ.get("CI"), reason="nginx is not installed, and this is not CI"
)

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {certificate.pem};
    ssl_certificate_key {certificate.key};
    client_max_body_size 64m;
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1;
      proxy_buffering off;
      add_header x-connection $connection always;
      add_header x-protocol $server_protocol always;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def nginx(folder: Path, behind: int) -> AsyncIterator[tuple[str, Certificate]]:
    """Address and certificate of an nginx that passes everything to the port `behind`."""
    assert NGINX is not None, "nginx must be installed in CI"
    certificate = make_certificate(folder / "tls")
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, port=port, behind=behind, certificate=certificate))
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-c", str(file), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: process.returncode is not None or _accepts(port))
        assert process.returncode is None, (folder / "error.log").read_text()
        yield f"https://127.0.0.1:{port}", certificate
    finally:
        process.terminate()
        await process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def field(got: Recorder, name: bytes) -> bytes:
    return dict(got.headers)[name]


async def flood(connection: Connection) -> None:
    with contextlib.suppress(ConnectionError):
        while not connection.writer.transport.is_closing():
            connection.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await connection.writer.drain()


async def behind(connection: Connection) -> None:
    """By path: an echo, an endless flood, a stall after a few bytes, a cut."""
    while (request := await connection.request()) is not None:
        path = request.line.split()[1]
        if path == "/echo":
            await connection.answer(request.body)
        elif path == "/flood":
            connection.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            await flood(connection)
            return
        elif path == "/stall":
            connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
            await connection.gone()
            connection.served = -1
            return
        else:
            connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
            return


def test_streams_share_a_connection_and_mix_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with listen(behind) as server, nginx(tmp_path, server.port) as (base, certificate):
            async with sender(channel(certificate, http2=True)) as client:
                first = await client.fetch(f"{base}/echo", b"\0first")
                assert (first.status, first.body, first.calls) == (200, b"\0first", ["head", "data", "ended"])
                assert field(first, b"x-protocol") == b"HTTP/2.0"
                many = [client.send(f"{base}/echo", b"%d" % n * 20_000) for n in range(40)]
                for n, got in enumerate(many):
                    await asyncio.wait_for(got.over.wait(), PATIENCE)
                    assert got.body == b"%d" % n * 20_000
                    assert field(got, b"x-connection") == field(first, b"x-connection")
            async with sender(channel(certificate, http2=False)) as client:
                assert field(await client.fetch(f"{base}/echo"), b"x-protocol") == b"HTTP/1.1"

    run(main())


def test_a_paused_stream_blocks_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            listen(behind) as server,
            nginx(tmp_path, server.port) as (base, certificate),
            sender(channel(certificate, http2=True)) as client,
        ):
            flood = client.send(f"{base}/flood")
            await flood.fed.wait()
            assert flood.flight is not None
            flood.flight.pause()
            await asyncio.sleep(0.1)
            before = len(flood.chunks)
            for _ in range(10):
                got = await client.fetch(f"{base}/echo", b"y" * 200_000)
                assert (len(got.body), got.calls[-1]) == (200_000, "ended")
                assert field(got, b"x-connection") == field(flood, b"x-connection")
            assert len(flood.chunks) == before
            flood.flight.resume()
            await until(lambda: len(flood.chunks) > before + 100)
            flood.flight.cancel()
            await until(lambda: client.client.active == 0)
            assert set(b"".join(flood.chunks)) == {ord("x")}

    run(main())


def test_a_cancel_resets_the_stream_and_keeps_the_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            listen(behind) as server,
            nginx(tmp_path, server.port) as (base, certificate),
            sender(channel(certificate, http2=True)) as client,
        ):
            stalled = client.send(f"{base}/stall")
            await stalled.fed.wait()
            assert stalled.flight is not None
            stalled.flight.cancel()
            # nginx drops its own upstream connection when the stream is reset.
            await until(lambda: any(connection.served == -1 for connection in server.connections))
            after = await client.fetch(f"{base}/echo", b"z")
            assert after.body == b"z"
            assert field(after, b"x-connection") == field(stalled, b"x-connection")
            assert stalled.calls == ["head", "data"]

    run(main())


def test_a_stream_that_breaks_is_cut(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            listen(behind) as server,
            nginx(tmp_path, server.port) as (base, certificate),
            sender(channel(certificate, http2=True)) as client,
        ):
            got = await client.fetch(f"{base}/cut")
            assert (got.body, got.kind) == (b"hello", FaultKind.CUT), got.fault
            assert (await client.fetch(f"{base}/echo", b"z")).body == b"z"

    run(main())
