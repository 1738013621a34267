import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.service.administration import pages, times
from polyrelay.service.administration.pages import Page


@given(st.integers(0, 253402300799000))
def test_text_and_parse_are_inverse_to_the_millisecond(millis: int) -> None:
    assert round(times.parse(times.text(millis / 1000)) * 1000) == millis


@pytest.mark.parametrize("text", ["", "2026-12-01", "2026-12-01T00:00:00", "yesterday", "9999-12-31T23:59:59-01:00"])
def test_an_instant_has_its_offset(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        times.parse(text)


@given(st.integers(1, 7), st.integers(0, 30))
def test_pages_cover_every_row_once(limit: int, total: int) -> None:
    rows = [{"id": f"{number:02d}"} for number in range(total)]
    seen: list[str] = []
    page: Page | None = Page(limit)
    while page is not None:
        after = page.start[0] if page.start else ""
        found = [row for row in rows if row["id"] > after][: page.query({}).limit]
        listing = pages.listing(found, page, lambda row: str(row["id"]))
        assert len(listing.data) <= limit
        seen += listing.data
        page = None if listing.next is None else Page(limit, listing.next)
    assert seen == [row["id"] for row in rows]
