import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange.upload import ReleasedError, Segment, Span, Stream, Upload, in_memory

DATA = bytes(range(256))


def test_an_upload_is_closed_by_its_last_holder_and_then_of_no_use() -> None:
    closed: list[int] = []
    upload = in_memory(DATA, lambda: closed.append(1))
    upload.retain()
    upload.release()
    assert (closed, upload.released, upload.read(3, 254)) == ([], False, b"\xfe\xff")
    upload.release()
    assert (closed, upload.released) == ([1], True)
    for use in (upload.release, upload.retain, lambda: upload.read(1, 0)):
        with pytest.raises(ReleasedError):
            use()
    assert closed == [1]


SEGMENTS = st.lists(
    st.binary(max_size=20)
    | st.tuples(st.integers(0, 256), st.integers(0, 256)).map(lambda pair: Span(min(pair), max(pair))),
    max_size=8,
)


@given(SEGMENTS, st.integers(1, 300), st.integers(1, 50))
def test_a_stream_is_its_segments_however_it_is_read(segments: list[Segment], step: int, reluctance: int) -> None:
    """`reluctance`: most bytes the storage gives at once."""
    expected = b"".join(each if isinstance(each, bytes) else DATA[each.start : each.end] for each in segments)
    reluctant = Upload(len(DATA), lambda size, offset: DATA[offset : offset + min(size, reluctance)])
    stream = Stream(segments, reluctant)
    assert stream.size == len(expected)
    read = [stream.read(step, offset) for offset in range(0, stream.size + step, step)]
    assert b"".join(read) == expected
    assert all(len(piece) == step for piece in read[:-2])
    assert stream.read(step, stream.size) == b""


def test_an_upload_that_has_shrunk_is_no_endless_wait() -> None:
    with pytest.raises(OSError, match="shorter"):
        Stream([Span(0, 300)], in_memory(DATA)).read(300, 0)
