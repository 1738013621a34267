"""From usage to a charge: usage x prices x group multiplier, exact to the last digit, rounded once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter, mul
from typing import NamedTuple

from polyrelay.exchange.usage import BUCKETS, INPUT_BUCKETS, UNITS, Usage
from polyrelay.kernel import errors, money
from polyrelay.kernel.money import Nanos
from polyrelay.metering.book import Unpriced
from polyrelay.metering.sheet import ATTO_DIGITS, FACTOR_DIGITS, ONE, Factor, Sheet
from polyrelay.metering.tariff import Quote

EXACT_DIGITS = ATTO_DIGITS + FACTOR_DIGITS
"""Digits of an unrounded amount: attos per unit times a multiplier."""

_ROUNDING: int = 10 ** (EXACT_DIGITS - money.NANO_DIGITS)
_COST_ROUNDING: int = 10 ** (ATTO_DIGITS - money.NANO_DIGITS)
_INPUTS = len(INPUT_BUCKETS)
_tokens: Callable[[Usage], tuple[int, ...]] = attrgetter(*BUCKETS)
_TEXT, _CACHED, _OUTPUT, _REASONING = map(BUCKETS.index, ("input_text", "cached_read", "output_text", "reasoning"))
_seldom: Callable[[Usage], tuple[object, ...]] = attrgetter(
    *[bucket for at, bucket in enumerate(BUCKETS) if at not in {_TEXT, _CACHED, _OUTPUT, _REASONING}],
    *[unit for unit in UNITS if unit != "requests"],
)
_TOKENS_AND_REQUESTS = frozenset((*BUCKETS, "requests"))
_units_of: Callable[[Usage], tuple[object, ...]] = attrgetter(*[unit for unit in UNITS if unit != "requests"])
_counts: Callable[[Usage], tuple[int, ...]] = attrgetter(*BUCKETS, "requests")


class BadUsage(errors.PolyrelayError):
    """A count is negative: an adapter's defect, refused before it becomes money."""


class Line(NamedTuple):
    """One line of a bill. `priced_as` is the bucket whose rate applied (another one after a fallback), `price` attos
    per unit before the multiplier, `exact` the line's amount in 10**-EXACT_DIGITS of the currency.
    """

    bucket: str
    quantity: int
    price: int
    priced_as: str
    exact: int

    @property
    def unit_price(self) -> str:
        """The price of one unit, before the multiplier, as an exact decimal string."""
        return money.plain(self.price, ATTO_DIGITS)

    @property
    def amount(self) -> str:
        """Quantity x price x multiplier, as an exact decimal string."""
        return money.plain(self.exact, EXACT_DIGITS)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call costs the customer and, where known, the operator.

    Sum rule: the lines' exact amounts add up to `exact` (in 10**-EXACT_DIGITS), and `amount` is that sum rounded half
    to even, once. `upstream` names the channel and its provider, for the cost side. Lines and cost are made when asked
    for: the request path needs only the amount.
    """

    usage: Usage
    quote: Quote
    exact: int
    amount: Nanos
    upstream: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The bill, line by line."""
        return bill(self.usage, self.quote.prices.sell, self.quote.multiplier)

    @property
    def estimated(self) -> bool:
        """Whether a line of the bill counts what nobody stated."""
        return is_estimated(self.usage, self.lines)

    @property
    def cost(self) -> Nanos | None:
        """What the upstream takes, rounded like the amount; None when the cost side does not price this usage."""
        return cost(self.usage, self.quote, *self.upstream)

    @property
    def margin(self) -> Nanos | None:
        """What is left of the amount after the cost; negative when sold below it, None when the cost is unknown."""
        cost = self.cost
        return None if cost is None else Nanos(self.amount - cost)


def amount(usage: Usage, quote: Quote) -> Nanos:
    """The amount of `charge` alone, for the request path. Raises as `charge` does."""
    attos = _attos(usage, quote.prices.sell)
    if quote.multiplier == ONE:
        return Nanos(money.half_even(attos, _COST_ROUNDING))
    return Nanos(money.half_even(attos * quote.multiplier, _ROUNDING))


def cost(usage: Usage, quote: Quote, *upstream: str) -> Nanos | None:
    """What the upstream takes for `usage`; see `Charge.cost`. Raises `BadUsage` for a negative count."""
    sheet = quote.prices.cost_of(*upstream)
    if sheet is None:
        return None
    try:
        attos = _attos(usage, sheet)
    except Unpriced:
        return None
    return Nanos(money.half_even(attos, _COST_ROUNDING))


def charge(usage: Usage, quote: Quote, *upstream: str) -> Charge:
    """The charge for `usage`. `upstream` names the channel and its provider, for the cost side.

    Raises `Unpriced` when something that was used has no price, and `BadUsage` for a negative count.
    """
    exact = _attos(usage, quote.prices.sell) * quote.multiplier
    return Charge(usage, quote, exact, Nanos(money.half_even(exact, _ROUNDING)), upstream)


def is_estimated(usage: Usage, lines: Iterable[Line]) -> bool:
    """Whether one of `lines`, the bill of `usage`, counts what nobody stated. Requests are known, and the characters of
    a text that was said to its end; a bill without lines is as its usage.
    """
    guesses = {"requests": False, "characters": usage.characters_estimated, "seconds": usage.seconds_estimated}
    found = [guesses.get(line.bucket, usage.estimated) for line in lines]
    return any(found) if found else usage.estimated


def _attos(usage: Usage, sheet: Sheet) -> int:
    """The exact sum of the bill's lines at multiplier one. Tokens alone, the common case, take no lines."""
    if len(sheet.tiers) == 1 and not any(_seldom(usage)):
        return _plain_attos(usage, sheet, sheet.tiers[0].prices)
    return _token_attos(usage, sheet)


def _plain_attos(usage: Usage, sheet: Sheet, prices: tuple[int, ...] | None) -> int:
    """The same for an answer of text under a single tier: nearly every one, in half of the time."""
    text, cached, output, reasoning = usage.input_text, usage.cached_read, usage.output_text, usage.reasoning
    if prices is None or (text | cached | output | reasoning | usage.requests) < 0:
        return _token_attos(usage, sheet)
    attos = text * prices[_TEXT] + output * prices[_OUTPUT]
    if cached:
        attos += cached * prices[_CACHED]
    if reasoning:
        attos += reasoning * prices[_REASONING]
    return attos if sheet.per_request is None else attos + sheet.per_request * usage.requests


def _token_attos(usage: Usage, sheet: Sheet) -> int:
    tiers, counts = sheet.tiers, _counts(usage)
    if not tiers or any(_units_of(usage)) or min(counts) < 0:
        return sum([line.quantity * line.price for line in bill(usage, sheet)])
    tier = tiers[0] if len(tiers) == 1 else sheet.tier(sum(counts[:_INPUTS]))
    if tier.prices is None:
        return sum([line.quantity * line.price for line in bill(usage, sheet)])
    tokens: int = sum(map(mul, counts, tier.prices))  # one price a bucket: the count of requests is left out
    return tokens if sheet.per_request is None else tokens + sheet.per_request * usage.requests


def bill(usage: Usage, sheet: Sheet, multiplier: Factor = ONE) -> tuple[Line, ...]:
    """The lines of `usage` by one sheet; buckets and units of quantity 0 have none. Raises as `charge` does."""
    counts = _tokens(usage)
    if min(counts) < 0:
        raise BadUsage(f"{BUCKETS[counts.index(min(counts))]} is negative")
    if usage.requests < 0:
        raise BadUsage("requests is negative")
    if sheet.free:
        return ()
    lines, unrated = _token_lines(counts, sheet, multiplier) if sheet.tiers else ([], None)
    if sheet.per_request is not None and usage.requests:
        lines.append(_line("requests", usage.requests, sheet.per_request, multiplier))
    if any(_units_of(usage)):
        _units(usage, sheet, multiplier, lines)
    elif not lines and any(counts):
        raise Unpriced("tokens were used, and the model is priced by another unit that was not counted")
    if unrated is not None and not any(line.bucket not in _TOKENS_AND_REQUESTS for line in lines):
        raise Unpriced(f"tokens of {unrated} have no rate")
    return tuple(lines)


def _token_lines(counts: tuple[int, ...], sheet: Sheet, multiplier: int) -> tuple[list[Line], str | None]:
    """The lines of what has a rate, and a bucket that was used and has none."""
    resolved = sheet.tier(sum(counts[:_INPUTS])).resolved
    lines: list[Line] = []
    unrated = None
    for at, quantity in enumerate(counts):
        if not quantity:
            continue
        price, source = resolved[at]
        if price is None:
            unrated = BUCKETS[at]
        else:
            lines.append(Line(BUCKETS[at], quantity, price, source, quantity * price * multiplier))
    return lines, unrated


def _line(unit: str, quantity: int, price: int, multiplier: int) -> Line:
    return Line(unit, quantity, price, unit, quantity * price * multiplier)


def _units(usage: Usage, sheet: Sheet, multiplier: int, lines: list[Line]) -> None:
    """Add the lines of other units than tokens and requests, and refuse what no line covers."""
    included: list[str] = []
    for unit, quantity, price in (
        ("seconds", usage.seconds, sheet.per_second),
        ("characters", usage.characters, sheet.per_character),
        ("tasks", usage.tasks, sheet.per_task),
        ("megapixel_steps", usage.megapixel_steps, sheet.per_megapixel_step),
    ):
        if quantity < 0:
            raise BadUsage(f"{unit} is negative")
        if quantity and price is not None:
            lines.append(_line(unit, quantity, price, multiplier))
        elif quantity:
            included.append(unit)
    if usage.images and sheet.per_image:
        lines.extend(_images(usage, sheet, multiplier))
    elif usage.images:
        included.append("images")
    if included and not lines:
        raise Unpriced(f"{' and '.join(included)} have no price")
    if "images" in included and all(line.bucket in INPUT_BUCKETS for line in lines):
        raise Unpriced("images have no price, and no output tokens were counted for them")


def _images(usage: Usage, sheet: Sheet, multiplier: int) -> list[Line]:
    lines: list[Line] = []
    for image in usage.images:
        if image.count < 0:
            raise BadUsage("images is negative")
        price = sheet.image(image.size, image.quality)
        if price is None:
            raise Unpriced(f"images of size {image.size} and quality {image.quality} have no price")
        label = "/".join(part for part in ("images", image.size, image.quality) if part)
        lines.append(_line(label, image.count, price, multiplier))
    return lines
