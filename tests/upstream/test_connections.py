"""Connections: reuse, stale ones, TLS, proxies."""

import asyncio
import ssl
import warnings
from pathlib import Path

import pycurl
import pytest

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream import options

from .servers import Certificate, Connection, answering, channel, listen, make_certificate, piped, run, sender


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_connections_are_reused_and_handles_too(certificate: Certificate) -> None:
    async def main() -> None:
        async with listen(answering(), certificate) as server, sender(channel(certificate)) as client:
            for _ in range(5):
                assert (await client.fetch(server.base)).calls[-1] == "ended"
            assert len(server.connections) == 1
            assert (client.client.active, client.client.idle_handles) == (0, 1)
            together = [client.send(server.base) for _ in range(4)]
            assert client.client.active == 4
            await asyncio.gather(*(got.over.wait() for got in together))
            assert len(server.connections) == 4
            assert (client.client.active, client.client.idle_handles) == (0, 4)

    run(main())


def test_an_idle_connection_the_server_closed_is_not_noticed_by_anyone() -> None:
    done = 0

    async def handle(connection: Connection) -> None:
        nonlocal done
        if await connection.request() is not None:
            done += 1
            await connection.answer()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            for _ in range(5):
                assert (await client.fetch(server.base)).calls == ["head", "data", "ended"]
            assert (done, len(server.connections)) == (5, 5)

    run(main())


def test_a_connection_closed_under_the_request_is_replaced_and_the_request_served_once() -> None:
    """The race of RFC 9112 section 9.3.1: the server closes just as the request is written."""
    done = 0

    async def handle(connection: Connection) -> None:
        nonlocal done
        while await connection.request() is not None:
            if connection.served > 1:
                connection.writer.transport.abort()
                return
            done += 1
            await connection.answer()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            for _ in range(4):
                assert (await client.fetch(server.base, b"x" * 300_000)).calls == ["head", "data", "ended"]
            assert done == 4
            assert [connection.served for connection in server.connections] == [2, 2, 2, 1]

    run(main())


def test_a_whole_pool_of_stale_connections_is_survived() -> None:
    """One more than libcurl tries by itself, so that the request is sent once more on a fresh connection."""
    done = 0
    gathered = asyncio.Event()

    async def handle(connection: Connection) -> None:
        nonlocal done
        while await connection.request() is not None:
            if connection.served > 1:
                connection.writer.transport.abort()
                return
            done += 1
            if done == 8:
                gathered.set()
            await gathered.wait()
            await connection.answer()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            waiting = [client.send(server.base) for _ in range(8)]
            await asyncio.gather(*(got.over.wait() for got in waiting))
            got = await client.fetch(server.base)
            assert got.calls == ["head", "data", "ended"], got.fault
            assert done == 9
            assert len(server.connections) == 9
            # What was forced once is not forced again.
            await client.fetch(server.base)
            assert len(server.connections) <= 10

    run(main())


def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            assert (await client.fetch(server.base)).kind is FaultKind.CUT
            assert len(server.connections) == 1

    run(main())


def test_an_unknown_authority_and_a_wrong_name_are_refused(certificate: Certificate, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "other", names=("elsewhere.example",), loopback=False)

    async def main() -> None:
        async with listen(answering(), certificate) as server:
            for route in (channel(), channel(other)):
                async with sender(route) as client:
                    got = await client.fetch(server.base)
                    assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            assert all(connection.served == 0 for connection in server.connections)
        async with listen(answering(), other) as server, sender(channel(other)) as client:
            assert (await client.fetch(server.base)).kind is FaultKind.CONNECT

    run(main())


def test_old_tls_is_refused(certificate: Certificate) -> None:
    class Old(Certificate):
        def server_context(self) -> ssl.SSLContext:
            context = super().server_context()
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.maximum_version = ssl.TLSVersion.TLSv1_1
            return context

    async def main() -> None:
        old = Old(certificate.pem, certificate.key)
        async with listen(answering(), old) as server, sender(channel(certificate)) as client:
            assert (await client.fetch(server.base)).kind is FaultKind.CONNECT

    run(main())


def test_a_missing_file_of_authorities_is_a_connect_fault() -> None:
    async def main() -> None:
        route = channel(Certificate("/nonexistent.pem", ""))
        async with sender(route) as client:
            assert (await client.fetch("https://127.0.0.1:9/")).kind is FaultKind.CONNECT

    run(main())


def test_the_system_has_authorities() -> None:
    path = options.system_authorities()
    assert path is None or Path(path).is_file()


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with listen(answering(b"proxy")) as proxy, listen(answering(b"server")) as server:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.base)
            async with sender() as client:
                assert (await client.fetch(server.base)).body == b"server"
            assert proxy.connections == []
            # Nor does it exempt anything from the channel's own.
            monkeypatch.setenv("no_proxy", "*")
            async with sender(channel(proxy=proxy.base)) as client:
                assert (await client.fetch(server.base)).body == b"proxy"

    run(main())


async def tunnel(connection: Connection) -> None:
    """An HTTP proxy: CONNECT to anywhere."""
    request = await connection.request()
    if request is None:
        return
    assert request.line.startswith("CONNECT ")
    assert "authorization" not in request.headers
    host, _, port = request.line.split()[1].rpartition(":")
    ends = await asyncio.open_connection(host, int(port))
    connection.write(b"HTTP/1.1 200 Connection established\r\nx-proxy: 1\r\n\r\n")
    await piped(ends, connection)


async def socks(connection: Connection) -> None:
    """A SOCKS5 proxy without authentication (RFC 1928)."""
    reader = connection.reader
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    connection.write(b"\x05\x00")
    _, _, _, kind = await reader.readexactly(4)
    size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(size)
    port = int.from_bytes(await reader.readexactly(2), "big")
    # Every test lives on this machine, whatever the address was called.
    ends = await asyncio.open_connection("127.0.0.1", port)
    connection.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
    await piped(ends, connection)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_proxies(scheme: str, certificate: Certificate) -> None:
    handler = socks if scheme.startswith("socks") else tunnel

    async def main() -> None:
        async with (
            listen(handler, certificate if scheme == "https" else None) as proxy,
            listen(answering(b"through"), certificate) as server,
            sender(channel(certificate, proxy=f"{scheme}://127.0.0.1:{proxy.port}")) as client,
        ):
            for _ in range(2):
                got = await client.fetch(f"https://localhost:{server.port}/")
                assert (got.body, got.calls) == (b"through", ["head", "data", "ended"]), got.fault
                assert list(got.headers) == [(b"content-length", b"7")]
            assert (len(proxy.connections), len(server.connections)) == (1, 1)

    run(main())


def test_a_proxy_that_refuses_is_a_connect_fault(certificate: Certificate) -> None:
    async def main() -> None:
        async with listen(answering(b"no", status="407 Proxy Authentication Required")) as proxy:
            async with sender(channel(certificate, proxy=proxy.base)) as client:
                got = await client.fetch("https://localhost:9/")
                assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            async with sender(channel(certificate, proxy="http://127.0.0.1:1")) as client:
                assert (await client.fetch("https://localhost:9/")).kind is FaultKind.CONNECT

    run(main())


def test_pycurl_knows_the_numbers_that_have_no_name() -> None:
    curl = pycurl.Curl()
    curl.setopt(options.SUPPRESS_CONNECT_HEADERS, 1)
    curl.setopt(options.DISALLOW_USERNAME_IN_URL, 1)
    curl.close()


def test_a_get_has_no_body_and_leaves_no_trace_on_its_handle() -> None:
    seen: list[tuple[str, str | None, bytes]] = []

    async def handle(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            seen.append((request.line, request.headers.get("content-length"), request.body))
            await connection.answer()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            for method, body in (("GET", b""), ("POST", b"{}"), ("GET", b""), ("POST", b"[1]")):
                assert (await client.fetch(f"{server.base}/x?y=1", body, method=method)).calls[-1] == "ended"
            assert client.client.idle_handles == 1

    run(main())
    assert seen == [
        ("GET /x?y=1 HTTP/1.1", None, b""),
        ("POST /x?y=1 HTTP/1.1", "2", b"{}"),
        ("GET /x?y=1 HTTP/1.1", None, b""),
        ("POST /x?y=1 HTTP/1.1", "3", b"[1]"),
    ]
