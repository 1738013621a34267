"""Which quote a hold pins, and when it is another one."""

import pytest

from polyrelay.kernel import errors
from polyrelay.metering.book import TariffBook
from polyrelay.service.pricing import Pricing
from support.till import BOOK, tariff

NIGHT = [{"start": "22:00", "end": "23:00", "multiplier": "0.5", "name": "night"}]
WINDOWED = TariffBook([tariff("m", {"per_request": "1"}, zone="UTC", windows=NIGHT)])
TEN = 22 * 3600.0


def test_a_quote_is_one_pin_for_as_long_as_it_stays_the_same() -> None:
    pricing = Pricing(WINDOWED)
    before = pricing.pin("m", "default", TEN - 100)
    assert pricing.pin("m", "default", TEN - 0.001) is before
    night = pricing.pin("m", "default", TEN)
    assert (before.quote.window, night.quote.window) == (None, "night")
    assert pricing.pin("m", "default", TEN - 50).quote.window is None, "a clock set back is believed"


def test_a_new_tariff_is_another_pin_and_old_holds_keep_theirs() -> None:
    pricing = Pricing(BOOK)
    before = pricing.pin("call", "default", 0.0)
    pricing.adopt(BOOK)
    assert pricing.pin("call", "default", 0.0) is before
    pricing.adopt(TariffBook([tariff("call", {"per_request": "2"}, "2")]))
    after = pricing.pin("call", "default", 0.0)
    assert (before.tariff.version, after.tariff.version) == ("1", "2")


def test_a_new_segment_forgets_what_was_stated() -> None:
    pricing = Pricing(BOOK)
    stated = pricing.pin("call", "default", 0.0)
    stated.number = 7
    pricing.new_segment()
    assert pricing.pin("call", "default", 0.0).number == 0


@pytest.mark.parametrize(("model", "group"), [("unknown", "default"), ("call", "unknown")])
def test_what_has_no_price_is_refused(model: str, group: str) -> None:
    with pytest.raises(errors.NotPriced):
        Pricing(BOOK).pin(model, group, 0.0)
