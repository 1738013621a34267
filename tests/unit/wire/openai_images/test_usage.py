from typing import Any

import pytest

from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.wire.openai_images import usage
from polyrelay.wire.openai_images.usage import Asked

AUTO = usage.asked(None, None, None, 7)
NAMED = usage.asked(3, "512x512", "hd", 7)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"input_tokens": 10, "output_tokens": 4}, Usage(input_text=10, output_image=4)),
        (
            {
                "input_tokens": 50,
                "output_tokens": 1056,
                "total_tokens": 1106,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            },
            Usage(input_text=10, input_image=40, output_image=1056),
        ),
        (
            {
                "input_tokens": 50,
                "output_tokens": 20,
                "input_tokens_details": {"image_tokens": 30, "cached_tokens": 15},
                "output_tokens_details": {"text_tokens": 5, "image_tokens": 15},
            },
            Usage(input_text=5, input_image=30, cached_read=15, output_text=5, output_image=15),
        ),
        ({"input_tokens": 3, "input_tokens_details": {"image_tokens": 9}}, Usage(input_image=3)),
        ({"input_tokens": 3.0, "output_tokens": -4, "output_tokens_details": []}, Usage(input_text=3)),
        ({"output_tokens": 4, "input_tokens_details": {"image_tokens": "1"}}, Usage(output_image=4)),
        ({"input_tokens": 0, "output_tokens": 0}, None),
        ({"total_tokens": 5}, None),
        ({"input_tokens": True}, None),
        ([], None),
        (None, None),
    ],
)
def test_tokens_are_told_apart(value: Any, expected: Usage | None) -> None:
    assert usage.tokens(value) == expected


def test_what_is_not_named_is_left_to_the_vendor() -> None:
    assert AUTO.images == (ImageCount("auto", "auto", 1),)
    assert usage.asked(2, "", "auto", 0).images == (ImageCount("auto", "auto", 2),)
    assert NAMED.images == (ImageCount("512x512", "hd", 3),)


@pytest.mark.parametrize(
    ("asked", "stated", "expected"),
    [
        (AUTO, ("1024x1024", "low"), ImageCount("1024x1024", "low", 1)),
        (AUTO, ("auto", None), ImageCount("auto", "auto", 1)),
        (AUTO, (7, ["low"]), ImageCount("auto", "auto", 1)),
        (AUTO, ("", "x" * 65), ImageCount("auto", "auto", 1)),
        (AUTO, ("x" * 64, "é"), ImageCount("x" * 64, "auto", 1)),
        (NAMED, ("1024x1024", "low"), ImageCount("512x512", "hd", 1)),
    ],
)
def test_the_answers_words_fill_the_gaps_of_the_request(
    asked: Asked, stated: tuple[object, object], expected: ImageCount
) -> None:
    assert asked.one(*stated) == expected


def test_no_more_images_than_asked_for_count() -> None:
    low, high = ImageCount("a", "low", 1), ImageCount("a", "high", 1)
    assert NAMED.made({low: 2, high: 2}) == (ImageCount("a", "low", 2), ImageCount("a", "high", 1))
    assert NAMED.made({low: 3, high: 2}) == (ImageCount("a", "low", 3),)
    assert NAMED.made({low: 0}) == ()


def test_nothing_stated_means_what_was_asked_for() -> None:
    assert NAMED.unstated == Usage(input_text=7, images=(ImageCount("512x512", "hd", 3),), estimated=True)


def test_tokens_add_up_without_images() -> None:
    one = Usage(input_text=1, output_image=5, images=NAMED.images)
    assert usage.plus(one, Usage(input_text=2, input_image=3)) == Usage(input_text=3, input_image=3, output_image=5)
