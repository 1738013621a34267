"""A worked example: what a call would cost by a tariff book, and what is held before it is made."""

from dataclasses import dataclass
from typing import Any

import msgspec

from polyrelay.exchange.call import Call, Demand
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import money
from polyrelay.metering import estimate, rate, write
from polyrelay.metering.book import TariffBook, Unpriced
from polyrelay.service.administration import times

MOST = 10**9
"""Of anything in an example: more tokens than any model takes."""

INPUT_TOKENS, OUTPUT_TOKENS = 1000, 500
"""Of an example of text."""

BYTES_PER_TOKEN = 4
"""Of an example's body: usual for English text. The hold counts bytes, because a token is at least one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The call of an example, which uses all it asks for, at `instant` (Unix seconds)."""

    model: str
    usage: Usage
    group: str
    instant: float


def used(units: Usage, input_tokens: int | None, output_tokens: int | None) -> Usage:
    """`units` with tokens of text: those named, else the usual ones where nothing but text is used."""
    text = units == Usage()
    usual_input, usual_output = (INPUT_TOKENS, OUTPUT_TOKENS) if text else (0, 0)
    return msgspec.structs.replace(
        units,
        input_text=usual_input if input_tokens is None else input_tokens,
        output_text=usual_output if output_tokens is None else output_tokens,
    )


def worked(book: TariffBook, asked: Asked) -> dict[str, Any]:
    """The charge of the call with its lines, and its holds. Raises `Unpriced`."""
    tariff = book.find(asked.model, asked.instant)
    if tariff is None:
        raise Unpriced(
            f"no tariff of model {asked.model!r} is in force then; see: polyrelay tariffs show {asked.model}"
        )
    quote = tariff.quote(asked.instant, book.multiplier(asked.group))
    usage = asked.usage
    size = usage.input_text * BYTES_PER_TOKEN
    demand = Demand(usage.seconds, usage.characters, usage.images, usage.tasks, usage.megapixel_steps)
    call = Call(asked.model, stream=False, input_bytes=size, demand=demand)
    capped = estimate.bound(msgspec.structs.replace(call, max_output=usage.output_text), quote)
    open_ended = estimate.bound(call, quote)
    return {
        "model": asked.model,
        "at": times.text(asked.instant),
        "group": asked.group,
        "source": tariff.source.name.lower(),
        **write.charge(rate.charge(usage, quote)),
        "hold": {
            "input_bytes": size,
            "overhead_tokens": quote.maxima.overhead,
            "amount": money.show(capped.amount),
            "max_output": capped.output,
            "amount_without_cap": money.show(open_ended.amount),
            "max_output_without_cap": open_ended.output,
        },
    }


def summary(document: dict[str, Any]) -> list[tuple[str, str]]:
    """How the lines become the charge: labels and values, in the order one works it out."""
    hold = document["hold"]
    return [
        ("at", document["at"]),
        ("tariff", f"{document['tariff']}, version {document['version']}"),
        ("source", document["source"]),
        ("window", document["window"] or "none"),
        ("multiplier", f"{document['multiplier']}, of group {document['group']}"),
        ("sum of the lines", document["exact"]),
        ("charged, rounded half to even", document["amount"]),
        (f"held, if it asks for at most {hold['max_output']} tokens", hold["amount"]),
        (f"held, if it names no limit ({hold['max_output_without_cap']} tokens)", hold["amount_without_cap"]),
        (
            "the hold's prompt",
            f"{hold['input_bytes']} bytes, each counted as a token, and {hold['overhead_tokens']} tokens more",
        ),
    ]
