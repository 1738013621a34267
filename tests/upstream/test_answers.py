"""What a server says, and what the sink hears of it."""

import gzip
import os
import zlib

import pytest

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream import headers
from polyrelay.upstream.coding import FREE_BYTES

from .servers import Connection, answering, channel, listen, run, saying, sender

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_the_request_on_the_wire_is_ours_alone() -> None:
    body = bytes(range(256)) * 5000
    seen = []

    async def handle(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            seen.append(request)
            await connection.answer()

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            await client.fetch(f"{server.base}/v1/chat?x=1", body, headers=("x-one: 1",))
            await client.fetch(f"{server.base}/v1/chat?x=1", b"", headers=("x-two: 2",))

    run(main())
    first, second = seen
    assert first.line == "POST /v1/chat?x=1 HTTP/1.1"
    assert first.body == body
    assert second.body == b""
    assert set(first.headers) == {
        "host", "user-agent", "accept", "content-type", "authorization", "x-one", "accept-encoding", "content-length"
    }  # fmt: skip
    assert first.headers["accept-encoding"] == "identity"
    assert "x-one" not in second.headers
    assert second.headers["x-two"] == "2"
    assert second.headers["content-length"] == "0"


def test_informational_answers_and_trailers_are_not_reported() -> None:
    async def main() -> None:
        said = (
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nx-early: 1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Kind:  Final \r\ntransfer-encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
        )
        async with listen(saying(*said, stay=True)) as server, sender() as client:
            for _ in range(2):
                got = await client.fetch(server.base)
                assert got.calls == ["head", "data", "ended"]
                assert (got.status, got.body) == (200, b"hello")
                assert list(got.headers) == [(b"x-kind", b"Final"), (b"transfer-encoding", b"chunked")]
            assert len(server.connections) == 1

    run(main())


def test_a_redirect_is_an_answer() -> None:
    async def main() -> None:
        async with (
            listen(answering(b"", status="307 Moved", extra="location: /other\r\n")) as server,
            sender() as client,
        ):
            got = await client.fetch(server.base)
            assert (got.status, got.calls) == (307, ["head", "ended"])
            assert len(server.connections) == 1
            assert server.connections[0].served == 1

    run(main())


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", CHUNKED + b"0\r\n\r\n"],
)
def test_an_empty_answer_just_ends(said: bytes) -> None:
    async def main() -> None:
        async with listen(saying(said, stay=True)) as server, sender() as client:
            assert (await client.fetch(server.base)).calls == ["head", "ended"]

    run(main())


def test_without_a_length_the_end_of_the_connection_ends_the_body() -> None:
    async def main() -> None:
        async with listen(saying(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as server, sender() as client:
            got = await client.fetch(server.base)
            assert (got.body, got.calls[-1]) == (b"all of it", "ended")

    run(main())


@pytest.mark.parametrize(
    ("said", "kind", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", FaultKind.CUT, b"hello"),
        (CHUNKED + b"5\r\nhello\r\n", FaultKind.CUT, b"hello"),
        (CHUNKED + b"zz\r\nhello\r\n", FaultKind.CUT, b""),
        (b"HTTP/1.1 200 OK\r\nx-half: ", FaultKind.CUT, b""),
        (b"", FaultKind.CUT, b""),
        (b"SSH-2.0-OpenSSH_9\r\n" * 20, FaultKind.GARBLED, b""),
        (b"HTTP/1.1 2 OK\r\n\r\n", FaultKind.GARBLED, b""),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", FaultKind.GARBLED, b""),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"a" * headers.HEADER_BYTES + b"\r\n\r\n", FaultKind.OVERSIZE, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\nxx", FaultKind.GARBLED, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\n\r\nxx", FaultKind.GARBLED, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip", FaultKind.GARBLED, b""),
    ],
)
def test_a_broken_answer_is_one_fault(said: bytes, kind: FaultKind, body: bytes) -> None:
    async def main() -> None:
        async with listen(saying(said)) as server, sender() as client:
            got = await client.fetch(server.base)
            assert got.kind is kind, got.fault
            assert got.calls.count("failed") == 1
            assert got.calls[-1] == "failed"
            assert got.body == body
            assert client.client.active == 0
            if got.status:
                assert got.fault is not None
                assert got.fault.status == got.status

    run(main())


def test_bytes_beyond_the_announced_length_are_never_another_answer() -> None:
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"

    async def main() -> None:
        async with listen(saying(said, stay=True)) as server, sender() as client:
            for _ in range(3):
                got = await client.fetch(server.base)
                assert (got.body, got.calls) == (b"hello", ["head", "data", "ended"])
            assert len(server.connections) == 3

    run(main())


TEXT = os.urandom(3000).hex().encode() * 30
RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("GZIP", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW.compress(TEXT) + RAW.flush()),
        ("identity", TEXT),
    ],
)
def test_a_coded_answer_is_decoded(name: str, coded: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {name}\r\ncontent-length: {len(coded)}\r\n\r\n".encode()

    async def main() -> None:
        async with listen(saying(head, coded, stay=True)) as server, sender() as client:
            got = await client.fetch(server.base)
            assert got.body == TEXT
            assert got.calls[-1] == "ended"
            if name != "identity":
                assert not {b"content-encoding", b"content-length"} & {field for field, _ in got.headers}

    run(main())


def test_a_coded_answer_that_ends_early_is_cut() -> None:
    coded = gzip.compress(TEXT)[:-20]

    async def main() -> None:
        async with listen(answering(coded, extra="content-encoding: gzip\r\n")) as server, sender() as client:
            got = await client.fetch(server.base)
            assert got.kind is FaultKind.CUT
            assert TEXT.startswith(got.body)

    run(main())


def test_a_decompression_bomb_is_oversize() -> None:
    coded = gzip.compress(b"\0" * (64 * 1024 * 1024))

    async def main() -> None:
        async with listen(answering(coded, extra="content-encoding: gzip\r\n")) as server, sender() as client:
            got = await client.fetch(server.base)
            assert got.kind is FaultKind.OVERSIZE
            assert len(got.body) < 4 * FREE_BYTES

    run(main())


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://user:secret@127.0.0.1:1/", "x: y"),
        ("ftp://127.0.0.1/", "x: y"),
        ("http://127.0.0.1:1/", "x: y"),
        ("http://127.0.0.1:9/a b", "x: y"),
        ("", "x: y"),
        ("http://127.0.0.1:9/\0", "x: y"),
        ("http://127.0.0.1:9/", "x: y\r\ninjected: 1"),
        ("http://127.0.0.1:9/", "x: secret é"),
        ("http://nowhere.invalid/", "x: y"),
    ],
)
def test_what_cannot_be_sent_is_a_connect_fault(url: str, header: str) -> None:
    async def main() -> None:
        async with listen(answering()) as server, sender() as client:
            got = await client.fetch(url, headers=(header,))
            assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            assert got.fault is not None
            assert "secret" not in got.fault.detail
            # The handle is as good as before.
            assert (await client.fetch(server.base)).calls[-1] == "ended"
            assert client.client.idle_handles == 1

    run(main())


def test_a_channel_that_libcurl_cannot_serve_fails_its_requests() -> None:
    async def main() -> None:
        async with sender(channel(proxy="bad\0proxy")) as client:
            got = await client.fetch("http://127.0.0.1:9/")
            assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            silent = client.send("http://127.0.0.1:9/")
            assert silent.flight is not None
            silent.flight.pause()
            silent.flight.resume()
            silent.flight.cancel()
            await client.fetch("http://127.0.0.1:9/")
            assert silent.calls == []

    run(main())
