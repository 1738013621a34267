"""Tariffs from plain documents: the same keys in a TOML file, the API's JSON and the shipped price data.

    model = "gpt-4o"                      exact name; aliases = ["..."]
    id, version                           default: the model; the day it begins, or "1"
    from, to                              date (midnight UTC), datetime with an offset, or either as ISO 8601 text
    sell = { ... }, cost = { ... }        price sheets; costs = { CHANNEL_OR_PROVIDER = { ... } }
    zone = "Asia/Shanghai"                of the windows; default UTC
    windows = [{ start = "16:30", end = "00:30", days = ["mon"], sell = { ... }, multiplier = "0.5" }]
    maxima = { context, output, image, audio, file, video, overhead }     tokens

A sheet: a rate per million for each token bucket (`input_text = "2.50"`), or `tiers = [{ up_to = 200000, ... }, ...]`;
`per_request`, `per_second`, `per_character`, `per_task`, `per_megapixel_step` per single unit;
`per_image = [{ size, quality, price }]`; `free = true`. Prices are decimal strings. A window's `multiplier` scales each
side it states no sheet for.

Every function raises `BadTariff` naming the key.
"""

from dataclasses import fields
from datetime import UTC, date, datetime, time, tzinfo

from polyrelay.exchange.usage import BUCKETS
from polyrelay.metering import sheet as sheets
from polyrelay.metering.fields import Fields, Zones
from polyrelay.metering.sheet import BadTariff, Factor, ImagePrice, Sheet, Tier
from polyrelay.metering.tariff import EVERY_DAY, MINUTES_PER_DAY, Maxima, Prices, Source, Tariff, Window

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNIT_PRICES = ("per_request", "per_second", "per_character", "per_task", "per_megapixel_step")
MAXIMA = tuple(each.name for each in fields(Maxima))


def tariff(document: object, *, source: Source, zones: Zones, path: str = "") -> Tariff:
    """The tariff of one document, which stands at `path`."""
    table = Fields(document, path)
    model, begins = table.text("model"), _instant(table, "from")
    usual = _prices(table)
    first = "1" if begins is None else datetime.fromtimestamp(begins, UTC).date().isoformat()
    name, version = table.text("id", model), table.text("version", first)
    aliases, ends = table.texts("aliases"), _instant(table, "to")
    zone, windows = _zone(table, zones), tuple(_window(each, usual) for each in table.tables("windows"))
    maxima = _maxima(table.table("maxima"))
    table.close()
    with table.located():
        return Tariff(model, usual, name, version, aliases, begins, ends, zone, windows, maxima, source)


def sheet(document: object, path: str = "") -> Sheet:
    """One price sheet."""
    return _sheet(Fields(document, path))


def factors(document: object, path: str = "") -> dict[str, Factor]:
    """Multipliers by customer group: `{ vip = "0.8" }`."""
    table = Fields(document, path)
    return {name: table.price(name, sheets.factor) for name in table.names}


def _prices(table: Fields) -> Prices:
    if not table.has("sell"):
        raise BadTariff("a tariff needs a price sheet sell", table.path)
    costs = table.table("costs")
    return Prices(
        _sheet(table.table("sell")),
        _sheet(table.table("cost")) if table.has("cost") else None,
        {name: _sheet(costs.table(name)) for name in costs.names},
    )


def _sheet(table: Fields) -> Sheet:
    flat = {bucket: table.price(bucket, sheets.per_million) for bucket in BUCKETS if table.has(bucket)}
    tiers = tuple(_tier(each) for each in table.tables("tiers"))
    if flat and tiers:
        raise BadTariff(f"{next(iter(flat))} stands beside tiers; write it in each tier", table.path)
    units = {unit: table.price(unit, sheets.per_unit) for unit in UNIT_PRICES if table.has(unit)}
    images, free = tuple(_image(each) for each in table.tables("per_image")), table.flag("free")
    table.close()
    with table.located():
        return Sheet(tiers=(Tier(flat),) if flat else tiers, per_image=images, free=free, **units)


def _tier(table: Fields) -> Tier:
    rates = {bucket: table.price(bucket, sheets.per_million) for bucket in BUCKETS if table.has(bucket)}
    up_to = table.count("up_to")
    table.close()
    with table.located():
        return Tier(rates, up_to)


def _image(table: Fields) -> ImagePrice:
    size = table.text("size") if table.has("size") else None
    quality = table.text("quality") if table.has("quality") else None
    made = ImagePrice(table.price("price", sheets.per_unit), size, quality)
    table.close()
    return made


def _window(table: Fields, usual: Prices) -> Window:
    if not table.has("sell") and not table.has("multiplier"):
        raise BadTariff("a window needs a sheet sell or a multiplier", table.path)
    start, end = _minutes(table, "start"), _minutes(table, "end")
    own_sell = _sheet(table.table("sell")) if table.has("sell") else None
    own_cost = _sheet(table.table("cost")) if table.has("cost") else None
    multiplier = table.price("multiplier", sheets.factor) if table.has("multiplier") else sheets.ONE
    own_costs = table.table("costs")
    costs = {name: _sheet(own_costs.table(name)) for name in own_costs.names}
    days = tuple(_weekday(table, name) for name in table.texts("days")) if table.has("days") else EVERY_DAY
    name = table.text("name", f"{clock(start)}-{clock(end)}")
    table.close()
    with table.located():
        prices = Prices(
            own_sell or usual.sell.scaled(multiplier),
            own_cost or (usual.cost and usual.cost.scaled(multiplier)),
            {**{each: found.scaled(multiplier) for each, found in usual.costs.items()}, **costs},
        )
        return Window(start, end, prices, days, name)


def clock(minutes: int) -> str:
    """Minutes after midnight as `HH:MM`; the end of the day is 24:00."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _minutes(table: Fields, key: str) -> int:
    value = table.raw(key)
    if value == "24:00":
        return MINUTES_PER_DAY
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, time) or value.second or value.microsecond or value.tzinfo is not None:
        raise BadTariff('must be a time of day in whole minutes, as in "16:30"', table.key(key))
    return value.hour * 60 + value.minute


def _weekday(table: Fields, name: str) -> int:
    if name not in WEEKDAYS:
        raise BadTariff(f"{name!r} is not one of {', '.join(WEEKDAYS)}", table.key("days"))
    return WEEKDAYS.index(name)


def _maxima(table: Fields) -> Maxima:
    stated = {name: table.count(name) for name in MAXIMA if table.has(name)}
    table.close()
    return Maxima(**{name: count for name, count in stated.items() if count is not None})


def _zone(table: Fields, zones: Zones) -> tzinfo:
    name = table.text("zone", "UTC")
    if name == "UTC":
        return UTC
    try:
        return zones(name)
    except (LookupError, ValueError) as error:
        raise BadTariff(f"there is no time zone {name!r} on this machine", table.key("zone")) from error


def _instant(table: Fields, key: str) -> int | None:
    """Unix seconds of a date or datetime; None when the key is absent."""
    if not table.has(key):
        return None
    value = table.raw(key)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value or " " in value else date.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime) or value.tzinfo is None or value.microsecond:
        raise BadTariff("must be a date, or a datetime with an offset in whole seconds", table.key(key))
    return int(value.timestamp())
