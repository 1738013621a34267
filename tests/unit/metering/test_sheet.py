from collections.abc import Callable

import pytest

from polyrelay.metering.sheet import BadTariff, ImagePrice, Sheet, Tier, factor, per_million, per_unit


def tier(up_to: int | None = None, **rates: str) -> Tier:
    return Tier({bucket: per_million(text) for bucket, text in rates.items()}, up_to)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tier(output_text="1"), 'need "input_text"'),
        (lambda: tier(input_text="1", input_txt="1"), "'input_txt' is not a token bucket"),
        (lambda: tier(0, input_text="1"), "at least 1"),
        (Sheet, "no price at all"),
        (lambda: Sheet(free=True, per_task=per_unit("1")), "free excludes"),
        (lambda: Sheet(tiers=(tier(10, input_text="1"),)), "last tier must leave out"),
        (lambda: Sheet(tiers=(tier(input_text="1"), tier(input_text="1"))), r"tiers\[0\]: only the last"),
        (
            lambda: Sheet(tiers=(tier(10, input_text="1"), tier(10, input_text="1"), tier(input_text="1"))),
            r"tiers\[1\]: tiers must be in ascending",
        ),
        (
            lambda: Sheet(per_image=(ImagePrice(per_unit("1")), ImagePrice(per_unit("2"), quality="hd"))),
            r"per_image\[1\]: an earlier row",
        ),
    ],
)
def test_contradictions_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BadTariff, match=says):
        make()


def test_the_first_image_row_that_matches_counts_and_the_last_is_the_fallback() -> None:
    sheet = Sheet(
        per_image=(
            ImagePrice(per_unit("0.12"), "1792x1024", "hd"),
            ImagePrice(per_unit("0.08"), "1792x1024"),
            ImagePrice(per_unit("0.04")),
        )
    )
    assert sheet.image("1792x1024", "hd") == per_unit("0.12")
    assert sheet.image("1792x1024", "standard") == per_unit("0.08")
    assert sheet.image(None, None) == per_unit("0.04")


def test_scaling_is_exact_or_refused() -> None:
    sheet = Sheet(tiers=(tier(input_text="0.3"),), per_request=per_unit("0.000000000000000001"))
    assert Sheet(tiers=(tier(input_text="0.3"),)).scaled(factor("0.5")) == Sheet(tiers=(tier(input_text="0.15"),))
    with pytest.raises(BadTariff, match="not exact in 18 digits"):
        sheet.scaled(factor("0.5"))
