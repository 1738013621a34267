"""Which prices a hold pins: the tariff book in force, asked once a second for each model and customer group."""

import json
from math import floor

from polyrelay.kernel import errors
from polyrelay.metering import write
from polyrelay.metering.book import TariffBook, Unpriced
from polyrelay.metering.tariff import Quote, Tariff


class Pin:
    """A quote, the tariff it is of, and its number in the journal's present segment, 0 when that does not state it."""

    __slots__ = ("number", "quote", "tariff")

    def __init__(self, tariff: Tariff, quote: Quote) -> None:
        self.tariff = tariff
        self.quote = quote
        self.number = 0

    def document(self) -> bytes:
        """The tariff as JSON, for whoever has to settle without this process."""
        return json.dumps(write.tariff(self.tariff), separators=(",", ":")).encode()


class Pricing:
    """Quotes by model and group. Tariffs begin and end at whole seconds, so a quote holds until the next one."""

    def __init__(self, book: TariffBook) -> None:
        self._book = book
        self._second = 0
        self._pins: dict[tuple[str, str], Pin] = {}
        self._latest: dict[tuple[str, str], Pin] = {}

    @property
    def book(self) -> TariffBook:
        """The tariffs in force."""
        return self._book

    def adopt(self, book: TariffBook) -> None:
        """Take new tariffs up; holds keep the quote they pinned."""
        self._book = book
        self._pins.clear()

    def new_segment(self) -> None:
        """No quote is stated in the journal's segment that begins now."""
        self._pins.clear()
        self._latest.clear()

    def pin(self, model: str, group: str, now: float) -> Pin:
        """The quote in force at `now` (Unix seconds). Raises `errors.NotPriced`."""
        if now >= self._second + 1 or now < self._second:
            self._second = floor(now)
            self._pins.clear()
        found = self._pins.get((model, group))
        return found if found is not None else self._ask(model, group, now)

    def _ask(self, model: str, group: str, now: float) -> Pin:
        tariff = self._book.find(model, now)
        if tariff is None:
            raise not_priced(model)
        try:
            quote = tariff.quote(now, self._book.multiplier(group))
        except Unpriced as error:
            raise not_priced(model) from error
        latest = self._latest.get((model, group))
        if latest is None or latest.tariff is not tariff or latest.quote != quote:
            latest = self._latest[model, group] = Pin(tariff, quote)
        self._pins[model, group] = latest
        return latest


def not_priced(model: str) -> errors.Refusal:
    """The refusal for a call that has no price."""
    return errors.NotPriced(
        f"The model `{model[:128]}` has no price for what this request asks for, so it cannot be served.",
        param="model",
    )
