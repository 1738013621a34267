"""The operator's file and the shipped price lists (`config.tariffs`)."""

from pathlib import Path

import pytest

from polyrelay.config import tariffs
from polyrelay.config.tariffs import Served
from polyrelay.kernel import errors
from polyrelay.metering import write
from polyrelay.metering.book import TariffBook
from polyrelay.metering.sheet import factor
from polyrelay.metering.tariff import Source, Tariff

NOW = 1_795_305_600  # 2026-11-22

FILE = """
[groups]
vip = "0.8"

[[tariffs]]
model = "gpt-4o"
from = 2026-01-01
zone = "Asia/Shanghai"
sell = { input_text = "2.50", output_text = "10" }

[[tariffs.windows]]
start = 16:30:00
end = "00:30"
multiplier = "0.5"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "tariffs.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_operators_file(tmp_path: Path) -> None:
    operator = tariffs.load(written(tmp_path, FILE))
    (tariff,) = operator.tariffs
    assert tariff.source is Source.FILE
    assert tariff.version == "2026-01-01"
    assert (tariff.windows[0].start, tariff.windows[0].end) == (16 * 60 + 30, 30)
    assert operator.groups == {"vip": factor("0.8")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[tariffs", "is not TOML"),
        ("tariffs = 1", "tariffs: must be a list"),
        (
            '[[tariffs]]\nmodel = "m"\nsell = { input_text = 2.5 }',
            "tariffs[0].sell.input_text: 2.5 is a floating-point",
        ),
        ('[[tariffs]]\nmodel = "m"\nzone = "Europe"\nsell = { free = true }', "tariffs[0].zone: there is no time zone"),
        ("[groups]\nvip = true", "groups.vip: bool is not a price"),
    ],
)
def test_errors_name_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(errors.ConfigurationError) as caught:
        tariffs.load(path)
    assert str(caught.value).startswith(f"{path}: {says}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"none\.toml: cannot be read: No such file"):
        tariffs.load(tmp_path / "none.toml")


def seed(model: str, provider: str, upstream: str) -> dict[str, object]:
    book = TariffBook(tariffs.seeds([Served(model, provider, upstream)]))
    tariff = book.find(model, NOW)
    return {} if tariff is None else write.sheet(tariff.prices.sell)


@pytest.mark.parametrize("upstream", ["gpt-4o-mini", "GPT-4o-mini", "gpt-4o-mini-2024-07-18"])
@pytest.mark.parametrize("provider", ["openai", "compatible"])
def test_a_served_model_has_its_vendors_list_price(provider: str, upstream: str) -> None:
    assert seed("mine", provider, upstream) == {"input_text": "0.15", "cached_read": "0.075", "output_text": "0.6"}


def test_a_snapshot_has_the_price_of_its_model() -> None:
    sonnet = seed("x", "anthropic", "claude-sonnet-4-5-20250929")
    assert sonnet == seed("x", "anthropic", "claude-sonnet-4-5") != {}


def test_audio_is_listed_by_the_second() -> None:
    assert seed("whisper-1", "openai", "whisper-1") == {"per_second": "0.0001"}


def test_what_is_in_no_list_gets_no_price() -> None:
    assert seed("house-model", "openai", "house-model") == {}
    assert seed("x", "../openai", "house-model") == {}


def test_costs_are_those_of_each_provider_and_sell_is_that_of_the_first() -> None:
    served = [
        Served("m", "groq", "llama-3.3-70b-versatile"),
        Served("m", "openai", "gpt-4o"),
        Served("m", "x", "gpt-4o"),
    ]
    (tariff,) = tariffs.seeds(served)
    assert tariff.prices.cost_of("groq") == tariff.prices.sell
    openai = tariff.prices.cost_of("channel", "openai")
    assert openai is not None
    assert write.sheet(openai)["output_text"] == "10"
    assert tariff.prices.cost_of("x") is None


def test_dated_prices_and_windows_are_kept() -> None:
    book = TariffBook(tariffs.seeds([Served("m", "deepseek", "deepseek-v4-pro")]))
    assert len(book.history("m")) == 2
    morning, noon = (book.quote("m", NOW + hour * 3600) for hour in (2, 5))
    assert (morning.window, noon.window) == ("01:00-04:00", None)
    assert morning.prices.cost_of("deepseek") == morning.prices.sell != noon.prices.sell


@pytest.mark.parametrize("provider", tariffs.providers())
def test_every_shipped_price_reads_and_costs_something(provider: str) -> None:
    names = tariffs.listed(provider)
    made = tariffs.seeds([Served(name, provider, name) for name in names])
    assert {each.model for each in made} == set(names)
    assert not any(each.prices.sell.free or _costs_nothing(each) for each in made)
    TariffBook(made)


def _costs_nothing(tariff: Tariff) -> bool:
    sell = tariff.prices.sell
    rates = [price for tier in sell.tiers for price in tier.rates.values()]
    return not any([*rates, sell.per_request, sell.per_second, sell.per_character])
