"""A price sheet: what one call costs, by what it used.

Prices are integers of attos (1e-18 of the currency) per one unit, so that a price of twelve digits per million tokens
stays exact. Texts go in and out through `per_million` and `per_unit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple, NewType

from polyrelay.exchange.usage import BUCKETS, OUTPUT_BUCKETS
from polyrelay.kernel import errors, money

Attos = NewType("Attos", int)
"""A price per single unit (a token, a second, an image), in 1e-18 of the currency."""

ATTO_DIGITS = 18
MILLION_DIGITS = 12
"""Digits after the point of a price per million units: 1e-12 per million is one atto per unit."""

Factor = NewType("Factor", int)
"""A multiplier, in 1e-9. Nine digits carry every group ratio seen in the field."""

FACTOR_DIGITS = 9
ONE = Factor(10**FACTOR_DIGITS)

FALLBACKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cached_read": ("input_text",),
        "cache_write_5m": ("input_text",),
        "cache_write_1h": ("cache_write_5m", "input_text"),
        "input_audio": ("input_text",),
        "input_image": ("input_text",),
        "input_video": ("input_text",),
        "reasoning": ("output_text",),
        "output_audio": ("output_text",),
        "output_image": ("output_text",),
    }
)
"""By whose rate a bucket without a rate of its own is priced, first found first. Never silently free: to give a bucket
away, its rate is written as "0"."""


class BadTariff(errors.PolyrelayError):
    """A tariff contradicts itself or another. `path` is the dotted key, empty for the whole."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path


def per_million(text: object) -> Attos:
    """A price per million units, as a decimal string. Raises `money.NotMoney`."""
    return Attos(money.parse(text, digits=MILLION_DIGITS))


def per_unit(text: object) -> Attos:
    """A price per single unit, as a decimal string. Raises `money.NotMoney`."""
    return Attos(money.parse(text, digits=ATTO_DIGITS))


def factor(text: object) -> Factor:
    """A multiplier, as a decimal string: "0.8" is a fifth off. Raises `money.NotMoney`."""
    return Factor(money.parse(text, digits=FACTOR_DIGITS))


_TEXT = ("input_text", "cached_read", "cache_write_5m", "cache_write_1h")


class Worst(NamedTuple):
    """The dearest rate a token can meet in one tier, by what the request shows of it; `output` None when unpriced.

    A part's tokens may be reported as its own kind, as plain text or as cache writes, so each includes the text rates.
    """

    text: int
    image: int
    audio: int
    file: int
    video: int
    output: int | None


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates per token bucket for calls of up to `up_to` input tokens (all input buckets together), None: any number.

    The whole call is priced at the first tier with input tokens <= `up_to` (the convention of AiToEarn, WIRE 1.4, and
    of genai-prices: a cliff, not a staircase). `resolved` is, for each of BUCKETS, the rate (None when there is none)
    and the bucket it came from; `prices` the same rates alone when there is one for every bucket, else None; `worst`
    what estimation needs.
    """

    rates: Mapping[str, Attos] = field(hash=False)
    up_to: int | None = None
    resolved: tuple[tuple[Attos | None, str], ...] = field(init=False, repr=False, compare=False)
    prices: tuple[Attos, ...] | None = field(init=False, repr=False, compare=False)
    worst: Worst = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.rates) - set(BUCKETS)):
            raise BadTariff(f"{unknown[0]!r} is not a token bucket; there are {', '.join(BUCKETS)}")
        if "input_text" not in self.rates:
            raise BadTariff('token rates need "input_text"; write "0" if input is free')
        if self.up_to is not None and self.up_to < 1:
            raise BadTariff("up_to must be at least 1 token")
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))
        object.__setattr__(self, "resolved", tuple(_resolve(self.rates, bucket) for bucket in BUCKETS))
        prices = tuple(price for price, _ in self.resolved if price is not None)
        object.__setattr__(self, "prices", prices if len(prices) == len(BUCKETS) else None)
        object.__setattr__(self, "worst", self._worst())

    def _worst(self) -> Worst:
        rate = {bucket: price for bucket, (price, _) in zip(BUCKETS, self.resolved, strict=True) if price is not None}
        text = max(rate[bucket] for bucket in _TEXT)
        image, audio, video = (max(text, rate["input_" + kind]) for kind in ("image", "audio", "video"))
        output = max((rate[bucket] for bucket in OUTPUT_BUCKETS if bucket in rate), default=None)
        return Worst(text, image, audio, max(text, image), video, output)


def _resolve(rates: Mapping[str, Attos], bucket: str) -> tuple[Attos | None, str]:
    for candidate in (bucket, *FALLBACKS.get(bucket, ())):
        if candidate in rates:
            return rates[candidate], candidate
    return None, bucket


@dataclass(frozen=True, slots=True)
class ImagePrice:
    """The price of one image of this `size` and `quality`; None matches any."""

    price: Attos
    size: str | None = None
    quality: str | None = None

    def matches(self, size: str | None, quality: str | None) -> bool:
        """Whether an image of `size` and `quality` is priced by this row."""
        return self.size in (None, size) and self.quality in (None, quality)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a call costs: token tiers in ascending order, prices per other unit, or `free` for an explicit nothing.

    In `per_image` the first row that matches counts, so the fallback row (neither size nor quality) comes last.

    What has no price in its own unit is included in the other lines of the same bill (tokens in a price per image,
    a song's seconds in its price per task, output tokens without a rate in a price per second), images never in input
    tokens alone. A call that used something and meets no price at all is `Unpriced`, never free.
    """

    tiers: tuple[Tier, ...] = ()
    per_request: Attos | None = None
    per_second: Attos | None = None
    per_character: Attos | None = None
    per_task: Attos | None = None
    per_megapixel_step: Attos | None = None
    per_image: tuple[ImagePrice, ...] = ()
    free: bool = False

    def __post_init__(self) -> None:
        priced = bool(self.tiers or self.per_image) or any(price is not None for price in self._units())
        if self.free and priced:
            raise BadTariff("free excludes every price")
        if not self.free and not priced:
            raise BadTariff("no price at all; write free = true to give the model away")
        _check_tiers(self.tiers)
        _check_images(self.per_image)

    def _units(self) -> tuple[Attos | None, ...]:
        return (self.per_request, self.per_second, self.per_character, self.per_task, self.per_megapixel_step)

    def tier(self, input_tokens: int) -> Tier:
        """The tier that prices a call of `input_tokens`. Raises `BadTariff` for a sheet without token rates."""
        for tier in self.tiers:
            if tier.up_to is None or input_tokens <= tier.up_to:
                return tier
        raise BadTariff("no token rates")

    def image(self, size: str | None, quality: str | None) -> Attos | None:
        """The price of one image, None when no row matches."""
        return next((row.price for row in self.per_image if row.matches(size, quality)), None)

    def scaled(self, multiplier: Factor) -> "Sheet":
        """Every price times `multiplier`. Raises `BadTariff` when a product needs more digits than a price has."""
        return replace(
            self,
            tiers=tuple(
                Tier({bucket: _times(rate, multiplier) for bucket, rate in tier.rates.items()}, tier.up_to)
                for tier in self.tiers
            ),
            per_request=_maybe_times(self.per_request, multiplier),
            per_second=_maybe_times(self.per_second, multiplier),
            per_character=_maybe_times(self.per_character, multiplier),
            per_task=_maybe_times(self.per_task, multiplier),
            per_megapixel_step=_maybe_times(self.per_megapixel_step, multiplier),
            per_image=tuple(replace(row, price=_times(row.price, multiplier)) for row in self.per_image),
        )


def _times(price: Attos, multiplier: Factor) -> Attos:
    product, rest = divmod(price * multiplier, ONE)
    if rest:
        shown = money.plain(price, ATTO_DIGITS)
        raise BadTariff(f"{shown} x {money.plain(multiplier, FACTOR_DIGITS)} is not exact in {ATTO_DIGITS} digits")
    return Attos(product)


def _maybe_times(price: Attos | None, multiplier: Factor) -> Attos | None:
    return None if price is None else _times(price, multiplier)


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    last = 0
    for position, tier in enumerate(tiers):
        if tier.up_to is None:
            if position < len(tiers) - 1:
                raise BadTariff("only the last tier may leave out up_to", f"tiers[{position}]")
        elif tier.up_to <= last:
            raise BadTariff("tiers must be in ascending order of up_to", f"tiers[{position}]")
        else:
            last = tier.up_to
    if tiers and tiers[-1].up_to is not None:
        raise BadTariff("the last tier must leave out up_to, or larger calls have no price", f"tiers[{len(tiers) - 1}]")


def _check_images(rows: tuple[ImagePrice, ...]) -> None:
    for position, row in enumerate(rows):
        if any(earlier.matches(row.size, row.quality) for earlier in rows[:position]):
            raise BadTariff("an earlier row already prices these images", f"per_image[{position}]")


FREE = Sheet(free=True)
"""An explicit zero."""
