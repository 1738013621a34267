"""Heads as lines."""

import pytest

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream import headers
from polyrelay.upstream.faults import Unacceptable

END = b"\r\n"


def test_a_head_is_a_status_and_lower_case_fields() -> None:
    lines = [b"HTTP/1.1 429 Too Many\r\n", b"Retry-After: 7\r\n", b"X-Empty:\r\n", b"x-time: 10:20 \r\n", END]
    assert headers.parse(lines) == (429, [(b"retry-after", b"7"), (b"x-empty", b""), (b"x-time", b"10:20")])
    assert headers.parse([b"HTTP/2 200 \r\n", END]) == (200, [])


def test_informational_heads_before_and_trailers_after_are_passed_over() -> None:
    informational = [b"HTTP/1.1 103 Early Hints\r\n", b"link: x\r\n", END]
    lines = [*informational, b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", END, b"trailer: x\r\n", END]
    assert headers.parse(lines) == (200, [(b"a", b"b")])
    assert headers.parse(informational) is None


def test_a_head_that_is_not_whole_is_none() -> None:
    assert headers.parse([b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"]) is None
    assert headers.parse([]) is None


def test_a_folded_line_continues_the_one_before() -> None:
    assert headers.parse([b"HTTP/1.1 200\r\n", b"a: b\r\n", b"\tc: d\r\n", b"e: f\r\n", END]) == (
        200,
        [(b"a", b"b c: d"), (b"e", b"f")],
    )


@pytest.mark.parametrize(
    "lines", [[b"HTTP/1.1\r\n"], [b"HTTP/1.1 20 OK\r\n"], [b"HTTP/1.1 200 OK\r\n", b"nothing\r\n"]]
)
def test_what_is_no_head_is_garbled(lines: list[bytes]) -> None:
    with pytest.raises(Unacceptable) as raised:
        headers.parse(lines)
    assert raised.value.kind is FaultKind.GARBLED


def test_a_head_is_bounded() -> None:
    with pytest.raises(Unacceptable) as raised:
        headers.parse([b"HTTP/1.1 200 OK\r\n"] + [b"x: y\r\n"] * (headers.HEADER_BYTES // 6))
    assert raised.value.kind is FaultKind.OVERSIZE
