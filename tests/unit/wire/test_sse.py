import pytest

from polyrelay.wire import sse
from polyrelay.wire.sse import Framer, FrameTooLongError


@pytest.mark.parametrize(
    ("stream", "frames", "rest"),
    [
        (b"data: a\n\n", [b"data: a\n\n"], b""),
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"], b""),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a\r\n\r\n", b"data: b\r\n\r\n"], b""),
        (b"data: a\r\rdata: b\r\r", [b"data: a\r\r"], b"data: b\r\r"),
        (b"data: a\n\r\ndata: b\r\n\n", [b"data: a\n\r\n", b"data: b\r\n\n"], b""),
        (b"data: a\r\ndata: b\r\n\r\n", [b"data: a\r\ndata: b\r\n\r\n"], b""),
        (b": ping\n\ndata: a\n", [b": ping\n\n"], b"data: a\n"),
        (b"\n\n\ndata: a\n\n", [b"\n\n", b"\ndata: a\n\n"], b""),
        (b"data: a\n\r", [], b"data: a\n\r"),
        (b"", [], b""),
    ],
)
def test_frames_end_at_blank_lines(stream: bytes, frames: list[bytes], rest: bytes) -> None:
    whole = Framer()
    assert whole.feed(stream) == frames
    assert whole.pending == rest
    single = Framer()
    assert [f for i in range(len(stream)) for f in single.feed(stream[i : i + 1])] == frames
    assert single.pending == rest


def test_one_frame_is_the_very_chunk() -> None:
    chunk = b"data: a\n\n"
    assert Framer().feed(chunk)[0] is chunk


@pytest.mark.parametrize(
    ("frame", "event", "data"),
    [
        (b"data: a\n\n", None, b"a"),
        (b"data:a\n\n", None, b"a"),
        (b"data:  a\n\n", None, b" a"),
        (b"data: a\r\n\r\n", None, b"a"),
        (b"data: a\r\r", None, b"a"),
        (b"data: a\ndata: b\ndata\n\n", None, b"a\nb\n"),
        (b"event: error\nid: 7\nretry: 5\ndata: a\n\n", b"error", b"a"),
        (b": comment\n\n", None, None),
        (b"id: 7\n\n", None, None),
        (b"\xef\xbb\xbfdata: a\n\n", None, b"a"),
        (b"database: a\n\n", None, None),
        (b"data:\n\n", None, b""),
        (b"data: a\r\ndata: b\r\n\r\n", None, b"a\nb"),
        (b"\n\n", None, None),
    ],
)
def test_fields(frame: bytes, event: bytes | None, data: bytes | None) -> None:
    assert sse.fields(frame) == (event, data)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_frame_has_a_longest_length(size: int) -> None:
    longest = b"data: " + b"x" * 56 + b"\n\n"
    chunks = [longest[i : i + size] for i in range(0, len(longest), size)]
    framer = Framer(len(longest))
    assert [f for chunk in chunks for f in framer.feed(chunk)] == [longest]
    with pytest.raises(FrameTooLongError):
        Framer(len(longest) - 1).feed(longest)
    endless = Framer(len(longest))
    assert [endless.feed(b"x") for _ in longest] == [[]] * len(longest)
    with pytest.raises(FrameTooLongError):
        endless.feed(b"x")


@pytest.mark.parametrize(
    ("frame", "old", "new", "expected"),
    [
        (b"data:  {1}\n\n", b" {1}", b"{}", b"data: {}\n\n"),
        (b": c\r\nid: 1\r\ndata: {1}\r\n\r\n", b"{1}", b"{}", b": c\r\nid: 1\r\ndata: {}\r\n\r\n"),
        (b"id: 1\ndata: {\ndata:1}\n\n", b"{\n1}", b"{\n}", b"id: 1\ndata: {\ndata: }\n\n"),
    ],
)
def test_data_is_replaced_in_place(frame: bytes, old: bytes, new: bytes, expected: bytes) -> None:
    assert sse.replace_data(frame, old, new) == expected
