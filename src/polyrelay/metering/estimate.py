"""What a call can cost at most, before it is made; and the largest output cap an amount can pay for.

The prompt's bound needs no tokenizer: a token stands for at least one byte of the UTF-8 body, so text has at most as
many tokens as bytes. (Half or a quarter would fit English prose, but a customer chooses the text, and what a hold does
not cover the operator may have to write off.) Base64 is not text: media parts count by the tariff's maximum per item.
No call has more input than the model's context window.
"""

import msgspec

from polyrelay.exchange.call import NO_DEMAND, NO_REFERENCES, Call
from polyrelay.exchange.sound import MOST_HEARD_TOKENS_A_SECOND
from polyrelay.exchange.usage import ImageCount
from polyrelay.kernel import money
from polyrelay.kernel.money import Nanos
from polyrelay.metering.book import Unpriced
from polyrelay.metering.rate import EXACT_DIGITS
from polyrelay.metering.sheet import ATTO_DIGITS, ONE, ImagePrice, Sheet, Tier
from polyrelay.metering.tariff import CONTEXT_TOKENS, IMAGE_TOKENS, MADE_IMAGE_TOKENS, OUTPUT_TOKENS, Maxima, Quote

_ROUNDING: int = 10 ** (EXACT_DIGITS - money.NANO_DIGITS)
_PLAIN_ROUNDING: int = 10 ** (ATTO_DIGITS - money.NANO_DIGITS)
"""The same at multiplier one."""
_AUTO = (None, "auto")


class Bound(msgspec.Struct, frozen=True, gc=False):
    """The most a call can cost, if every choice's output stays within `output` tokens."""

    amount: Nanos
    output: int


def bound(call: Call, quote: Quote) -> Bound:
    """The upper bound for `call`, its output capped as the client asked, else at the model's maximum.

    The bound holds if that cap is sent upstream. Raises `Unpriced` when something the call asks for has no price.
    """
    output = wanted_output(call, quote.maxima)
    tiers = quote.prices.sell.tiers
    if len(tiers) == 1 and call.references is NO_REFERENCES and call.demand is NO_DEMAND:
        return Bound(_plain_cost(call, quote, tiers[0], output), output)
    return Bound(cost(call, quote, output), output)


def clamp(call: Call, quote: Quote, affordable: int) -> int | None:
    """The largest output cap per choice, at most the one `bound` assumes, whose cost fits into `affordable` nanos.

    0 when only the prompt fits; None when not even that does. Raises `Unpriced` as `bound` does.
    """
    output = wanted_output(call, quote.maxima)
    room, choices = affordable * _ROUNDING, max(call.choices, 1)
    for fixed, each in _worst_cases(call, quote, output):
        left = room - fixed * quote.multiplier
        if left < 0:
            return None
        if price := each * quote.multiplier * choices:
            output = min(output, left // price)
    return output


def cost(call: Call, quote: Quote, output: int) -> Nanos:
    """The most `call` can cost with `output` tokens per choice, rounded up. Raises `Unpriced`."""
    tokens = output * max(call.choices, 1)
    attos = max([fixed + each * tokens for fixed, each in _worst_cases(call, quote, output)])
    return Nanos(-(-attos * quote.multiplier // _ROUNDING))


def _plain_cost(call: Call, quote: Quote, tier: Tier, output: int) -> Nanos:
    """`cost` for text alone under a single tier: nearly every call, in a third of the time."""
    maxima, worst = quote.maxima, tier.worst
    if worst.output is None:
        return cost(call, quote, output)
    tokens = call.input_bytes + maxima.overhead
    if maxima.context is not None and tokens > maxima.context:
        tokens = maxima.context
    if call.choices > 1:
        output *= call.choices
    attos = tokens * worst.text + output * worst.output + (quote.prices.sell.per_request or 0)
    if quote.multiplier == ONE:
        return Nanos(-(-attos // _PLAIN_ROUNDING))
    return Nanos(-(-attos * quote.multiplier // _ROUNDING))


def wanted_output(call: Call, maxima: Maxima) -> int:
    """The output cap per choice, or per image, that the call asks for or the model allows, in tokens."""
    if call.max_output is not None:
        return call.max_output if maxima.context is None else min(call.max_output, maxima.context)
    if call.demand.images:
        return maxima.output or MADE_IMAGE_TOKENS
    return maxima.output or maxima.context or OUTPUT_TOKENS


def _worst_cases(call: Call, quote: Quote, output: int) -> list[tuple[int, int]]:
    """For each tier the call can fall into: attos for all but output, attos per output token."""
    sheet = quote.prices.sell
    if sheet.free:
        return [(0, 0)]
    units = _units(call, sheet)
    if not sheet.tiers:
        return [(units, 0)]
    counts = _input_counts(call, quote.maxima)
    total, reached = sum(counts), 0
    if quote.maxima.context is not None:
        total = min(total, quote.maxima.context)
    cases: list[tuple[int, int]] = []
    for tier in sheet.tiers:
        if cases and reached >= total:
            break
        each = tier.worst.output
        if each is None and output and not _made_is_priced(call, sheet):
            raise Unpriced("output tokens have no rate")
        cases.append((units + _input_cost(counts, total, tier), each or 0))
        reached = total if tier.up_to is None else tier.up_to
    return cases


def _input_counts(call: Call, maxima: Maxima) -> tuple[int, int, int, int, int]:
    """Bounds of text, image, audio, file and video tokens."""
    parts = call.references
    if parts is NO_REFERENCES:
        return call.input_bytes + maxima.overhead, 0, 0, 0, 0
    window = maxima.context or CONTEXT_TOKENS
    return (
        max(call.input_bytes - parts.inline_bytes, 0) + maxima.overhead,
        parts.images * (IMAGE_TOKENS if maxima.image is None else maxima.image),
        parts.audio * (_audio_tokens(call, window) if maxima.audio is None else maxima.audio),
        parts.files * (window if maxima.file is None else maxima.file),
        parts.videos * (window if maxima.video is None else maxima.video),
    )


def _audio_tokens(call: Call, window: int) -> int:
    """Most tokens of one recording: a full window, or what its seconds come to where they are known."""
    seconds = call.demand.seconds
    return min(window, seconds * MOST_HEARD_TOKENS_A_SECOND) if seconds else window


def _input_cost(counts: tuple[int, int, int, int, int], total: int, tier: Tier) -> int:
    """Attos of the input: each kind at its dearest rate, or a full window at the dearest of them if that is less."""
    rates = tier.worst[:5]
    if not any(counts[1:]):
        return total * rates[0]
    by_kind = sum([count * rate for count, rate in zip(counts, rates, strict=True)])
    dearest = max([rate for count, rate in zip(counts, rates, strict=True) if count], default=0)
    return min(by_kind, total * dearest)


def _units(call: Call, sheet: Sheet) -> int:
    """Attos of the request itself and of what it asks for in other units than tokens."""
    attos, demand = sheet.per_request or 0, call.demand
    if demand is NO_DEMAND:
        return attos
    priced = sheet.per_request is not None or bool(sheet.tiers)
    asked = False
    for quantity, price in (
        (demand.seconds, sheet.per_second),
        (demand.characters, sheet.per_character),
        (demand.tasks, sheet.per_task),
        (demand.megapixel_steps, sheet.per_megapixel_step),
        (len(demand.images), 0 if sheet.per_image else None),
    ):
        asked = asked or quantity > 0
        if quantity and price is not None:
            priced = True
            attos += quantity * price
    if asked and not priced:
        raise Unpriced("what the call asks for is priced by another unit")
    return attos + _images(call, sheet)


def _made_is_priced(call: Call, sheet: Sheet) -> bool:
    """Whether what is made has a price in another unit than tokens: these are included then, as `rate.bill` does."""
    demand = call.demand
    return any(
        quantity and price is not None
        for quantity, price in (
            (demand.seconds, sheet.per_second),
            (demand.characters, sheet.per_character),
            (demand.tasks, sheet.per_task),
            (len(demand.images), sheet.per_image or None),
        )
    )


def _images(call: Call, sheet: Sheet) -> int:
    if not sheet.per_image:
        return 0
    attos = 0
    for image in call.demand.images:
        prices = _reachable(image, sheet.per_image)
        if not prices:
            raise Unpriced(f"images of size {image.size} and quality {image.quality} have no price")
        attos += image.count * max(prices)
    return attos


def _reachable(image: ImageCount, rows: tuple[ImagePrice, ...]) -> list[int]:
    """The prices that one such image may turn out to have: those of the rows up to one that is sure to match."""
    prices: list[int] = []
    for row in rows:
        asked = ((image.size, row.size), (image.quality, row.quality))
        if all(word in _AUTO or priced in (None, word) for word, priced in asked):
            prices.append(row.price)
            if all(priced is None or word not in _AUTO for word, priced in asked):
                break
    return prices
