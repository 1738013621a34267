import contextlib
import gzip
import http.client
import json
import socket
import time

import pytest

from .vendor import Seen, Vendor, read, running, until


def dechunked(seen: Seen) -> bytes:
    body, rest = b"", seen.body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
        if length == 0:
            break
    return body


def test_plain_answers(any_vendor: Vendor) -> None:
    seen = any_vendor.see()
    assert seen.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-sandbox: polyrelay" in seen.head
    assert json.loads(seen.body)["system_fingerprint"] == "sandbox"
    assert seen.end == "closed"


def test_the_same_question_gives_the_same_bytes(vendor: Vendor) -> None:
    from_first = vendor.see(stream=True)
    assert vendor.see(stream=True) == from_first
    with running(type(vendor.sandbox)()) as other:
        assert other.see(stream=True) == from_first
    with running(type(vendor.sandbox)(seed=1)) as seeded:
        assert seeded.see(stream=True) != from_first
    assert vendor.see("sandbox:fresh").body != vendor.see("sandbox:fresh").body


def test_cut_in_the_body(any_vendor: Vendor) -> None:
    seen = any_vendor.see("sandbox:cut=500,framing=length", stream=True)
    assert (len(seen.body), seen.end) == (500, "closed")
    assert any_vendor.sandbox.requests[-1].outcome == "cut"
    chunked = any_vendor.see("sandbox:cut=100,pace=1ms", stream=True)
    assert not chunked.body.endswith(b"0\r\n\r\n")


def test_cut_of_a_unary_answer(vendor: Vendor) -> None:
    client = http.client.HTTPConnection("127.0.0.1", vendor.port, timeout=10)
    with contextlib.closing(client):
        client.request("POST", "/v1/chat/completions", vendor.request("sandbox:cut=20").partition(b"\r\n\r\n")[2])
        with pytest.raises(http.client.IncompleteRead):
            client.getresponse().read()


def test_reset(any_vendor: Vendor) -> None:
    seen = any_vendor.see("sandbox:reset=50", stream=True)
    assert seen.end == "reset"
    before = any_vendor.see("sandbox:before=reset")
    assert (before.head, before.end) == (b"", "reset")
    assert [record.outcome for record in any_vendor.sandbox.requests] == ["reset", "reset"]


def test_close_before_any_byte(any_vendor: Vendor) -> None:
    seen = any_vendor.see("sandbox:before=close")
    assert (seen.head, seen.end) == (b"", "closed")


def test_stall_until_the_client_leaves(any_vendor: Vendor) -> None:
    seen = any_vendor.see("sandbox:stall=80,framing=length", stream=True, patience=0.2)
    assert (len(seen.body), seen.end) == (80, "open")
    record = any_vendor.sandbox.requests[-1]
    until(lambda: record.outcome == "client_left")
    assert record.sent > 80
    assert record.ended_at > record.received_at
    assert any_vendor.see("sandbox:before=stall", patience=0.1).head == b""


def test_a_client_that_leaves_is_noticed(any_vendor: Vendor) -> None:
    with contextlib.closing(any_vendor.connect()) as sock:
        sock.sendall(any_vendor.request("sandbox:pace=10ms,tokens=10000", stream=True))
        assert sock.recv(4096)
    until(lambda: any_vendor.sandbox.requests[-1].outcome == "client_left")
    until(lambda: any_vendor.sandbox.state()["exchanges_active"] == 0)
    assert 0 < any_vendor.sandbox.requests[-1].sent < 100_000


def test_waits(vendor: Vendor) -> None:
    with contextlib.closing(vendor.connect()) as sock:
        sock.sendall(vendor.request("sandbox:headers=60ms,first=80ms", stream=True))
        started = time.monotonic()
        head = sock.recv(65536)
        head_at = time.monotonic() - started
        assert head.endswith(b"\r\n\r\n")
        assert sock.recv(65536)
        assert 0.05 < head_at < time.monotonic() - started - 0.06


def test_pace_and_stamps(vendor: Vendor) -> None:
    started = time.monotonic_ns()
    seen = vendor.see("sandbox:stamp,pace=10ms,tokens=4", stream=True)
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in dechunked(seen).split(b"\n\n")[:-2]]
    stamps = [int(delta["content"]) for delta in deltas if delta.get("content")]
    assert len(stamps) == 4
    assert all(stamp - started > (place * 10 - 2) * 1_000_000 for place, stamp in enumerate(stamps, 1))
    assert stamps[-1] <= time.monotonic_ns()


def test_split_at_every_byte_is_the_same_stream(any_vendor: Vendor) -> None:
    whole = any_vendor.see("sandbox", stream=True)
    any_vendor.sandbox.script("sandbox", "split=1")
    split = any_vendor.see("sandbox", stream=True)
    assert dechunked(split) == dechunked(whole)
    assert split.body.startswith(b"1\r\nd\r\n1\r\na\r\n")


def test_gzip(vendor: Vendor) -> None:
    for stream in (False, True):
        vendor.sandbox.forget()
        plain = vendor.see(stream=stream)
        vendor.sandbox.script("sandbox", {"gzip": True})
        coded = vendor.see(stream=stream)
        assert b"content-encoding: gzip" in coded.head
        read = dechunked if stream else (lambda seen: seen.body)
        assert gzip.decompress(read(coded)) == read(plain)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 502, 503, 529])
def test_statuses_have_openai_bodies(vendor: Vendor, status: int) -> None:
    seen = vendor.see(f"sandbox:status={status},retry-after=7", stream=True)
    assert seen.head.startswith(b"HTTP/1.1 %d " % status)
    assert b"retry-after: 7" in seen.head
    assert set(json.loads(seen.body)["error"]) == {"message", "type", "param", "code"}


def test_error_code_as_scripted(vendor: Vendor) -> None:
    seen = vendor.see("sandbox:status=429,code=insufficient_quota")
    assert json.loads(seen.body)["error"]["code"] == "insufficient_quota"


def test_redirect_and_html(vendor: Vendor) -> None:
    redirect = vendor.see("sandbox:status=302")
    assert redirect.head.startswith(b"HTTP/1.1 302 Found")
    assert b"location: /v1/elsewhere" in redirect.head
    page = vendor.see("sandbox:html", stream=True)
    assert page.head.startswith(b"HTTP/1.1 200")
    assert b"content-type: text/html" in page.head


def test_interim_answers(vendor: Vendor) -> None:
    seen = vendor.see("sandbox:inform=100+103")
    assert seen.head.startswith(b"HTTP/1.1 100 Continue")
    assert seen.body.startswith(b"HTTP/1.1 103 Early Hints")
    assert b"HTTP/1.1 200 OK" in seen.body


def test_empty_answers(vendor: Vendor) -> None:
    assert vendor.see("sandbox:empty=body").body == b""
    assert dechunked(vendor.see("sandbox:empty=body", stream=True)) == b""
    assert dechunked(vendor.see("sandbox:empty=done", stream=True)) == b"data: [DONE]\n\n"


def test_unary_faults(vendor: Vendor) -> None:
    assert "error" in json.loads(vendor.see("sandbox:error=0").body)
    assert "usage" not in json.loads(vendor.see("sandbox:usage=none").body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(vendor.see("sandbox:malformed=0").body)
    assert vendor.see("sandbox:garbage=body").body.endswith(b"garbage -->")


def test_a_wrong_length_too_long_closes_early(vendor: Vendor) -> None:
    client = http.client.HTTPConnection("127.0.0.1", vendor.port, timeout=10)
    with contextlib.closing(client):
        client.request("POST", "/x/chat/completions", vendor.request("sandbox:length=+10").partition(b"\r\n\r\n")[2])
        with pytest.raises(http.client.IncompleteRead):
            client.getresponse().read()


def test_a_wrong_length_too_short_leaves_bytes_on_the_wire(vendor: Vendor) -> None:
    seen = vendor.see("sandbox:length=-5")
    announced = int(seen.head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert len(seen.body) == announced + 5
    assert vendor.see("sandbox:garbage=wire").body.endswith(b"garbage -->")


def test_a_huge_answer_is_sent_as_the_client_reads(any_vendor: Vendor) -> None:
    seen = any_vendor.see("sandbox:tokens=1,piece=8MB")
    assert len(seen.body) > 8 * 1024 * 1024
    assert len(json.loads(seen.body)["choices"][0]["message"]["content"]) == 8 * 1024 * 1024
    streamed = any_vendor.see("sandbox:tokens=6,piece=1MB,pace=1ms", stream=True)
    assert dechunked(streamed).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(("after", "end"), [("close", "closed"), ("reset", "reset")])
def test_a_keep_alive_connection_that_ends_after_the_answer(vendor: Vendor, after: str, end: str) -> None:
    with contextlib.closing(vendor.connect()) as sock:
        sock.sendall(vendor.request(f"sandbox:after={after}", close=False))
        seen = read(sock)
    assert b"connection: close" not in seen.head
    assert json.loads(seen.body)["object"] == "chat.completion"
    assert seen.end == end


def test_a_keep_alive_connection_that_ends_with_the_next_request(vendor: Vendor) -> None:
    with contextlib.closing(vendor.connect()) as sock:
        sock.sendall(vendor.request("sandbox:after=drop", close=False))
        sock.settimeout(0.2)
        assert read(sock).end == "open"
        sock.sendall(vendor.request("sandbox"))
        assert sock.recv(1) == b""
    assert len(vendor.sandbox.requests) == 1


def test_slow_handshake(secure_vendor: Vendor) -> None:
    secure_vendor.sandbox.script("@connections", "handshake=150ms", 1)
    started = time.monotonic()
    with contextlib.closing(secure_vendor.connect()):
        assert time.monotonic() - started > 0.14


def test_doors(any_vendor: Vendor) -> None:
    for door in ("close", "reset"):
        any_vendor.sandbox.script("@connections", {"door": door}, 1)
        with contextlib.suppress(OSError):
            assert any_vendor.see().head == b""
    any_vendor.sandbox.script("@connections", "door=mute", 1)
    with contextlib.closing(socket.create_connection(("127.0.0.1", any_vendor.port))) as sock:
        sock.settimeout(0.1)
        sock.sendall(any_vendor.request())
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert any_vendor.see().end == "closed"
