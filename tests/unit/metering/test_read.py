from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from polyrelay.metering import read, write
from polyrelay.metering.sheet import BadTariff, ImagePrice, Sheet, Tier, factor, per_million, per_unit
from polyrelay.metering.tariff import Maxima, Prices, Source, Tariff, Window

GPT_4O = {"input_text": "2.50", "output_text": "10"}
FULL = {
    "model": "gpt-4o",
    "aliases": ["gpt-4o-2024-11-20"],
    "id": "my-4o",
    "version": "7",
    "from": "2026-01-01",
    "to": "2026-07-01T00:00:00+02:00",
    "zone": "Asia/Shanghai",
    "sell": {
        "tiers": [{"up_to": 200_000, "input_text": "2", "output_text": "8"}, {"input_text": "4", "output_text": "12"}],
        "per_request": "0.001",
        "per_image": [{"size": "1024x1024", "quality": "hd", "price": "0.08"}, {"price": "0.04"}],
    },
    "cost": {"input_text": "1", "cached_read": "0"},
    "costs": {"azure": {"per_second": "0.000000000000000002"}, "gift": {"free": True}},
    "maxima": {"context": 128_000, "output": 16_384, "image": 1445, "audio": 9, "file": 8, "video": 7, "overhead": 0},
    "windows": [
        {"start": "22:00", "end": "06:00", "multiplier": "0.5", "days": ["mon", "sun"]},
        {"start": "12:00", "end": "13:00", "name": "lunch", "sell": {"free": True}, "cost": {"per_task": "1"}},
    ],
}


def tariff(document: object) -> Tariff:
    return read.tariff(document, source=Source.FILE, zones=ZoneInfo, path="tariffs[0]")


def with_sell(**sell: object) -> dict[str, object]:
    return {"model": "m", "sell": sell}


def test_every_key() -> None:
    made = tariff(FULL)
    tiers = (
        Tier({"input_text": per_million("2"), "output_text": per_million("8")}, 200_000),
        Tier({"input_text": per_million("4"), "output_text": per_million("12")}),
    )
    images = (ImagePrice(per_unit("0.08"), "1024x1024", "hd"), ImagePrice(per_unit("0.04")))
    sell = Sheet(tiers, per_request=per_unit("0.001"), per_image=images)
    cost = Sheet((Tier({"input_text": per_million("1"), "cached_read": per_million("0")}),))
    costs = {"azure": Sheet(per_second=per_unit("0.000000000000000002")), "gift": Sheet(free=True)}
    assert made.prices.sell == sell
    assert made.prices.cost == cost
    assert dict(made.prices.costs) == costs
    assert (made.id, made.version, made.aliases) == ("my-4o", "7", ("gpt-4o-2024-11-20",))
    assert made.effective_from == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert made.effective_to == datetime(2026, 6, 30, 22, tzinfo=UTC).timestamp()
    assert made.maxima == Maxima(128_000, 16_384, 1445, 9, 8, 7, 0)


def test_a_windows_multiplier_scales_the_sides_it_states_no_sheet_for() -> None:
    document = {
        "model": "m",
        "sell": {"input_text": "2"},
        "cost": {"input_text": "1"},
        "costs": {"azure": {"input_text": "4"}},
        "windows": [{"start": time(1), "end": "24:00", "multiplier": "0.5", "cost": {"input_text": "0.9"}}],
    }
    half, own, azure = (Sheet((Tier({"input_text": per_million(text)}),)) for text in ("1", "0.9", "2"))
    assert tariff(document).windows == (Window(60, 1440, Prices(half, own, {"azure": azure}), name="01:00-24:00"),)


def test_a_document_survives_writing_and_reading() -> None:
    made = tariff(FULL)
    assert tariff(write.tariff(made)) == made
    assert tariff(write.tariff(tariff(with_sell(free=True)))) == tariff(with_sell(free=True))


def test_what_is_left_out_has_a_plain_default() -> None:
    made = tariff({"model": "m", "sell": GPT_4O})
    assert (made.id, made.version, made.zone, made.prices.cost) == ("m", "1", UTC, None)
    assert (made.effective_from, made.effective_to, made.source) == (None, None, Source.FILE)
    assert tariff({"model": "m", "sell": GPT_4O, "from": date(2026, 2, 1)}).version == "2026-02-01"
    assert tariff({"model": "m", "sell": GPT_4O, "maxima": {"context": None}}).maxima == Maxima()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "tariffs[0]: must be a table"),
        ({"sell": GPT_4O}, "tariffs[0].model: is missing"),
        ({"model": "m"}, "tariffs[0]: a tariff needs a price sheet sell"),
        ({"model": "gpt-*", "sell": GPT_4O}, "tariffs[0].model: 'gpt-*' is not an exact model name"),
        ({"model": "m", "sell": GPT_4O, "modle": 1}, "tariffs[0].modle: is not known; there are aliases, cost"),
        ({"model": "m", "sell": GPT_4O, "aliases": "x"}, "tariffs[0].aliases: must be a list"),
        ({"model": "m", "sell": GPT_4O, "aliases": [""]}, "tariffs[0].aliases[0]: must be a text"),
        ({"model": "m", "sell": GPT_4O, "zone": "Mars/Base"}, "tariffs[0].zone: there is no time zone 'Mars/Base'"),
        ({"model": "m", "sell": GPT_4O, "from": "soon"}, "tariffs[0].from: must be a date"),
        ({"model": "m", "sell": GPT_4O, "from": datetime(2026, 1, 1)}, "tariffs[0].from: must be"),  # noqa: DTZ001
        ({"model": "m", "sell": GPT_4O, "from": "2026-01-02", "to": "2026-01-01"}, "tariffs[0].effective_to: ends"),
        ({"model": "m", "sell": GPT_4O, "maxima": {"output": -1}}, "tariffs[0].maxima.output: must be a whole number"),
        ({"model": "m", "sell": GPT_4O, "maxima": {"outputs": 1}}, "tariffs[0].maxima.outputs: is not known"),
        (with_sell(), "tariffs[0].sell: no price at all"),
        (with_sell(input_text=2.5), "tariffs[0].sell.input_text: 2.5 is a floating-point number"),
        (with_sell(input_text="-1"), "tariffs[0].sell.input_text: '-1' is negative"),
        (with_sell(input="1"), "tariffs[0].sell.input: is not known"),
        (with_sell(output_text="1"), 'tariffs[0].sell: token rates need "input_text"'),
        (with_sell(free="yes"), "tariffs[0].sell.free: must be true or false"),
        (with_sell(free=True, per_task="1"), "tariffs[0].sell: free excludes every price"),
        (with_sell(tiers=[{"input_text": "1", "up_to": 5}]), "tariffs[0].sell.tiers[0]: the last tier must"),
        (with_sell(tiers=[{"input_text": "x"}]), "tariffs[0].sell.tiers[0].input_text: 'x' is not a decimal"),
        (with_sell(tiers=[{"input_text": "1"}], input_text="1"), "tariffs[0].sell: input_text stands beside tiers"),
        (with_sell(per_image=[{"size": "1x1"}]), "tariffs[0].sell.per_image[0].price: is missing"),
        ({"model": "m", "sell": GPT_4O, "costs": {"a": {"x": 1}}}, "tariffs[0].costs.a.x: is not known"),
    ],
)
def test_errors_name_the_key(document: object, says: str) -> None:
    with pytest.raises(BadTariff) as caught:
        tariff(document)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ({"start": "1", "end": "02:00", "multiplier": "1"}, ".start: must be a time of day in whole minutes"),
        ({"start": "01:00:30", "end": "02:00", "multiplier": "1"}, ".start: must be"),
        ({"start": "01:00", "end": "25:00", "multiplier": "1"}, ".end: must be"),
        ({"start": "01:00", "multiplier": "1"}, ".end: is missing"),
        ({"start": "01:00", "end": "02:00"}, ": a window needs a sheet sell or a multiplier"),
        ({"start": "01:00", "end": "01:00", "multiplier": "1"}, ": a window of no length"),
        ({"start": "01:00", "end": "02:00", "multiplier": "1", "days": ["mo"]}, ".days: 'mo' is not one of mon"),
        ({"start": "01:00", "end": "02:00", "multiplier": "0.000000001"}, ": 0.000000000001 x 0.000000001 is not"),
    ],
)
def test_errors_in_windows_name_the_window(window: dict[str, object], says: str) -> None:
    with pytest.raises(BadTariff) as caught:
        tariff({"model": "m", "sell": {"input_text": "0.000001"}, "windows": [window]})
    assert str(caught.value).startswith("tariffs[0].windows[0]" + says)


def test_factors_by_group() -> None:
    assert read.factors({"vip": "0.8", "staff": 0}) == {"vip": factor("0.8"), "staff": 0}
    with pytest.raises(BadTariff, match=r"groups\.vip: 0\.8 is a floating-point"):
        read.factors({"vip": 0.8}, "groups")
