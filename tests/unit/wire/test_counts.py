from typing import Any

import pytest

from polyrelay.wire import counts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (5.0, 5),
        (-5, -5),
        (10**12, 10**12),
        (10**12 + 1, None),
        (-(10**12) - 1, None),
        (5.5, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        ("5", None),
        (None, None),
    ],
)
def test_only_whole_numbers_are_counts(value: Any, expected: int | None) -> None:
    assert counts.read(value) == expected


@pytest.mark.parametrize(
    ("total", "parts", "expected"),
    [
        (10, (3, 4), [3, 4, 3]),
        (10, (30, 4), [10, 0, 0]),
        (10, (None, -4), [0, 0, 10]),
        (None, (3,), [0, 0]),
        (-1, (), [0]),
    ],
)
def test_shares_sum_to_the_total(total: int | None, parts: tuple[int | None, ...], expected: list[int]) -> None:
    assert counts.split(total, *parts) == expected
