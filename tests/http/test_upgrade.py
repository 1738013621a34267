import asyncio
from typing import Any

import pytest

from polyrelay.kernel import errors
from support.lane import CHAT, START_CHAT, chunked, get, hold, live, post

H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
SOCKET = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n"
EXPECT = b"expect: 100-continue\r\n"


@pytest.mark.parametrize("size", [0, 2, 300_000])
def test_h2c_is_not_followed_and_the_body_counts(size: int) -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"x" * size, H2C) + post(b"next"))
        answer = client.read().json
        assert answer["length"] == size
        assert "upgrade" not in answer["headers"]
        assert client.read().json["length"] == 4


def test_h2c_with_chunks_cut_anywhere() -> None:
    whole = chunked([b"ab", b"cd"], H2C) + post(b"x", H2C + b"connection: close\r\n")
    with live() as server:
        for cut in range(0, len(whole), 17):
            client = server.connect()
            client.send(whole[:cut])
            client.send(whole[cut:])
            assert client.read().json["length"] == 4
            last = client.read()
            assert last.json["length"] == 1
            assert last.headers["connection"] == "close"


def test_h2c_for_the_application() -> None:
    with live() as server:
        client = server.connect()
        client.send(get(headers=H2C) + post(b"xyz", H2C, path="/other"))
        assert client.read().body == b"asgi GET /other 0"
        assert client.read().body == b"asgi POST /other 3"


def test_many_offers_in_one_read_are_bounded() -> None:
    with live() as server:
        server.relay.script = hold
        client = server.connect()
        client.send(post(b"x", H2C) * 1000)
        exchange = server.exchange()
        server.call(lambda: exchange.client.reply(200, [], b"1"))
        assert client.read().body == b"1"


class Socket(asyncio.Protocol):
    """Stands for uvicorn's WebSocket protocol."""

    received: list[bytes]
    requests: list[bytes] = []  # noqa: RUF012 - shared with the test on purpose

    def __init__(self, *, config: Any, server_state: Any, app_state: Any) -> None:
        self.server_state = server_state

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.server_state.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.requests.append(data)
        self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" if b"HTTP/1.1" in data else b"pong")

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.connections.discard(self)

    def shutdown(self) -> None:
        self.transport.close()


def test_a_websocket_reaches_uvicorns_protocol() -> None:
    Socket.requests.clear()
    with live(ws=Socket) as server:
        client = server.connect()
        client.post(b"x")
        assert client.read().status == 200
        client.send(get("/socket?a=b", headers=SOCKET))
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        client.send(b"ping")
        assert client.until(b"pong") == b"pong"
        assert Socket.requests[0].startswith(b"GET /socket?a=b HTTP/1.1\r\nhost: relay\r\n")
        assert not server.context.watch.idles
        assert not server.context.watch.heads


def test_a_websocket_behind_an_unanswered_request_is_refused_in_turn() -> None:
    with live(ws=Socket) as server:
        server.relay.script = hold
        client = server.connect()
        client.send(post() + get("/socket", headers=SOCKET))
        exchange = server.exchange()
        server.call(lambda: exchange.client.reply(200, [], b"1"))
        assert client.read().body == b"1"
        assert client.read().status == 400
        assert client.is_closed()


def test_without_a_websocket_library_it_is_an_ordinary_request() -> None:
    with live(ws="none") as server:
        client = server.connect()
        client.send(get("/socket", headers=SOCKET))
        assert client.read().body == b"asgi GET /socket 0"


def test_100_continue_is_sent_once_the_head_is_accepted() -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"x" * 10, EXPECT)[:-10])
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert server.relay.screened == [("openai_chat", "127.0.0.1")]
        client.send(b"x" * 10)
        assert client.read().json["length"] == 10


def test_100_continue_for_chunks_and_for_the_application() -> None:
    with live() as server:
        client = server.connect()
        client.send(START_CHAT + b"transfer-encoding: chunked\r\nexpect: 100-Continue\r\n\r\n")
        assert client.read().status == 100
        client.send(b"1\r\nx\r\n0\r\n\r\n")
        assert client.read().json["length"] == 1
        client.send(post(b"x", EXPECT, path="/other")[:-1])
        assert client.read().status == 100
        client.send(b"x")
        assert client.read().body == b"asgi POST /other 1"


def test_a_refused_head_gets_no_100() -> None:
    with live() as server:
        server.relay.screening = errors.Unauthenticated("No such key.")
        client = server.connect()
        client.send(post(b"x" * 10, EXPECT)[:-10])
        answer = client.read()
        assert answer.status == 401
        assert answer.headers["connection"] == "close"
        assert client.is_closed()


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"content-type: text/plain\r\n", 415), (b"content-type: application/json\r\ncontent-encoding: br\r\n", 415)],
)
def test_an_unwanted_body_gets_no_100(head: bytes, status: int) -> None:
    with live() as server:
        client = server.connect()
        start = b"POST %b HTTP/1.1\r\nhost: relay\r\n" % CHAT.encode()
        client.send(start + head + EXPECT + b"content-length: 10\r\n\r\n")
        assert client.read().status == status
        assert server.relay.screened == []


def test_without_a_body_there_is_no_100() -> None:
    with live() as server:
        client = server.connect()
        client.post(b"", EXPECT)
        assert client.read().status == 200


def test_a_100_does_not_get_into_another_answer() -> None:
    with live() as server:
        server.relay.script = hold
        client = server.connect()
        client.send(post(b"one") + post(b"two", EXPECT)[:-3])
        first = server.exchange(0)
        assert client.is_silent()
        server.call(lambda: first.client.reply(200, [], b"1"))
        assert client.read().body == b"1"
        assert client.read().status == 100
        client.send(b"two")
        eventually_second = server.exchange(1)
        server.call(lambda: eventually_second.client.reply(200, [], b"2"))
        assert client.read().body == b"2"


def test_another_expectation_gets_417() -> None:
    with live() as server:
        client = server.connect()
        client.post(b"{}", b"expect: miracles\r\n")
        assert client.read().status == 417


def test_http_1_0_expects_nothing() -> None:
    with live() as server:
        client = server.connect()
        client.post(b"{}", EXPECT, version="1.0")
        assert client.read().status == 200
