import pytest

from polyrelay.kernel import money


@pytest.mark.parametrize(
    ("text", "digits", "value"),
    [("0.15", 12, 150_000_000_000), ("0", 9, 0), ("12", 2, 1200), (3, 1, 30), ("+1.50", 1, 15), ("007", 0, 7)],
)
def test_decimal_strings_are_read_exactly(text: object, digits: int, value: int) -> None:
    assert money.parse(text, digits=digits) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (0.15, "write it in quotes"),
        (float("nan"), "floating-point"),
        ("NaN", "not a decimal"),
        ("inf", "not a decimal"),
        ("1e3", "not a decimal"),
        ("1,5", "not a decimal"),
        (" 1", "not a decimal"),
        ("1_000", "not a decimal"),
        ("\u0661", "not a decimal"),
        (".5", "not a decimal"),
        ("", "not a decimal"),
        (True, "bool is not a price"),
        (None, "NoneType is not a price"),
        ("-1", "is negative"),
        ("0.1234567891", "more than 9 digits after"),
        ("1234567890123", "more than 12 digits before"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: object, says: str) -> None:
    with pytest.raises(money.NotMoney, match=says):
        money.amount(text)


def test_signs_only_where_asked_for() -> None:
    assert money.amount("-1.5", signed=True) == -1_500_000_000
    assert money.amount("-0") == 0


def test_amounts_are_shown_with_nine_digits() -> None:
    assert money.show(1_234_567_890) == "1.234567890"
    assert money.show(-5) == "-0.000000005"
    assert money.show(0) == "0.000000000"


def test_plain_drops_needless_zeros() -> None:
    assert money.plain(150, 3) == "0.15"
    assert money.plain(-2000, 3) == "-2"
    assert money.plain(0, 3) == "0"


@pytest.mark.parametrize(("value", "rounded"), [(5, 0), (15, 2), (25, 2), (26, 3), (-5, 0), (-15, -2), (-14, -1)])
def test_ties_go_to_the_even_neighbour(value: int, rounded: int) -> None:
    assert money.half_even(value, 10) == rounded
