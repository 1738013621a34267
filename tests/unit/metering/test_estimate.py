import pytest

from polyrelay.exchange.call import Call, Demand, References
from polyrelay.exchange.usage import ImageCount
from polyrelay.kernel import money
from polyrelay.metering import estimate
from polyrelay.metering.book import Unpriced
from polyrelay.metering.read import sheet
from polyrelay.metering.sheet import FREE, Sheet, factor
from polyrelay.metering.tariff import (
    CONTEXT_TOKENS,
    IMAGE_TOKENS,
    MADE_IMAGE_TOKENS,
    OUTPUT_TOKENS,
    Maxima,
    Prices,
    Quote,
)

ONE_EACH = sheet({"input_text": "1", "output_text": "1"})
BARE = Maxima(overhead=0)


def quoted(sell: Sheet = ONE_EACH, maxima: Maxima = BARE, multiplier: str = "1") -> Quote:
    return Quote("t", "1", Prices(sell), maxima, factor(multiplier))


def tokens(call: Call, quote: Quote) -> int:
    """Tokens held, where every token costs a thousand nanos."""
    return estimate.bound(call, quote).amount // 1000


def test_a_byte_is_at_most_a_token_and_n_multiplies_output() -> None:
    call = Call("m", False, 700, max_output=100, choices=3)
    assert tokens(call, quoted()) == 700 + 300
    assert tokens(call, quoted(maxima=Maxima())) == 700 + 128 + 300
    assert tokens(call, quoted(multiplier="1.5")) == 1500


def test_without_a_cap_the_models_maximum_counts() -> None:
    call = Call("m", False, 0)
    assert estimate.bound(call, quoted(maxima=Maxima(output=4096, context=8192))).output == 4096
    assert estimate.bound(call, quoted(maxima=Maxima(context=8192))).output == 8192
    assert estimate.bound(call, quoted()).output == OUTPUT_TOKENS


def test_a_cap_beyond_the_context_window_is_cut_to_it() -> None:
    assert estimate.bound(Call("m", False, 0, max_output=10**9), quoted(maxima=Maxima(context=8192))).output == 8192


def test_base64_is_not_text_and_parts_count_by_their_maximum() -> None:
    call = Call("m", False, 3_000_100, max_output=0, references=References(images=2, inline_bytes=3_000_000))
    assert tokens(call, quoted()) == 100 + 2 * IMAGE_TOKENS
    assert tokens(call, quoted(maxima=Maxima(image=765, overhead=0))) == 100 + 2 * 765


@pytest.mark.parametrize("kind", ["audio", "files", "videos"])
def test_a_part_without_a_maximum_may_fill_the_window(kind: str) -> None:
    call = Call("m", False, 100, max_output=0, references=References(**{kind: 1}))
    assert tokens(call, quoted()) == 100 + CONTEXT_TOKENS
    assert tokens(call, quoted(maxima=Maxima(context=1000, overhead=0))) == 1000


def test_the_dearest_tier_in_reach_counts() -> None:
    cheap_above = sheet(
        {"tiers": [{"up_to": 1000, "input_text": "1", "output_text": "9"}, {"input_text": "2", "output_text": "1"}]}
    )
    assert tokens(Call("m", False, 1000, max_output=1000), quoted(cheap_above)) == 1000 + 9000
    assert tokens(Call("m", False, 1001, max_output=1000), quoted(cheap_above)) == 1001 + 9000
    assert tokens(Call("m", False, 20_000, max_output=1000), quoted(cheap_above)) == 40_000 + 1000


def test_images_of_unknown_size_count_at_the_dearest_row() -> None:
    table = sheet(
        {"per_image": [{"size": "big", "quality": "hd", "price": "3"}, {"size": "big", "price": "2"}, {"price": "1"}]}
    )

    def held(size: str | None, quality: str | None) -> int:
        call = Call("m", False, 100, demand=Demand(images=(ImageCount(size, quality, 2),)))
        return estimate.bound(call, quoted(table)).amount // money.NANOS_PER_UNIT

    assert (held("auto", "auto"), held("big", None), held("big", "standard"), held("small", "hd")) == (6, 6, 4, 2)


def test_rows_behind_one_that_is_sure_to_match_do_not_count() -> None:
    table = sheet({"per_image": [{"size": "small", "price": "1"}, {"quality": "hd", "price": "2"}, {"price": "9"}]})

    def held(size: str, quality: str) -> int:
        call = Call("m", False, 100, demand=Demand(images=(ImageCount(size, quality, 1),)))
        return estimate.bound(call, quoted(table)).amount // money.NANOS_PER_UNIT

    assert (held("small", "auto"), held("big", "hd"), held("auto", "hd"), held("big", "auto")) == (1, 2, 2, 9)


def test_each_image_by_tokens_is_held_at_the_most_one_may_take() -> None:
    call = Call("m", False, 0, choices=3, demand=Demand(images=(ImageCount("auto", "auto", 3),)))
    assert estimate.bound(call, quoted()).output == MADE_IMAGE_TOKENS
    assert estimate.bound(call, quoted(maxima=Maxima(output=6540, context=10))).output == 6540
    assert tokens(call, quoted(maxima=Maxima(output=6540, overhead=0))) == 3 * 6540


def test_units_asked_for_are_held() -> None:
    units = ("per_second", "per_character", "per_task", "per_megapixel_step", "per_request")
    call = Call("m", False, 100, demand=Demand(seconds=10, characters=20, tasks=2, megapixel_steps=7))
    assert estimate.bound(call, quoted(sheet(dict.fromkeys(units, "1")))).amount == 40 * money.NANOS_PER_UNIT


def test_what_has_no_price_is_refused_before_the_call() -> None:
    with pytest.raises(Unpriced):
        estimate.bound(Call("m", False, 1, max_output=1), quoted(sheet({"input_text": "1"})))
    with pytest.raises(Unpriced):
        estimate.bound(Call("m", False, 1, demand=Demand(characters=1)), quoted(sheet({"per_second": "1"})))
    small, table = Demand(images=(ImageCount("s", None, 1),)), sheet({"per_image": [{"size": "b", "price": "1"}]})
    with pytest.raises(Unpriced):
        estimate.bound(Call("m", False, 1, demand=small), quoted(table))
    assert tokens(Call("m", False, 7, max_output=0), quoted(sheet({"input_text": "1"}))) == 7


def test_clamp_lowers_the_cap_to_what_is_affordable() -> None:
    call, quote = Call("m", False, 700, max_output=100, choices=2), quoted()
    assert estimate.clamp(call, quote, 10**9) == 100
    assert estimate.clamp(call, quote, 900_000) == 100
    assert estimate.clamp(call, quote, 899_999) == 99
    assert estimate.clamp(call, quote, 702_000) == 1
    assert estimate.clamp(call, quote, 700_000) == 0
    assert estimate.clamp(call, quote, 699_999) is None


def test_free_models_hold_nothing() -> None:
    assert estimate.bound(Call("m", False, 10**6), quoted(FREE)).amount == 0
    assert estimate.clamp(Call("m", False, 10**6, max_output=5), quoted(FREE), 0) == 5


def test_a_recording_of_known_length_counts_by_its_seconds() -> None:
    call = Call("m", False, 100, max_output=0, references=References(audio=2), demand=Demand(seconds=30))
    assert tokens(call, quoted()) == 100 + 2 * 30 * 50
    assert tokens(call, quoted(maxima=Maxima(context=1000, overhead=0))) == 1000
    assert tokens(call, quoted(maxima=Maxima(audio=7, overhead=0))) == 100 + 14


SPEECH = Call("m", False, 100, max_output=500, demand=Demand(seconds=20, characters=40), capped=False)


@pytest.mark.parametrize(
    ("document", "amount"),
    [
        ({"per_character": "0.01"}, "0.400000000"),
        ({"per_second": "0.01"}, "0.200000000"),
        ({"input_text": "1", "per_second": "0.01"}, "0.200100000"),
        ({"input_text": "1", "output_text": "2"}, "0.001100000"),
    ],
)
def test_speech_is_held_by_whichever_unit_has_a_price(document: dict[str, str], amount: str) -> None:
    assert money.show(estimate.bound(SPEECH, quoted(sheet(document))).amount) == amount


def test_output_tokens_without_a_rate_are_refused_unless_what_is_made_is_priced() -> None:
    with pytest.raises(Unpriced):
        estimate.bound(SPEECH, quoted(sheet({"input_text": "1", "per_request": "1"})))
