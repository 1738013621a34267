"""A tariff: the dated prices of one model, sell side and cost side, with what estimation must know of the model."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import IntEnum
from types import MappingProxyType

from polyrelay.metering.sheet import ONE, BadTariff, Factor, Sheet

MINUTES_PER_DAY = 24 * 60
_MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)

OVERHEAD_TOKENS = 128
"""Input tokens that no body byte accounts for: a vendor's own preamble. gpt-oss's harmony header is about 70."""

IMAGE_TOKENS = 5_000
"""Most tokens of one input image where the tariff does not say. Anthropic's vision guide bounds a high-resolution image
at 4 784; OpenAI's patch models stay below 4 000. Models that count more (gpt-4o-mini: up to 48 169) need their own."""

CONTEXT_TOKENS = 1_048_576
"""Largest context window where the tariff does not say: that of Gemini and GPT-4.1 class models."""

MADE_IMAGE_TOKENS = 33_300
"""Most output tokens of one image made, previews included, where the tariff does not say: gpt-image-1's 6 240 for its
largest picture at high quality, for the 5.3 times as many pixels of 3840x2160, and three previews of 100."""

OUTPUT_TOKENS = 131_072
"""Largest output where neither the call nor the tariff says: that of current reasoning models (128 Ki)."""


class Source(IntEnum):
    """Who stated a tariff; the higher one wins for the time it is in force."""

    SEED = 0
    """Converted vendor list prices, shipped with polyrelay."""
    FILE = 1
    API = 2


@dataclass(frozen=True, slots=True)
class Maxima:
    """What one call of the model can consume at most, in tokens; None where the tariff does not say.

    `context` bounds all input of a call, `output` one choice's output; `image`, `audio`, `file` and `video` one input
    part each (a part without its own maximum counts as a full context window, an image as IMAGE_TOKENS).
    """

    context: int | None = None
    output: int | None = None
    image: int | None = None
    audio: int | None = None
    file: int | None = None
    video: int | None = None
    overhead: int = OVERHEAD_TOKENS


NO_MAXIMA = Maxima()


@dataclass(frozen=True, slots=True)
class Prices:
    """What the customer pays and what the upstream takes. `costs` are by channel or provider name, `cost` is for the
    rest; None when unknown, and then there is no margin to report.
    """

    sell: Sheet
    cost: Sheet | None = None
    costs: Mapping[str, Sheet] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def cost_of(self, *names: str) -> Sheet | None:
        """The cost sheet of the first of `names` (a channel, then its provider) that has one."""
        for name in names:
            if name in self.costs:
                return self.costs[name]
        return self.cost


@dataclass(frozen=True, slots=True)
class Window:
    """Other prices for a time of day, in wall-clock minutes of the tariff's zone: `start` inclusive, `end` exclusive.

    An `end` not after `start` lies on the next day. `days` are those on which it starts, 0 is Monday. Where clocks are
    set back the repeated hour counts twice, where they are set forward the skipped one never, as on a wall clock.
    """

    start: int
    end: int
    prices: Prices
    days: tuple[int, ...] = EVERY_DAY
    name: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.start < MINUTES_PER_DAY and 0 <= self.end <= MINUTES_PER_DAY):
            raise BadTariff("a window lies between 00:00 and 24:00")
        if self.start == self.end:
            raise BadTariff("a window of no length; for a whole day write 00:00 to 24:00")
        if not self.days or set(self.days) - set(EVERY_DAY) or len(set(self.days)) != len(self.days):
            raise BadTariff("a window needs weekdays 0 (Monday) to 6, each once")

    def covers(self, weekday: int, minute: int) -> bool:
        """Whether `minute` (after midnight) of `weekday` (0 is Monday) lies inside."""
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        return (weekday in self.days and minute >= self.start) or ((weekday - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of `model` (and of its `aliases`: exact names, no globs) for a time.

    In force from `effective_from` (inclusive) to `effective_to` (exclusive), Unix seconds, None meaning always.
    `id` and `version` together name these very prices for ever: a changed price is a new version.
    """

    model: str
    prices: Prices
    id: str
    version: str = "1"
    aliases: tuple[str, ...] = ()
    effective_from: int | None = None
    effective_to: int | None = None
    zone: tzinfo = UTC
    windows: tuple[Window, ...] = ()
    maxima: Maxima = NO_MAXIMA
    source: Source = Source.FILE

    def __post_init__(self) -> None:
        _check_names(self.names)
        start, end = self.effective_from, self.effective_to
        if start is not None and end is not None and start >= end:
            raise BadTariff("ends before it begins", "effective_to")
        _check_windows(self.windows)

    @property
    def names(self) -> tuple[str, ...]:
        """Every model name it prices."""
        return (self.model, *self.aliases)

    def in_force(self, instant: float) -> bool:
        """Whether it applies at `instant`, Unix seconds."""
        return (self.effective_from is None or self.effective_from <= instant) and (
            self.effective_to is None or instant < self.effective_to
        )

    def window(self, instant: float) -> Window | None:
        """The window that covers `instant`, Unix seconds; None outside of all."""
        if not self.windows:
            return None
        local = datetime.fromtimestamp(instant, self.zone)
        weekday, minute = local.weekday(), local.hour * 60 + local.minute
        return next((window for window in self.windows if window.covers(weekday, minute)), None)

    def quote(self, instant: float, multiplier: Factor = ONE) -> "Quote":
        """The prices at `instant` for a customer group of that `multiplier`."""
        if not self.windows:
            return Quote(self.id, self.version, self.prices, self.maxima, multiplier)
        window = self.window(instant)
        prices = self.prices if window is None else window.prices
        return Quote(self.id, self.version, prices, self.maxima, multiplier, None if window is None else window.name)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a hold pins: one version of a tariff, the prices of that instant, the customer group's multiplier."""

    tariff: str
    version: str
    prices: Prices
    maxima: Maxima = NO_MAXIMA
    multiplier: Factor = ONE
    window: str | None = None


def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if not name or "*" in name or "?" in name:
            raise BadTariff(f"{name!r} is not an exact model name", "model")
    if len(set(names)) != len(names):
        raise BadTariff("an alias is named twice", "aliases")


def _check_windows(windows: tuple[Window, ...]) -> None:
    """No minute of the week may lie in two windows, or the price would depend on their order."""
    spans = sorted(span for position, window in enumerate(windows) for span in _spans(window, position))
    for (_, end, earlier), (start, _, later) in itertools.pairwise(spans):
        if start < end:
            raise BadTariff(f"overlaps windows[{earlier}]", f"windows[{later}]")


def _spans(window: Window, position: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, position) in minutes of the week; past Sunday's midnight it goes on on Monday."""
    length = (window.end - window.start) % MINUTES_PER_DAY or MINUTES_PER_DAY
    for day in window.days:
        start = day * MINUTES_PER_DAY + window.start
        yield start, min(start + length, _MINUTES_PER_WEEK), position
        if start + length > _MINUTES_PER_WEEK:
            yield 0, start + length - _MINUTES_PER_WEEK, position
