"""Tariffs, charges and usage as plain documents, for files, JSON answers and storage. `read` takes tariffs back."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from polyrelay.exchange.usage import BUCKETS
from polyrelay.kernel import money
from polyrelay.metering import read
from polyrelay.metering.rate import EXACT_DIGITS, Charge, Line
from polyrelay.metering.sheet import ATTO_DIGITS, FACTOR_DIGITS, MILLION_DIGITS, Factor, Sheet, Tier
from polyrelay.metering.tariff import EVERY_DAY, MINUTES_PER_DAY, Prices, Tariff, Window

Document = dict[str, object]

_LINES_KEPT = 4096
"""Kinds of lines whose constant texts are kept: a few for each model that is in use."""

_FACTORS_KEPT = 256
"""Multipliers, one for each customer group."""


def tariff(value: Tariff) -> Document:
    """The document from which `read.tariff` makes the same tariff; its source is not in it."""
    document: Document = {"model": value.model, "id": value.id, "version": value.version}
    if value.aliases:
        document["aliases"] = list(value.aliases)
    if value.effective_from is not None:
        document["from"] = _instant(value.effective_from)
    if value.effective_to is not None:
        document["to"] = _instant(value.effective_to)
    document |= _prices(value.prices)
    if value.windows:
        document["zone"] = str(value.zone)
        document["windows"] = [_window(each) for each in value.windows]
    maxima = {name: getattr(value.maxima, name) for name in read.MAXIMA}
    stated = {name: count for name, count in maxima.items() if count is not None}
    return {**document, "maxima": stated}


def sheet(value: Sheet) -> Document:
    """The document of a price sheet."""
    document: Document = {}
    if len(value.tiers) == 1:
        document |= _tier(value.tiers[0])
    elif value.tiers:
        document["tiers"] = [_tier(each) for each in value.tiers]
    for unit in read.UNIT_PRICES:
        if (price := getattr(value, unit)) is not None:
            document[unit] = money.plain(price, ATTO_DIGITS)
    if value.per_image:
        rows = [
            {"size": row.size, "quality": row.quality, "price": money.plain(row.price, ATTO_DIGITS)}
            for row in value.per_image
        ]
        document["per_image"] = [{key: text for key, text in row.items() if text is not None} for row in rows]
    if value.free:
        document["free"] = True
    return document


@lru_cache(_FACTORS_KEPT)
def factor(value: Factor) -> str:
    """A multiplier as a decimal string."""
    return money.plain(value, FACTOR_DIGITS)


def charge(value: Charge) -> Document:
    """A charge with its lines, so that the bill can be checked by hand: the amounts of the lines add up to `exact`."""
    quote, cost, margin = value.quote, value.cost, value.margin
    return {
        "amount": money.show(value.amount),
        "exact": money.plain(value.exact, EXACT_DIGITS),
        "lines": lines(value),
        "tariff": quote.tariff,
        "version": quote.version,
        "window": quote.window,
        "multiplier": factor(quote.multiplier),
        "estimated": value.estimated,
        "cost": None if cost is None else money.show(cost),
        "margin": None if margin is None else money.show(margin),
    }


def lines(value: Charge) -> list[Document]:
    """The lines of a charge."""
    return [
        {
            "bucket": line.bucket,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "priced_as": line.priced_as,
            "amount": line.amount,
        }
        for line in value.lines
    ]


def bill(lines: Iterable[Line]) -> str:
    """What `lines` makes of a charge with these lines, as JSON: posting writes some for every exchange."""
    texts = []
    for bucket, quantity, price, priced_as, exact in lines:
        opening, middle = _constants(bucket, price, priced_as)
        texts.append(f'{opening}{quantity}{middle}{money.plain(exact, EXACT_DIGITS)}"}}')
    return f"[{','.join(texts)}]"


@lru_cache(_LINES_KEPT)
def _constants(bucket: str, price: int, priced_as: str) -> tuple[str, str]:
    """A line's JSON before its quantity, and between that and its amount."""
    before = json.dumps({"bucket": bucket, "quantity": 0}, separators=(",", ":"))
    after = json.dumps({"unit_price": money.plain(price, ATTO_DIGITS), "priced_as": priced_as}, separators=(",", ":"))
    return before.removesuffix("0}"), f',{after[1:-1]},"amount":"'


def _prices(value: Prices) -> Document:
    document: Document = {"sell": sheet(value.sell)}
    if value.cost is not None:
        document["cost"] = sheet(value.cost)
    if value.costs:
        document["costs"] = {name: sheet(each) for name, each in value.costs.items()}
    return document


def _tier(value: Tier) -> Document:
    document: Document = {} if value.up_to is None else {"up_to": value.up_to}
    for bucket in BUCKETS:
        if bucket in value.rates:
            document[bucket] = money.plain(value.rates[bucket], MILLION_DIGITS)
    return document


def _window(value: Window) -> Document:
    end = "24:00" if value.end == MINUTES_PER_DAY else read.clock(value.end)
    document: Document = {"name": value.name, "start": read.clock(value.start), "end": end, **_prices(value.prices)}
    if value.days != EVERY_DAY:
        document["days"] = [read.WEEKDAYS[day] for day in value.days]
    return document


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
