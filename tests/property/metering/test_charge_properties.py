"""What must hold for every tariff and every usage."""

import json
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from polyrelay.exchange.call import Call, Demand, References
from polyrelay.exchange.usage import BUCKETS, INPUT_BUCKETS, OUTPUT_BUCKETS, UNITS, ImageCount, Usage
from polyrelay.kernel import money
from polyrelay.metering import estimate, rate, write
from polyrelay.metering.book import Unpriced
from polyrelay.metering.sheet import FALLBACKS, FREE, ONE, Attos, Factor, ImagePrice, Sheet, Tier, per_million
from polyrelay.metering.tariff import IMAGE_TOKENS, Maxima, Prices, Quote

counts = st.integers(0, 2_000_000)
prices = st.integers(0, 10**15).map(Attos)
factors = st.integers(0, 5 * ONE).map(Factor)

usages = st.builds(Usage, **dict.fromkeys(BUCKETS, counts))


@st.composite
def rate_tables(draw: st.DrawFn) -> dict[str, Attos]:
    extra = draw(
        st.dictionaries(st.sampled_from([b for b in BUCKETS if b not in ("input_text", "output_text")]), prices)
    )
    return {"input_text": draw(prices), "output_text": draw(prices), **extra}


@st.composite
def token_sheets(draw: st.DrawFn) -> Sheet:
    edges = sorted(draw(st.sets(st.integers(1, 3_000_000), max_size=3)))
    tiers = tuple(Tier(draw(rate_tables()), edge) for edge in [*edges, None])
    return Sheet(tiers=tiers, per_request=draw(st.none() | prices))


def quoted(sheet: Sheet, multiplier: Factor = ONE, maxima: Maxima = Maxima()) -> Quote:  # noqa: B008 - a frozen value
    return Quote("t", "1", Prices(sheet, sheet), maxima, multiplier)


def filled(counted: dict[str, int]) -> Usage:
    made: Usage = msgspec.convert(counted, Usage)
    return made


def added(one: Usage, other: Usage) -> Usage:
    return filled({bucket: getattr(one, bucket) + getattr(other, bucket) for bucket in (*BUCKETS, "requests")})


def test_every_field_of_usage_is_a_bucket_or_a_unit() -> None:
    marks = {"estimated", "seconds_estimated", "characters_estimated"}
    assert {each.name for each in fields(Usage)} == {*BUCKETS, *UNITS, *marks}
    assert BUCKETS == INPUT_BUCKETS + OUTPUT_BUCKETS


@given(usages)
def test_buckets_add_up_to_the_total(usage: Usage) -> None:
    assert sum(getattr(usage, bucket) for bucket in BUCKETS) == usage.total_tokens
    assert usage.input_tokens + usage.output_tokens == usage.total_tokens


@given(usages, token_sheets(), factors)
def test_lines_explain_the_amount_with_one_rounding(usage: Usage, sheet: Sheet, multiplier: Factor) -> None:
    charge = rate.charge(usage, quoted(sheet, multiplier))
    by_line = sum((Fraction(line.amount) for line in charge.lines), Fraction(0))
    by_hand = sum((line.quantity * Fraction(line.unit_price) for line in charge.lines), Fraction(0))
    assert by_line == by_hand * Fraction(multiplier, ONE) == Fraction(charge.exact, 10**rate.EXACT_DIGITS)
    assert charge.amount == round(by_line * money.NANOS_PER_UNIT)
    assert sum(line.quantity for line in charge.lines if line.bucket in BUCKETS) == usage.total_tokens
    assert json.loads(write.bill(charge.lines)) == write.lines(charge)


@given(usages, token_sheets(), factors)
def test_nothing_is_negative(usage: Usage, sheet: Sheet, multiplier: Factor) -> None:
    charge = rate.charge(usage, quoted(sheet, multiplier))
    assert charge.amount >= 0
    assert all(line.exact >= 0 and line.quantity > 0 for line in charge.lines)


@given(usages, st.sampled_from((*BUCKETS, "requests")), st.integers(max_value=-1), token_sheets())
def test_a_negative_count_is_refused(usage: Usage, bucket: str, count: int, sheet: Sheet) -> None:
    with pytest.raises(rate.BadUsage, match=bucket):
        rate.charge(filled({**{each: getattr(usage, each) for each in BUCKETS}, bucket: count}), quoted(sheet))


@given(st.lists(usages, min_size=1, max_size=6), rate_tables(), factors, st.randoms())
def test_splitting_batching_and_order_change_nothing_within_a_tier(
    parts: list[Usage], rates: dict[str, Attos], multiplier: Factor, random: object
) -> None:
    quote = quoted(Sheet(tiers=(Tier(rates),), per_request=Attos(7)), multiplier)
    whole = parts[0]
    for part in parts[1:]:
        whole = added(whole, part)
    shuffled = sorted(parts, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert sum(rate.charge(part, quote).exact for part in shuffled) == rate.charge(whole, quote).exact


@given(usages, token_sheets())
def test_multiplier_one_is_the_identity_and_cost_equals_sell_for_the_same_sheet(usage: Usage, sheet: Sheet) -> None:
    charge = rate.charge(usage, quoted(sheet))
    assert charge.cost == charge.amount
    assert charge.margin == 0
    assert sheet.scaled(ONE) == sheet


@given(usages, rate_tables())
def test_a_bucket_without_a_rate_takes_that_of_its_fallback(usage: Usage, rates: dict[str, Attos]) -> None:
    for line in rate.bill(usage, Sheet(tiers=(Tier(rates),))):
        assert line.priced_as in rates
        assert line.priced_as == line.bucket or (line.bucket not in rates and line.priced_as in FALLBACKS[line.bucket])


@given(usages)
def test_an_explicit_zero_costs_nothing_and_shows_its_lines(usage: Usage) -> None:
    zero = Sheet(tiers=(Tier({"input_text": Attos(0), "output_text": Attos(0)}),))
    assert rate.charge(usage, quoted(FREE)).amount == 0
    assert rate.charge(usage, quoted(zero)).amount == 0
    assert bool(rate.bill(usage, zero)) == (usage.total_tokens > 0)


@given(st.integers(1, 10**7), st.integers(-1, 1))
def test_a_tier_ends_at_its_edge_and_prices_the_whole_call(edge: int, beside: int) -> None:
    sheet = Sheet(tiers=(Tier({"input_text": per_million("1")}, edge), Tier({"input_text": per_million("2")})))
    tokens = edge + beside
    cached = tokens // 2
    charge = rate.charge(Usage(input_text=tokens - cached, cached_read=cached), quoted(sheet))
    assert charge.amount == tokens * 1000 * (2 if tokens > edge else 1)


# ── the estimate ─────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def calls(draw: st.DrawFn) -> Call:
    inline = draw(st.integers(0, 5_000))
    return Call(
        model="m",
        stream=False,
        input_bytes=inline + draw(st.integers(0, 200_000)),
        max_output=draw(st.none() | st.integers(0, 50_000)),
        choices=draw(st.integers(1, 4)),
        references=References(
            images=draw(st.integers(0, 3)),
            audio=draw(st.integers(0, 2)),
            files=draw(st.integers(0, 2)),
            videos=draw(st.integers(0, 1)),
            inline_bytes=inline,
        ),
    )


maxima = st.builds(
    Maxima,
    context=st.none() | st.integers(1_000, 2_000_000),
    output=st.none() | st.integers(1, 100_000),
    image=st.none() | st.integers(0, 10_000),
    audio=st.integers(0, 10_000),
    file=st.integers(0, 10_000),
    video=st.integers(0, 10_000),
    overhead=st.integers(0, 500),
)


def part(data: st.DataObject, whole: int, pieces: int) -> list[int]:
    cuts = sorted(data.draw(st.lists(st.integers(0, whole), min_size=pieces - 1, max_size=pieces - 1)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, whole], strict=True)]


def possible_usage(data: st.DataObject, call: Call, limits: Maxima, output: int) -> Usage:
    """Any usage the call's bounds allow: text in any text bucket, parts in their own or in a text bucket."""
    room = {"text": call.input_bytes - call.references.inline_bytes + limits.overhead}
    image = IMAGE_TOKENS if limits.image is None else limits.image
    room["image"] = call.references.images * image
    room["audio"] = call.references.audio * (limits.audio or 0)
    room["video"] = call.references.videos * (limits.video or 0)
    room["file"] = call.references.files * (limits.file or 0)
    left = limits.context if limits.context is not None else sum(room.values())
    used = dict.fromkeys(BUCKETS, 0)
    text = ("input_text", "cached_read", "cache_write_5m", "cache_write_1h")
    for kind, most in room.items():
        tokens = data.draw(st.integers(0, min(most, left)))
        left -= tokens
        own = () if kind == "text" else ("input_image",) if kind == "file" else ("input_" + kind,)
        buckets = (*own, *text)
        for bucket, share in zip(buckets, part(data, tokens, len(buckets)), strict=True):
            used[bucket] += share
    made = data.draw(st.integers(0, output * call.choices))
    for bucket, share in zip(OUTPUT_BUCKETS, part(data, made, len(OUTPUT_BUCKETS)), strict=True):
        used[bucket] += share
    return filled(used)


@given(calls(), token_sheets(), maxima, factors, st.data())
def test_no_charge_exceeds_the_estimate(
    call: Call, sheet: Sheet, limits: Maxima, multiplier: Factor, data: st.DataObject
) -> None:
    quote = quoted(sheet, multiplier, limits)
    bound = estimate.bound(call, quote)
    usage = possible_usage(data, call, limits, bound.output)
    assert rate.charge(usage, quote).amount <= bound.amount


@given(calls(), token_sheets(), maxima, factors, st.integers(0, 10**12))
def test_the_clamp_is_the_largest_cap_that_fits(
    call: Call, sheet: Sheet, limits: Maxima, multiplier: Factor, affordable: int
) -> None:
    quote = quoted(sheet, multiplier, limits)
    wanted = estimate.bound(call, quote)
    cap = estimate.clamp(call, quote, affordable)
    if cap is None:
        assert estimate.cost(call, quote, 0) > affordable
        return
    assert estimate.cost(call, quote, cap) <= affordable
    assert cap == wanted.output or estimate.cost(call, quote, cap + 1) > affordable
    assert cap <= wanted.output
    assert estimate.clamp(call, quote, wanted.amount) == wanted.output


sizes = st.sampled_from([None, "1024x1024", "1792x1024"])
qualities = st.sampled_from([None, "standard", "hd"])
rows = st.tuples(
    st.builds(ImagePrice, prices, st.just("1024x1024"), st.just("hd")),
    st.builds(ImagePrice, prices, st.just("1024x1024")),
    st.builds(ImagePrice, prices),
)


@given(rows, sizes, qualities, st.integers(1, 10), st.integers(0, 600), prices, st.data())
def test_no_unit_charge_exceeds_the_estimate(
    table: tuple[ImagePrice, ...],
    size: str | None,
    quality: str | None,
    count: int,
    seconds: int,
    price: Attos,
    data: st.DataObject,
) -> None:
    sheet = Sheet(per_image=table, per_second=price, per_task=price, per_character=price, per_megapixel_step=price)
    asked = Demand(seconds=seconds, images=(ImageCount(size, quality, count),), tasks=1, megapixel_steps=seconds)
    call = Call("m", False, 100, demand=asked)
    made = ImageCount(size or data.draw(sizes), quality or data.draw(qualities), data.draw(st.integers(0, count)))
    used = data.draw(st.integers(0, seconds))
    usage = Usage(images=(made,), seconds=used, tasks=1, megapixel_steps=used)
    assert rate.charge(usage, quoted(sheet)).amount <= estimate.bound(call, quoted(sheet)).amount


@given(usages)
def test_what_has_no_price_is_never_free(usage: Usage) -> None:
    sheet = Sheet(per_second=Attos(1))
    if usage.total_tokens:
        with pytest.raises(Unpriced):
            rate.charge(usage, quoted(sheet))
    assert rate.charge(replace(usage, seconds=1), quoted(sheet)).lines
