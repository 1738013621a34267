import contextlib

import pytest

from polyrelay.settings.bounds import Bounds
from support.lane import CHAT, chunked, eventually, live, post, stream

START = b"POST %b HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\n" % CHAT.encode()
CHUNKED = START + b"transfer-encoding: chunked\r\n\r\n"

BROKEN = {
    "length and coding": START + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": START + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "same length twice": START + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "list of lengths": START + b"content-length: 2, 2\r\n\r\n{}",
    "signed length": START + b"content-length: +2\r\n\r\n{}",
    "negative length": START + b"content-length: -2\r\n\r\n{}",
    "hex length": START + b"content-length: 0x2\r\n\r\n{}",
    "empty length": START + b"content-length:\r\n\r\n{}",
    "huge length": START + b"content-length: 99999999999999999999999\r\n\r\n{}",
    "coding gzip": START + b"transfer-encoding: gzip\r\n\r\n{}",
    "coding gzip, chunked": START + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "codings gzip and chunked": START + b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding chunked, gzip": START + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": START + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding identity": START + b"transfer-encoding: identity\r\n\r\n{}",
    "coding xchunked": START + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "empty coding": START + b"transfer-encoding:\r\n\r\n0\r\n\r\n",
    "coding with a blank": START + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "coding in 1.0": START.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size not hex": CHUNKED + b"xyz\r\n{}\r\n0\r\n\r\n",
    "chunk size 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size negative": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "chunk size with blank": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "chunk size overflow": CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "chunk size LF only": CHUNKED + b"2\n{}\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"2\r\n{}x\r\n0\r\n\r\n",
    "chunk extension with NUL": CHUNKED + b"2;\0\r\n{}\r\n0\r\n\r\n",
    "folded header": START + b"x-a: 1\r\n 2\r\n\r\n",
    "folded by tab": START + b"x-a: 1\r\n\t2\r\n\r\n",
    "blank before the first header": START.replace(b"host", b" host") + b"\r\n",
    "NUL in a value": START + b"x-a: 1\x002\r\n\r\n",
    "control byte in a value": START + b"x-a: 1\x012\r\n\r\n",
    "DEL in a value": START + b"x-a: 1\x7f2\r\n\r\n",
    "NUL in a name": START + b"x\x00a: 1\r\n\r\n",
    "blank in a name": START + b"x a: 1\r\n\r\n",
    "empty name": START + b": 1\r\n\r\n",
    "no colon": START + b"xa\r\n\r\n",
    "bare CR in a value": START + b"x-a: 1\r2\r\n\r\n",
    "bare LF after a header": START + b"x-a: 1\nx-b: 2\r\n\r\n",
    "bare LF everywhere": START.replace(b"\r", b"") + b"\n",
    "NUL in the target": b"POST /\x00 HTTP/1.1\r\nhost: relay\r\n\r\n",
    "control byte in the target": b"POST /\x01 HTTP/1.1\r\nhost: relay\r\n\r\n",
    "tab in the target": b"POST /\t HTTP/1.1\r\nhost: relay\r\n\r\n",
    "high byte in the target": b"POST /\xff HTTP/1.1\r\nhost: relay\r\n\r\n",
    "bare CR in the target": b"POST /\rx HTTP/1.1\r\nhost: relay\r\n\r\n",
    "no host": START.replace(b"host: relay\r\n", b"") + b"\r\n",
    "empty host": START.replace(b"host: relay", b"host:") + b"\r\n",
    "two hosts": START + b"host: other\r\n\r\n",
    "two keys": START + b"authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": START.replace(b"1.1", b"2.0") + b"\r\n",
    "HTTP/1.2": START.replace(b"1.1", b"1.2") + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unknown method": b"BREW /pot HTTP/1.1\r\nhost: relay\r\n\r\n",
    "lower-case method": b"post / HTTP/1.1\r\nhost: relay\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_ambiguous_is_refused_and_nothing_after_it_is_read(request_bytes: bytes) -> None:
    with live() as server:
        client = server.connect()
        client.send(request_bytes + post(b"smuggled"))
        answer = client.read()
        assert answer.status == 400
        assert answer.headers["connection"] == "close"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"]
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
        assert client.is_closed()
        assert server.relay.exchanges == []
        assert server.app.scopes == []


def test_the_same_cut_byte_by_byte() -> None:
    with live() as server:
        client = server.connect()
        for byte in BROKEN["length and coding"][:-10]:
            client.send(bytes([byte]))
        assert client.read().status == 400


def test_connect_is_refused() -> None:
    with live() as server:
        client = server.connect()
        client.send(b"CONNECT relay:443 HTTP/1.1\r\nhost: relay\r\n\r\n" + post(b"smuggled"))
        assert client.read().status == 405
        assert client.is_closed()
        assert server.relay.exchanges == []


def test_values_are_trimmed_and_names_lowered() -> None:
    with live() as server:
        client = server.connect()
        client.post(b"{}", b"X-Padded:\t a b \t\r\nX-Latin: \xe9\r\n")
        headers = client.read().json["headers"]
        assert headers["x-padded"] == "a b"
        assert headers["x-latin"] == "\xe9"


def test_a_chunk_extension_is_ignored() -> None:
    with live() as server:
        client = server.connect()
        client.send(CHUNKED + b'2;name="value"\r\n{}\r\n0\r\n\r\n')
        assert client.read().json["length"] == 2


def test_a_trailer_is_no_header() -> None:
    with live() as server:
        client = server.connect()
        client.send(chunked([b"{}"], trailers=b"authorization: Bearer stolen\r\nx-late: 1\r\n") + post(b"x"))
        headers = client.read().json["headers"]
        assert "authorization" not in headers
        assert "x-late" not in headers
        assert "authorization" not in client.read().json["headers"]


@pytest.mark.parametrize("tail", [b"0\r\nx: ", b"0\r\n" + b"a: b\r\n" * 10, b"2;x="])
def test_endless_trailers_and_extensions_are_refused(tail: bytes) -> None:
    with live(bounds=Bounds(header_bytes=2000)) as server:
        client = server.connect()
        client.send(CHUNKED + tail)
        for _ in range(200):
            client.send(b"a" * 100)
        assert client.read().status == 400


@pytest.mark.parametrize(
    "long",
    [
        b"x-a: " + b"a" * 2000 + b"\r\n",
        b"a: b\r\n" * 400,
        b"a:\r\n" * 500,
        b"a" * 2000 + b": b\r\n",
    ],
    ids=["one long", "many", "many empty", "long name"],
)
@pytest.mark.parametrize("ended", [True, False])
def test_headers_beyond_the_bound_get_431(long: bytes, *, ended: bool) -> None:
    with live(bounds=Bounds(header_bytes=1800)) as server:
        client = server.connect()
        client.send(START + long + (b"\r\n" if ended else b""))
        assert client.read().status == 431
        assert client.is_closed()


@pytest.mark.parametrize("step", [1, 50])
def test_headers_that_trickle_beyond_the_bound_get_431(step: int) -> None:
    with live(bounds=Bounds(header_bytes=300)) as server:
        client = server.connect()
        client.send(START)
        rest = b"x-a: b\r\n" * 100
        with contextlib.suppress(OSError):
            for i in range(0, len(rest), step):
                client.send(rest[i : i + step])
        assert client.read().status == 431


def test_a_long_target_gets_431() -> None:
    with live(bounds=Bounds(header_bytes=1000)) as server:
        client = server.connect()
        client.send(b"POST /" + b"a" * 1100 + b" HTTP/1.1\r\nhost: relay\r\n\r\n")
        assert client.read().status == 431


def test_pipelined_long_headers_get_431_in_their_turn() -> None:
    with live(bounds=Bounds(header_bytes=1000)) as server:
        client = server.connect()
        client.send(post(b"x" * 5000) + START + b"x-a: " + b"a" * 1000 + b"\r\n\r\n")
        assert client.read().status == 200
        assert client.read().status == 431


def test_a_long_body_does_not_count_as_headers() -> None:
    with live(bounds=Bounds(header_bytes=500)) as server:
        client = server.connect()
        client.send(post(b"x" * 50_000) * 2)
        assert client.read().status == 200
        assert client.read().status == 200


def test_slow_headers_get_408() -> None:
    with live(bounds=Bounds(header_seconds=0.15)) as server:
        client = server.connect()
        client.send(START[:20])
        answer = client.read()
        assert answer.status == 408
        assert client.is_closed()


def test_trickled_headers_do_not_extend_their_time() -> None:
    with live(bounds=Bounds(header_seconds=0.2)) as server:
        client = server.connect()
        client.send(START)

        def trickle() -> bool:
            client.send(b"x")
            return not client.is_silent(0.03)

        assert eventually(trickle) < 1.5
        assert client.read().status == 408


def test_slow_pipelined_headers_end_the_connection_after_the_answer() -> None:
    with live(bounds=Bounds(header_seconds=0.1)) as server:
        server.relay.script = stream
        client = server.connect()
        client.send(post() + START[:20])
        exchange = server.exchange()
        client.until(b"data: 1\n\n\r\n")
        assert client.is_silent(0.3)
        server.call(exchange.client.finish)
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert client.read().status == 408
        assert exchange.gone == 0
