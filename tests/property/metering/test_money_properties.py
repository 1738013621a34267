from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.kernel import money

texts = st.decimals(min_value=0, max_value=10**11, allow_nan=False, allow_infinity=False, places=9)


@given(st.integers(-(10**20), 10**20), st.integers(1, 18))
def test_plain_and_parse_are_inverse(value: int, digits: int) -> None:
    text = money.plain(value, digits)
    if len(text.lstrip("-").split(".")[0]) <= money.WHOLE_DIGITS:
        assert money.parse(text, digits=digits, signed=True) == value
    assert Decimal(text).scaleb(digits) == value


@given(texts)
def test_amounts_are_exact(value: Decimal) -> None:
    assert Fraction(money.amount(f"{value:f}"), money.NANOS_PER_UNIT) == Fraction(value)


@given(st.integers(-(10**30), 10**30))
def test_show_has_nine_digits_and_loses_nothing(nanos: int) -> None:
    whole, fraction = money.show(nanos).split(".")
    assert len(fraction) == money.NANO_DIGITS
    assert int(whole + fraction) == nanos


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_half_even_is_that_of_decimal(numerator: int, digits: int) -> None:
    expected = Decimal(numerator).scaleb(-digits).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert money.half_even(numerator, 10**digits) == int(expected)
