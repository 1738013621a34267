import hashlib
import time

import pytest

from polyrelay.http.context import LaneSettings
from polyrelay.http.request import Request
from polyrelay.kernel import errors
from polyrelay.settings.bounds import Bounds
from support.lane import CHAT, Raw, ScriptedRelay, chunked, echo, eventually, get, hold, live, post

BIG = 5 * 1024 * 1024


def test_a_small_request_is_answered_by_the_service() -> None:
    with live() as server:
        client = server.connect()
        client.post(b'{"a":1}')
        answer = client.read()
    assert answer.status == 200
    assert answer.json["surface"] == "openai_chat"
    assert answer.json["length"] == 7
    assert answer.json["peer"] == "127.0.0.1"
    assert "date" in answer.headers
    assert "server" not in answer.headers
    assert "connection" not in answer.headers


@pytest.mark.parametrize("size", [64 * 1024 + 1, 300_000, BIG])
def test_a_long_body_with_a_length_arrives_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with live() as server:
        client = server.connect()
        for _ in range(2):
            client.post(body)
            assert client.read().json["length"] == size
        seen = [hashlib.sha256(e.inbound.body).digest() for e in server.relay.exchanges]
    assert seen == [hashlib.sha256(body).digest()] * 2


@pytest.mark.parametrize("piece", [1, 7, 5000, 200_000])
def test_a_chunked_body_arrives_whole_however_it_is_cut(piece: int) -> None:
    size = BIG if piece >= 5000 else 100_000
    body = bytes(range(250)) * (size // 250)
    pieces = [body[i : i + piece] for i in range(0, size, piece)]
    with live() as server:
        client = server.connect()
        client.send(chunked(pieces))
        assert client.read().status == 200
        assert server.exchange().inbound.body == body


def test_a_body_byte_by_byte() -> None:
    with live() as server:
        client = server.connect()
        for byte in post(b'{"a":1}'):
            client.send(bytes([byte]))
        assert client.read().json["length"] == 7


def test_small_pieces_are_gathered_and_order_is_kept() -> None:
    taken = Request(LaneSettings(ScriptedRelay(), {}))
    pieces = [b"a", b"b" * 5000, b"c", b"d" * 70_000, *([b"ef"] * 40_000), b"g" * 4096, b"h"]
    for piece in pieces:
        taken.add(piece)
    assert taken.held == sum(map(len, pieces))
    assert len(taken._large) < 10
    assert taken.take_body() == b"".join(pieces)


def test_a_body_announced_too_long_is_refused_at_once_and_unread() -> None:
    with live(bounds=Bounds(body_bytes=1000)) as server:
        client = server.connect()
        client.send(post(b"")[: -len(b"content-length: 0\r\n\r\n")] + b"content-length: 1001\r\n\r\n")
        answer = client.read()
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert client.is_closed()
        assert server.relay.exchanges == []


def test_the_413_survives_a_client_that_goes_on_sending() -> None:
    with live(bounds=Bounds(body_bytes=1000)) as server:
        client = server.connect()
        client.post(b"x" * 200_000)
        eventually(lambda: len(server.relay.refused) == 1)
        for _ in range(5):
            client.send(b"y" * 500)
            time.sleep(0.02)
        assert client.read().status == 413
        assert client.is_closed()


def test_a_client_that_floods_after_a_refusal_is_dropped() -> None:
    with live(bounds=Bounds(body_bytes=100_000)) as server:
        client = server.connect()
        client.send(b"BROKEN\r\n\r\n")
        assert client.read().status == 400
        with pytest.raises(OSError, match=r"reset|Broken"):
            client.send(b"x" * 100_000_000)


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_long() -> None:
    with live(bounds=Bounds(body_bytes=1000)) as server:
        client = server.connect()
        client.send(chunked([b"x" * 600]).removesuffix(b"0\r\n\r\n") + b"258\r\n" + b"y" * 600)
        assert client.read().status == 413
        assert client.is_closed()
        assert server.relay.exchanges == []


def test_bodies_beyond_the_memory_for_all_get_503_until_one_is_done() -> None:
    with live(bounds=Bounds(body_bytes=1000, bytes_in_flight=1500)) as server:
        server.relay.script = hold
        first, second = server.connect(), server.connect()
        first.post(b"x" * 1000)
        held = server.exchange()
        second.post(b"x" * 1000)
        answer = second.read()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        server.call(lambda: held.client.reply(200, [], b"ok"))
        assert first.read().body == b"ok"
        assert server.context.bytes_in_flight == 0
        server.relay.script = echo
        second.post(b"x" * 1000)
        assert second.read().status == 200


def test_a_chunked_body_beyond_the_memory_for_all_gets_503() -> None:
    with live(bounds=Bounds(body_bytes=1000, bytes_in_flight=800)) as server:
        client = server.connect()
        client.send(chunked([b"x" * 500, b"y" * 400]))
        assert client.read().status == 503
        assert client.is_closed()


def test_a_slow_body_gets_408() -> None:
    with live(bounds=Bounds(body_seconds=0.15)) as server:
        client = server.connect()
        client.send(post(b"x" * 100)[:-50])
        answer = client.read()
        assert answer.status == 408
        assert client.is_closed()
        assert server.relay.exchanges == []


def test_a_trickled_body_does_not_extend_its_time() -> None:
    with live(bounds=Bounds(body_seconds=0.2)) as server:
        client = server.connect()
        client.send(post(b"x" * 100)[:-100])
        taken = eventually(lambda: _trickle(client))
        assert taken < 1.5
        assert client.read().status == 408


def _trickle(client: Raw) -> bool:
    client.send(b"x")
    return not client.is_silent(0.03)


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"text/plain",
        b"application/jsonp",
        b"application/json; charset=latin-1",
        b"application/x-www-form-urlencoded",
    ],
)
def test_other_media_types_get_415_and_the_connection_is_kept(kind: bytes) -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"{}").replace(b"application/json", kind))
        assert client.read().status == 415
        client.post()
        assert client.read().status == 200


@pytest.mark.parametrize(
    "kind", [b"application/json; charset=utf-8", b'Application/JSON;charset="UTF-8"', b"application/json;x=y"]
)
def test_json_in_utf8_is_accepted_however_it_is_written(kind: bytes) -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"{}").replace(b"application/json", kind))
        assert client.read().status == 200


def test_a_coded_body_gets_415() -> None:
    with live() as server:
        client = server.connect()
        client.post(b"\x1f\x8b", b"content-encoding: gzip\r\n")
        assert client.read().status == 415
        client.post(b"{}", b"content-encoding: identity\r\n")
        assert client.read().status == 200


def test_the_key_is_looked_at_before_a_long_body_is_read() -> None:
    with live() as server:
        server.relay.screening = errors.Unauthenticated("No such key.")
        client = server.connect()
        client.send(post(b"x" * 100_000)[:-99_000])
        assert client.read().status == 401
        assert client.is_closed()
        assert server.relay.screened == [("openai_chat", "127.0.0.1")]


def test_a_body_for_the_application_is_bounded_too() -> None:
    with live(bounds=Bounds(body_bytes=100_000)) as server:
        client = server.connect()
        client.post(b"x" * 100_000, path="/other")
        assert client.read().body == b"asgi POST /other 100000"
        client.post(b"x" * 100_001, path="/other")
        assert client.read().status == 413


def test_the_query_does_not_hide_the_route() -> None:
    with live() as server:
        client = server.connect()
        client.post(path=CHAT + "?beta=true")
        assert client.read().json["surface"] == "openai_chat"
        client.post(path="http://relay" + CHAT)
        assert client.read().json["surface"] == "openai_chat"
        client.post(path="/api/ai/chat/completions")
        assert client.read().json["surface"] == "aitoearn_chat"
        client.send(get("/v1/chat"))
        assert client.read().body == b"asgi GET /v1/chat 0"
