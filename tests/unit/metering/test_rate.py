"""Bills checked by hand, and the ways incumbents mis-bill (LiteLLM issue numbers)."""

from collections.abc import Mapping

import pytest

from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel import money
from polyrelay.metering import rate, write
from polyrelay.metering.book import TariffBook, Unpriced
from polyrelay.metering.read import sheet
from polyrelay.metering.sheet import FREE, Sheet, factor
from polyrelay.metering.tariff import Prices, Quote, Tariff

GPT_4O = {"input_text": "2.50", "cached_read": "1.25", "output_text": "10"}
CLAUDE = {
    "input_text": "3",
    "cached_read": "0.30",
    "cache_write_5m": "3.75",
    "cache_write_1h": "6",
    "output_text": "15",
}


Document = Mapping[str, object]


def quoted(document: Document | Sheet, multiplier: str = "1", cost: Document | None = None) -> Quote:
    sell = document if isinstance(document, Sheet) else sheet(document)
    return Quote("t", "3", Prices(sell, None if cost is None else sheet(cost)), multiplier=factor(multiplier))


def price(document: Document | Sheet, usage: Usage, multiplier: str = "1") -> str:
    return money.show(rate.charge(usage, quoted(document, multiplier)).amount)


def test_a_bill_by_hand() -> None:
    usage = Usage(input_text=1000, cached_read=500, output_text=200, reasoning=50)
    charge = rate.charge(usage, quoted(GPT_4O, "0.8", {"input_text": "2", "output_text": "8"}))
    assert [(line.bucket, line.quantity, line.unit_price, line.priced_as, line.amount) for line in charge.lines] == [
        ("input_text", 1000, "0.0000025", "input_text", "0.002"),
        ("cached_read", 500, "0.00000125", "cached_read", "0.0005"),
        ("output_text", 200, "0.00001", "output_text", "0.0016"),
        ("reasoning", 50, "0.00001", "output_text", "0.0004"),
    ]
    assert money.show(charge.amount) == "0.004500000"
    assert charge.cost == money.amount("0.005")
    assert charge.margin == money.amount("-0.0005", signed=True)


def test_a_charge_explains_itself() -> None:
    charge = rate.charge(Usage(input_text=3, estimated=True), quoted(GPT_4O))
    assert write.charge(charge) == {
        "amount": "0.000007500",
        "exact": "0.0000075",
        "lines": [
            {
                "bucket": "input_text",
                "quantity": 3,
                "unit_price": "0.0000025",
                "priced_as": "input_text",
                "amount": "0.0000075",
            }
        ],
        "tariff": "t",
        "version": "3",
        "window": None,
        "multiplier": "1",
        "estimated": True,
        "cost": None,
        "margin": None,
    }


def test_cached_tokens_are_charged_once_and_at_their_own_rate() -> None:
    """#14849, #37407: 0.764 USD billed for 0.185."""
    assert price(CLAUDE, Usage(input_text=1000, cached_read=100_000, output_text=1000)) == "0.048000000"


def test_cache_writes_of_an_hour_cost_their_own_rate() -> None:
    """#42663 and kin: five-minute and one-hour writes are different prices."""
    assert price(CLAUDE, Usage(cache_write_5m=1_000_000, cache_write_1h=1_000_000)) == "9.750000000"
    assert price({"input_text": "3", "cache_write_5m": "3.75"}, Usage(cache_write_1h=1_000_000)) == "3.750000000"


def test_reasoning_is_output_unless_it_has_a_rate() -> None:
    """#18599."""
    assert price(GPT_4O, Usage(reasoning=1_000_000)) == "10.000000000"
    assert price({**GPT_4O, "reasoning": "4"}, Usage(reasoning=1_000_000)) == "4.000000000"


def test_one_rounding_at_the_very_end() -> None:
    """Three lines of half a nano are a nano and a half, which rounds to two; rounding each line would give zero."""
    document = {"input_text": "0.0005", "cached_read": "0.0005", "output_text": "0.0005"}
    charge = rate.charge(Usage(input_text=1, cached_read=1, output_text=1), quoted(document))
    assert [line.amount for line in charge.lines] == ["0.0000000005"] * 3
    assert charge.amount == 2


def test_no_minimum_and_no_32_bit_ceiling() -> None:
    """new-api charges at least one quota, and saturates at 4 294 USD."""
    assert price({"input_text": "0.0001"}, Usage(input_text=1)) == "0.000000000"
    assert price({"input_text": "1000000"}, Usage(input_text=1_000_000_000)) == "1000000000.000000000"


@pytest.mark.parametrize(
    ("document", "usage", "amount"),
    [
        ({"per_second": "0.0001"}, Usage(seconds=37), "0.003700000"),
        ({"per_character": "0.000015"}, Usage(characters=4096), "0.061440000"),
        ({"per_task": "0.1"}, Usage(tasks=2, seconds=120), "0.200000000"),
        (
            {"per_megapixel_step": "0.0004"},
            Usage(megapixel_steps=6, images=(ImageCount("512x512", None, 1),)),
            "0.002400000",
        ),
        (
            {"per_image": [{"price": "0.01"}], "per_megapixel_step": "0.001"},
            Usage(images=(ImageCount("512x512", None, 2),), megapixel_steps=11),
            "0.031000000",
        ),
        (
            {"per_image": [{"price": "0.01"}]},
            Usage(images=(ImageCount("x", None, 1),), megapixel_steps=9),
            "0.010000000",
        ),
        ({"per_request": "0.01"}, Usage(input_text=50, output_text=9), "0.010000000"),
        ({"per_request": "0.01", "input_text": "1"}, Usage(input_text=1_000_000), "1.010000000"),
        (
            {"per_image": [{"size": "1024x1024", "quality": "hd", "price": "0.08"}, {"price": "0.04"}]},
            Usage(images=(ImageCount("1024x1024", "hd", 2), ImageCount("512x512", None, 1)), input_text=20),
            "0.200000000",
        ),
        (
            {"input_text": "5", "output_text": "10", "output_image": "40"},
            Usage(input_text=100, output_image=1000, images=(ImageCount(None, None, 1),)),
            "0.040500000",
        ),
    ],
)
def test_units_of_every_kind(document: Document, usage: Usage, amount: str) -> None:
    assert price(document, usage) == amount


@pytest.mark.parametrize(
    ("document", "usage"),
    [
        ({"input_text": "1", "output_text": "1"}, Usage(seconds=30)),  # #20228: transcription billed at nothing
        ({"input_text": "1"}, Usage(input_text=5, output_text=1)),
        ({"per_second": "1"}, Usage(input_text=5)),
        ({"per_second": "1"}, Usage(characters=5)),
        ({"input_text": "1", "output_text": "1"}, Usage(input_text=50, images=(ImageCount(None, None, 1),))),
        ({"per_image": [{"size": "1x1", "price": "1"}]}, Usage(images=(ImageCount("2x2", None, 1),))),
        ({"per_image": [{"price": "1"}]}, Usage(tasks=1)),
        ({"per_second": "1"}, Usage(megapixel_steps=1)),
        ({"input_text": "1", "output_text": "1"}, Usage(megapixel_steps=1)),
    ],
)
def test_what_has_no_price_is_refused_not_free(document: Document, usage: Usage) -> None:
    with pytest.raises(Unpriced):
        price(document, usage)


SPOKEN = Usage(input_text=10, output_audio=80, seconds=4, characters=40, estimated=True)
HEARD = Usage(input_text=3, input_audio=40, output_text=9, seconds=4, estimated=True)


@pytest.mark.parametrize(
    ("document", "usage", "buckets"),
    [
        ({"per_character": "0.01"}, SPOKEN, {"characters": 40}),
        ({"per_second": "0.01"}, SPOKEN, {"seconds": 4}),
        ({"input_text": "1", "output_text": "2"}, SPOKEN, {"input_text": 10, "output_audio": 80}),
        ({"input_text": "1", "per_second": "0.01"}, SPOKEN, {"input_text": 10, "seconds": 4}),
        ({"per_second": "0.01", "per_character": "0.01"}, SPOKEN, {"seconds": 4, "characters": 40}),
        ({"per_request": "1"}, SPOKEN, {"requests": 1}),
        ({"per_second": "0.01"}, HEARD, {"seconds": 4}),
        ({"input_text": "1", "output_text": "2"}, HEARD, {"input_text": 3, "input_audio": 40, "output_text": 9}),
        ({"input_text": "0", "per_second": "0.01"}, HEARD, {"input_text": 3, "input_audio": 40, "seconds": 4}),
    ],
)  # fmt: skip
def test_what_is_counted_in_every_unit_is_priced_in_those_of_the_tariff(
    document: Document, usage: Usage, buckets: dict[str, int]
) -> None:
    charge = rate.charge(usage, quoted(document))
    assert {line.bucket: line.quantity for line in charge.lines} == buckets
    assert charge.exact == sum(line.exact for line in charge.lines)


def test_output_tokens_without_a_rate_are_not_in_a_price_per_request() -> None:
    with pytest.raises(Unpriced):
        price({"input_text": "1", "per_request": "1"}, SPOKEN)


@pytest.mark.parametrize(
    ("document", "usage", "estimated"),
    [
        ({"per_character": "0.01"}, SPOKEN, False),
        ({"per_request": "1"}, SPOKEN, False),
        ({"per_second": "0.01"}, SPOKEN, False),
        ({"per_second": "0.01"}, Usage(seconds=4, seconds_estimated=True), True),
        ({"per_character": "1"}, Usage(characters=1, seconds=4, seconds_estimated=True), False),
        ({"input_text": "1", "output_text": "2"}, SPOKEN, True),
        ({"input_text": "1", "output_text": "2"}, Usage(input_text=5, seconds=4, seconds_estimated=True), False),
        ({"per_image": [{"price": "1"}]}, Usage(images=(ImageCount(None, None, 1),), estimated=True), True),
        ({"free": True}, SPOKEN, True),
    ],
)
def test_a_bill_is_an_estimate_when_a_line_of_it_is(document: Document, usage: Usage, estimated: bool) -> None:
    assert rate.charge(usage, quoted(document)).estimated is estimated


def test_an_unpriced_cost_side_does_not_stop_the_charge() -> None:
    charge = rate.charge(Usage(input_text=5, output_text=1), quoted(GPT_4O, cost={"input_text": "1"}))
    assert charge.amount > 0
    assert charge.cost is None
    assert charge.margin is None


def test_an_explicit_zero_differs_from_no_price() -> None:
    assert price(FREE, Usage(input_text=10**9, seconds=5)) == "0.000000000"
    assert rate.charge(Usage(input_text=1), quoted({"input_text": "0"})).lines[0].amount == "0"
    with pytest.raises(Unpriced):
        TariffBook([Tariff("free", Prices(FREE), "t")]).quote("other", 0)


def test_an_empty_answer_costs_nothing_but_its_request() -> None:
    assert price(GPT_4O, Usage()) == "0.000000000"
    assert price({**GPT_4O, "per_request": "0.01"}, Usage()) == "0.010000000"


@pytest.mark.parametrize(
    "usage",
    [
        Usage(seconds=-1),
        Usage(images=(ImageCount(None, None, -1),)),
        Usage(tasks=-2),
        Usage(megapixel_steps=-1),
        Usage(requests=-1),
    ],
)
def test_negative_units_are_refused(usage: Usage) -> None:
    units = dict.fromkeys(("per_second", "per_task", "per_request"), "1")
    with pytest.raises(rate.BadUsage):
        price({**units, "per_image": [{"price": "1"}]}, usage)
