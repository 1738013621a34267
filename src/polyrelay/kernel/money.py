"""Exact money: integers of nano-units, decimal strings in and out, one way to round (invariant M4).

No function here accepts or returns a float: 0.1 as a float is not a tenth, and a bill must be.
"""

import re
from typing import NewType

from polyrelay.kernel import errors

Nanos = NewType("Nanos", int)
"""An amount in 1e-9 of the instance's currency. Negative only where a text says so (a refund, an adjustment)."""

NANO_DIGITS = 9
NANOS_PER_UNIT: int = 10**NANO_DIGITS
WHOLE_DIGITS = 12
"""Most digits before the point: more than a million million of any currency is a typing error."""

_DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


class NotMoney(errors.PolyrelayError):
    """A text is not an exact decimal of the wanted form. The message says what is allowed; the caller names the key."""


def parse(text: object, *, digits: int, signed: bool = False) -> int:
    """`text` as an exact count of 10**-`digits`: `parse("0.15", digits=3)` is 150.

    Takes a decimal string (`12`, `0.15`; no exponent, no spaces) or an int. Raises `NotMoney` for a float, a bool, NaN,
    more than WHOLE_DIGITS digits before the point or `digits` after it, and a negative number unless `signed`.
    """
    if isinstance(text, float):
        raise NotMoney(f'{text!r} is a floating-point number, which is not exact; write it in quotes: "{text!r}"')
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise NotMoney(f'{type(text).__name__} is not a price; write a decimal number in quotes, as in "0.15"')
    found = _DECIMAL.fullmatch(str(text))
    if found is None:
        raise NotMoney(f'{text!r} is not a decimal number; write digits with at most one point, as in "0.15"')
    sign, whole, fraction = found.group(1), found.group(2), (found.group(3) or "").rstrip("0")
    if len(whole.lstrip("0")) > WHOLE_DIGITS:
        raise NotMoney(f"{text!r} has more than {WHOLE_DIGITS} digits before the point")
    if len(fraction) > digits:
        raise NotMoney(f"{text!r} has more than {digits} digits after the point")
    value = int(whole + fraction.ljust(digits, "0"))
    if sign == "-" and value and not signed:
        raise NotMoney(f"{text!r} is negative")
    return -value if sign == "-" else value


def amount(text: object, *, signed: bool = False) -> Nanos:
    """An amount of money, `"12.5"`, at most nine digits after the point. Raises `NotMoney`."""
    return Nanos(parse(text, digits=NANO_DIGITS, signed=signed))


def show(nanos: int) -> str:
    """An amount with all nine digits: `1.234567890`."""
    whole, fraction = divmod(abs(nanos), NANOS_PER_UNIT)
    return f"{'-' if nanos < 0 else ''}{whole}.{fraction:09d}"


def plain(value: int, digits: int) -> str:
    """`value` x 10**-`digits` exactly, without needless zeros: `plain(150, 3)` is `0.15`. The inverse of `parse`."""
    text = str(abs(value)).rjust(digits + 1, "0")
    whole, fraction = text[: len(text) - digits], text[len(text) - digits :].rstrip("0")
    return ("-" if value < 0 else "") + whole + ("." + fraction if fraction else "")


def half_even(numerator: int, denominator: int) -> int:
    """`numerator` / `denominator` (> 0) to the nearest integer, ties to the even one (IEEE 754)."""
    quotient, rest = divmod(numerator, denominator)
    twice = rest * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient
