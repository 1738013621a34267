"""Import of new-api's and one-api's ratio tables.

Their unit is the quota, 500 000 of which are 1 USD (`QuotaPerUnit`). A model ratio is quota per input token, so ratio 1
is 2 USD per million input tokens. The other ratios multiply it (new-api `service/text_quota.go`):

    input_text     = model_ratio x 1 000 000 / QuotaPerUnit
    output_text    = input_text x completion_ratio         cached_read    = input_text x cache_ratio
    cache_write_5m = input_text x create_cache_ratio (1.25 unless stated), cache_write_1h = cache_write_5m x 1.6
    input_image    = input_text x image_ratio
    input_audio    = input_text x audio_ratio              output_audio   = input_audio x audio_completion_ratio
    model_price    = USD per call, and replaces the ratios

Group ratios become multipliers. What a table cannot say exactly here is left out and reported, never guessed: their
completion ratios have built-in values for many names, so a model without an explicit one gets no output price.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from polyrelay.kernel import money
from polyrelay.metering.sheet import (
    ATTO_DIGITS,
    FACTOR_DIGITS,
    FREE,
    MILLION_DIGITS,
    Attos,
    BadTariff,
    Factor,
    Sheet,
    Tier,
)
from polyrelay.metering.tariff import Prices, Source, Tariff

QUOTA_PER_UNIT = 500_000
ONE_HOUR_WRITE = Fraction(16, 10)
"""What new-api charges for an hour's cache write, in five-minute writes."""

FIVE_MINUTE_WRITE = Fraction(5, 4)
"""new-api's ratio for a cache write where no table states one."""

_RATES = {
    "completionratio": ("output_text", "input_text"),
    "cacheratio": ("cached_read", "input_text"),
    "createcacheratio": ("cache_write_5m", "input_text"),
    "imageratio": ("input_image", "input_text"),
    "audioratio": ("input_audio", "input_text"),
    "audiocompletionratio": ("output_audio", "input_audio"),
}
"""Table: the bucket it prices, and the bucket whose rate it multiplies. In an order that knows each base."""

_KNOWN = frozenset({"modelratio", "modelprice", "groupratio", "quotaperunit", *_RATES})


@dataclass(frozen=True, slots=True)
class Left:
    """One entry that was not carried over, or not as it stood, and why. `entry` is empty for a whole table."""

    table: str
    entry: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Tariffs (sell side; the cost is not in those tables), multipliers by group, and what was left."""

    tariffs: tuple[Tariff, ...]
    groups: Mapping[str, Factor]
    left: tuple[Left, ...]


def convert(tables: Mapping[str, object], *, version: str = "imported", source: Source = Source.API) -> Imported:
    """Tariffs from tables by name (`ModelRatio` or `model_ratio`, ...), each a mapping of entry to number.

    Numbers are strings, ints or Decimals: read the JSON with `parse_float=str`. Raises `money.NotMoney` for a float
    and `BadTariff` for a `QuotaPerUnit` that is not a positive number.
    """
    return _Import(tables, version, source).run()


class _Import:
    def __init__(self, tables: Mapping[str, object], version: str, source: Source) -> None:
        self._given = {name.replace("_", "").lower(): (name, table) for name, table in tables.items()}
        self._version = version
        self._source = source
        self._left: list[Left] = []

    def run(self) -> Imported:
        for key, (name, _) in self._given.items():
            if key not in _KNOWN:
                self._leave(name, "", "has no counterpart among tariffs and group multipliers")
        unit = self._quota_per_unit()
        ratios = self._numbers("modelratio")
        prices = self._numbers("modelprice")
        factors = {key: self._numbers(key) for key in _RATES}
        tariffs = [self._per_call(model, price) for model, price in prices.items()]
        for model, ratio in ratios.items():
            if model in prices:
                self._leave(self._name("modelratio"), model, "the model's price per call replaces it")
            else:
                base = ratio * 1_000_000 / unit
                tariffs.append(self._per_token(model, base, {key: each.get(model) for key, each in factors.items()}))
        self._orphans(factors, ratios)
        return Imported(tuple(each for each in tariffs if each is not None), self._groups(), tuple(self._left))

    def _per_call(self, model: str, price: Fraction) -> Tariff | None:
        attos = self._exact(price, ATTO_DIGITS, self._name("modelprice"), model)
        if not attos:
            self._leave(self._name("modelprice"), model, "carried over as free: its price is zero")
        return self._tariff(model, Sheet(per_request=Attos(attos)) if attos else FREE)

    def _per_token(self, model: str, base: Fraction, ratios: Mapping[str, Fraction | None]) -> Tariff | None:
        table = self._name("modelratio")
        if not base:
            self._leave(table, model, "carried over as free: its ratio is zero")
            return self._tariff(model, FREE)
        rates = {"input_text": base}
        for key, (bucket, of) in _RATES.items():
            ratio = ratios[key]
            if ratio is not None:
                rates[bucket] = rates.get(of, base) * ratio
        rates.setdefault("cache_write_5m", base * FIVE_MINUTE_WRITE)
        rates["cache_write_1h"] = rates["cache_write_5m"] * ONE_HOUR_WRITE
        if "output_text" not in rates:
            self._leave(table, model, "carried over without an output price: it has no explicit completion ratio")
        exact = {
            bucket: Attos(self._exact(rate, MILLION_DIGITS, table, f"{model} ({bucket})"))
            for bucket, rate in rates.items()
        }
        return self._tariff(model, Sheet(tiers=(Tier(exact),)))

    def _tariff(self, model: str, sheet: Sheet) -> Tariff | None:
        try:
            return Tariff(model, Prices(sheet), model, self._version, source=self._source)
        except BadTariff as error:
            self._leave("", model, error.message)
            return None

    def _groups(self) -> dict[str, Factor]:
        table = self._name("groupratio")
        return {
            group: Factor(self._exact(ratio, FACTOR_DIGITS, table, group))
            for group, ratio in self._numbers("groupratio").items()
        }

    def _orphans(self, factors: Mapping[str, Mapping[str, Fraction]], ratios: Mapping[str, Fraction]) -> None:
        for key, each in factors.items():
            for model in each:
                if model not in ratios:
                    self._leave(self._name(key), model, "there is no model ratio to multiply")

    def _quota_per_unit(self) -> Fraction:
        name, value = self._given.get("quotaperunit", ("QuotaPerUnit", QUOTA_PER_UNIT))
        unit = _number(value)
        if unit is None or not unit:
            raise BadTariff("must be a positive number", name)
        return unit

    def _numbers(self, key: str) -> dict[str, Fraction]:
        """The readable entries of a table; the others are reported."""
        name, table = self._given.get(key, (key, {}))
        if not isinstance(table, Mapping):
            self._leave(name, "", "is not a table of numbers")
            return {}
        return dict(self._readable(name, table))

    def _readable(self, name: str, table: Mapping[str, object]) -> Iterator[tuple[str, Fraction]]:
        for entry, value in table.items():
            number = _number(value)
            if number is None:
                self._leave(name, entry, f"{value!r} is not a number of 0 or more")
            else:
                yield entry, number

    def _exact(self, value: Fraction, digits: int, table: str, entry: str) -> int:
        scaled = value * 10**digits
        rounded = money.half_even(scaled.numerator, scaled.denominator)
        if rounded != scaled:
            self._leave(table, entry, f"rounded to {digits} digits: {money.plain(rounded, digits)}")
        return rounded

    def _name(self, key: str) -> str:
        return self._given.get(key, (key, None))[0]

    def _leave(self, table: str, entry: str, reason: str) -> None:
        self._left.append(Left(table, entry, reason))


def _number(value: object) -> Fraction | None:
    """An exact number >= 0; None for anything else. Raises `money.NotMoney` for a float."""
    if isinstance(value, float):
        raise money.NotMoney(f"{value!r} is a floating-point number; read the JSON with parse_float=str")
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > ATTO_DIGITS:
        return None
    return Fraction(number)
