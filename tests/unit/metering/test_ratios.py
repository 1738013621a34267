import json
from decimal import Decimal

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.kernel import money
from polyrelay.metering import rate, ratios, write
from polyrelay.metering.book import TariffBook
from polyrelay.metering.ratios import Left
from polyrelay.metering.sheet import BadTariff, factor
from polyrelay.metering.tariff import Source

EXPORT = """{
  "ModelRatio": {"gpt-4o": 1.25, "claude-sonnet-4": 1.5, "gpt-4o-audio": 1.25, "text-embedding-3-small": 0.01,
                 "gpt-4-gizmo-*": 15, "broken": "much", "gift": 0, "mj": 5, "third": 0.3333333333333333},
  "CompletionRatio": {"gpt-4o": 4, "claude-sonnet-4": 5, "gpt-4o-audio": 4, "lost": 2, "third": 1},
  "CacheRatio": {"gpt-4o": 0.5, "claude-sonnet-4": 0.1},
  "CreateCacheRatio": {"claude-sonnet-4": 1.25},
  "ImageRatio": {"gpt-4o": 2},
  "AudioRatio": {"gpt-4o-audio": 16},
  "AudioCompletionRatio": {"gpt-4o-audio": 2},
  "ModelPrice": {"mj": 0.1, "suno": 0},
  "GroupRatio": {"default": 1, "vip": 0.8},
  "GroupGroupRatio": {"vip": {"svip": 0.5}}
}"""


def convert() -> ratios.Imported:
    return ratios.convert(json.loads(EXPORT, parse_float=str), version="2026-11-22")


def sell(imported: ratios.Imported, model: str) -> dict[str, object]:
    return next(write.sheet(each.prices.sell) for each in imported.tariffs if each.model == model)


def test_ratios_become_prices_per_million() -> None:
    imported = convert()
    assert sell(imported, "gpt-4o") == {
        "input_text": "2.5",
        "cached_read": "1.25",
        "cache_write_5m": "3.125",
        "cache_write_1h": "5",
        "input_image": "5",
        "output_text": "10",
    }
    assert sell(imported, "claude-sonnet-4") == {
        "input_text": "3",
        "cached_read": "0.3",
        "cache_write_5m": "3.75",
        "cache_write_1h": "6",
        "output_text": "15",
    }
    assert sell(imported, "mj") == {"per_request": "0.1"}
    assert sell(imported, "gift") == sell(imported, "suno") == {"free": True}
    audio = sell(imported, "gpt-4o-audio")
    assert (audio["input_audio"], audio["output_audio"], audio["output_text"]) == ("40", "80", "10")
    assert dict(imported.groups) == {"default": factor("1"), "vip": factor("0.8")}
    assert {each.version for each in imported.tariffs} == {"2026-11-22"}
    assert {each.source for each in imported.tariffs} == {Source.API}


def test_half_a_million_quota_are_a_dollar() -> None:
    """1000 prompt and 500 completion tokens: (1000 + 500 x 4) x 1.25 x 0.8 = 3000 quota = 0.006 USD."""
    imported = convert()
    quote = TariffBook(imported.tariffs, imported.groups).quote("gpt-4o", 0, "vip")
    assert money.show(rate.charge(Usage(input_text=1000, output_text=500), quote).amount) == "0.006000000"


def test_the_report_gives_a_reason_for_every_entry_left() -> None:
    left = convert().left
    assert Left("GroupGroupRatio", "", "has no counterpart among tariffs and group multipliers") in left
    assert Left("ModelRatio", "broken", "'much' is not a number of 0 or more") in left
    assert Left("ModelRatio", "mj", "the model's price per call replaces it") in left
    assert Left("CompletionRatio", "lost", "there is no model ratio to multiply") in left
    assert Left("ModelRatio", "gift", "carried over as free: its ratio is zero") in left
    assert Left("ModelPrice", "suno", "carried over as free: its price is zero") in left
    assert Left("ModelRatio", "third (input_text)", "rounded to 12 digits: 0.666666666667") in left
    embedding = "carried over without an output price: it has no explicit completion ratio"
    assert Left("ModelRatio", "text-embedding-3-small", embedding) in left
    assert Left("", "gpt-4-gizmo-*", "'gpt-4-gizmo-*' is not an exact model name") in left
    assert not {"gpt-4o", "claude-sonnet-4", "vip"} & {each.entry for each in left}


def test_snake_case_names_and_another_unit() -> None:
    imported = ratios.convert({"model_ratio": {"m": 1}, "completion_ratio": {"m": 1}, "QuotaPerUnit": "1000000"})
    assert sell(imported, "m")["input_text"] == "1"


@pytest.mark.parametrize("value", ["NaN", "-1", True, None, [], "1e30", "Infinity"])
def test_unreadable_numbers_are_left(value: object) -> None:
    imported = ratios.convert({"ModelRatio": {"m": value}})
    assert imported.tariffs == ()
    assert [each.entry for each in imported.left] == ["m"]


def test_exact_numbers_only() -> None:
    with pytest.raises(money.NotMoney, match="parse_float=str"):
        ratios.convert({"ModelRatio": {"m": 1.25}})
    assert sell(ratios.convert({"ModelPrice": {"m": Decimal("1e-5")}}), "m") == {"per_request": "0.00001"}
    with pytest.raises(BadTariff, match="QuotaPerUnit"):
        ratios.convert({"QuotaPerUnit": "0"})
    assert ratios.convert({"ModelRatio": []}).left == (Left("ModelRatio", "", "is not a table of numbers"),)
