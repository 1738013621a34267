import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.http import ranges
from polyrelay.http.ranges import Span, Unsatisfiable

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-999", Span(0, 1000)),
        ("bytes=0-1000", Span(0, 1000)),
        ("bytes=999-", Span(999, 1000)),
        ("bytes=5-", Span(5, 1000)),
        ("bytes=-1", Span(999, 1000)),
        ("bytes=-1000", Span(0, 1000)),
        ("bytes=-5000", Span(0, 1000)),
        (" Bytes = 1 - 2 ", Span(1, 3)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=", None),
        ("", None),
        ("bytes=0-99999999999999999999", None),
    ],
)
def test_parts(header: str | None, span: Span | None) -> None:
    assert ranges.asked(header, SIZE) == span


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-1001", "bytes=-0"])
def test_parts_behind_the_end(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        ranges.asked(header, SIZE)


@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(0, 2000))
def test_whatever_is_asked_for_is_within(header: str, size: int) -> None:
    try:
        span = ranges.asked(header, size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.first < span.end <= size


def test_conditions() -> None:
    etag, date = '"abc"', "Fri, 27 Nov 2026 10:00:00 GMT"
    assert ranges.is_current(None, etag, date)
    assert ranges.is_current('"abc"', etag, date)
    assert ranges.is_current(date, etag, date)
    assert not ranges.is_current('W/"abc"', etag, date)
    assert not ranges.is_current('"abd"', etag, date)
    assert not ranges.has_it(None, etag)
    assert ranges.has_it('"x", W/"abc"', etag)
    assert ranges.has_it("*", etag)
    assert not ranges.has_it('"x"', etag)
