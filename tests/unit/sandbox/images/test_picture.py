import io
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from polyrelay.sandbox.images import picture
from polyrelay.sandbox.images.picture import UnreadableError

SIDES = st.integers(min_value=16, max_value=400)


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.text(max_size=50),
    seed=st.integers(min_value=0, max_value=picture.SEEDS - 1),
    width=SIDES,
    height=SIDES,
    plain=st.booleans(),
)
def test_a_png_says_what_it_was_drawn_for(prompt: str, seed: int, width: int, height: int, plain: bool) -> None:
    drawn = picture.draw(picture.digest_of(prompt), seed, width, height, plain=plain)
    assert picture.read_back(drawn) == (picture.digest_of(prompt), seed)
    assert picture.size_of(drawn) == (width, height)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["jpeg", "webp"]),
    quality=st.integers(min_value=30, max_value=100),
    width=st.integers(min_value=128, max_value=600),
    height=st.integers(min_value=112, max_value=600),
    seed=st.integers(min_value=0, max_value=picture.SEEDS - 1),
)
def test_lossy_pictures_say_it_too(
    kind: Literal["jpeg", "webp"], quality: int, width: int, height: int, seed: int
) -> None:
    drawn = picture.draw(picture.digest_of("x"), seed, width, height, kind, quality=quality)
    assert picture.read_back(drawn) == (picture.digest_of("x"), seed)
    assert Image.open(io.BytesIO(drawn)).format == kind.upper()


def test_the_same_request_gives_the_same_picture_and_another_another() -> None:
    def one(prompt: str, seed: int) -> bytes:
        return picture.draw(picture.digest_of(prompt), seed, 64, 64)

    assert one("a", 1) == one("a", 1)
    assert len({one("a", 1), one("a", 2), one("b", 1)}) == 3


def test_a_large_picture_is_small_on_the_wire() -> None:
    assert len(picture.draw(picture.digest_of("x"), 1, 1024, 1024)) < 20_000


def test_a_picture_too_small_for_the_code_has_none() -> None:
    with pytest.raises(UnreadableError, match="no code"):
        picture.read_back(picture.draw(picture.digest_of("x"), 1, 15, 16))


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n", picture.draw("00" * 16, 1, 64, 64)[:200]])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        picture.read_back(data)


def test_somebody_elses_picture_has_no_code() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    assert picture.looks_like_one(out.getvalue())
    with pytest.raises(UnreadableError, match="no code"):
        picture.read_back(out.getvalue())


def test_a_sheet_holds_all_of_them() -> None:
    whole = picture.sheet(picture.digest_of("x"), [1, 2, 3], 64, 32)
    assert picture.size_of(whole) == (128, 64)


def test_what_looks_like_a_picture() -> None:
    for kind in ("png", "jpeg", "webp"):
        assert picture.looks_like_one(picture.draw("00" * 16, 1, 64, 64, kind))
    for data in (b"", b"RIFF\0\0\0\0WAVE", b"GIF89a"):
        assert not picture.looks_like_one(data)
