"""From entries to rows: whatever a journal says is in the books as it was said, and nothing is guessed."""

import json

import pytest

from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.ledger import entries
from polyrelay.ledger.entries import Entry, Facts, Held, Payer, Pinned, Sent, Settled, Voided
from polyrelay.metering import write
from polyrelay.metering.sheet import ONE
from polyrelay.service.bank import Row
from polyrelay.service.posting import CRASHED, BadJournal, Transcript
from support.till import tariff, transcript

NIGHT = [{"start": "22:00", "end": "23:00", "multiplier": "0.5", "name": "night"}]
TARIFF = tariff("m", {"input_text": "4", "output_text": "8"}, "v7", zone="Asia/Shanghai", windows=NIGHT)
DOCUMENT = json.dumps(write.tariff(TARIFF)).encode()
FACTS = Facts(
    "openai_chat", "m", "main", "openai", 200, Outcome.COMPLETE, 2, 1.5, 0.25, "stop", None, "label", "group", "source"
)
PAYER = Payer(1, "acc_1", "prj_1", "key_1", "vip", ("wallet:acc_1", "key:key_1:total"))
PINNED = Pinned(2, DOCUMENT, 2 * ONE, None)
HELD = Held("px_1", 100.0, 1, 2, 900_000, 41, "openai_chat", "m")
USAGE = Usage(input_text=10, output_text=5)


def read(*written: Entry) -> tuple[Transcript, list[Row]]:
    reader = transcript()
    rows = [reader.row(entries.decode(entries.encode(entry))) for entry in written]
    return reader, [row for row in rows if row is not None]


def settled(quote: int = 2, usage: Usage = USAGE, amount: int = 160_000) -> Settled:
    return Settled("px_1", 101.0, 1, quote, 900_000, amount, 7, usage, FACTS)


def test_a_settled_exchange_is_a_row_with_its_bill() -> None:
    reader, (row,) = read(PAYER, PINNED, HELD, settled())
    assert (row.id, row.at, row.account_id, row.project_id, row.key_id) == ("px_1", 101.0, "acc_1", "prj_1", "key_1")
    assert (row.meters, row.customer_group) == (PAYER.meters, "vip")
    assert (row.held, row.amount, row.short, row.indeterminate) == (900_000, 160_000, 7, False)
    assert (row.tariff, row.tariff_version, row.multiplier) == (TARIFF.id, "v7", "2")
    assert (row.input_tokens, row.output_tokens, row.billing_group, row.source) == (10, 5, "group", "source")
    assert row.lines is not None
    assert [line["bucket"] for line in json.loads(row.lines)] == ["input_text", "output_text"]
    assert list(reader.unresolved()) == []


def test_what_had_no_price_has_no_bill() -> None:
    _, (row,) = read(PAYER, PINNED, HELD, settled(usage=Usage(output_text=-1), amount=900_000))
    assert (row.amount, row.lines, row.cost) == (900_000, None, None)


def test_a_voided_exchange_is_a_row_without_a_charge() -> None:
    reader, (row,) = read(PAYER, PINNED, HELD, Sent("px_1", "main"), Voided("px_1", 101.0, 1, FACTS))
    assert (row.amount, row.held, row.tariff) == (None, 0, None)
    assert list(reader.unresolved()) == []


@pytest.mark.parametrize(("window", "amount"), [(None, 88_000), ("night", 44_000)])
def test_a_hold_that_bytes_were_sent_for_costs_its_prompt_s_estimate(window: str | None, amount: int) -> None:
    """41 bytes are 11 tokens, at 4 or half of it, and twice that for the group."""
    pinned = Pinned(2, DOCUMENT, 2 * ONE, window)
    reader, _ = read(PAYER, pinned, HELD, Sent("px_1", "main"))
    (row,) = reader.unresolved()
    assert (row.amount, row.held, row.indeterminate, row.estimated) == (amount, 900_000, True, True)
    assert (row.error, row.channel, row.at) == (CRASHED, "main", 100.0)


def test_an_estimate_never_passes_the_hold() -> None:
    small = Held("px_1", 100.0, 1, 2, 1, 41, "openai_chat", "m")
    reader, _ = read(PAYER, PINNED, small, Sent("px_1", None))
    assert [row.amount for row in reader.unresolved()] == [1]


def test_a_hold_without_any_bytes_is_free() -> None:
    reader, _ = read(PAYER, PINNED, HELD)
    (row,) = reader.unresolved()
    assert (row.amount, row.held, row.indeterminate, row.status) == (None, 900_000, True, 500)


def test_a_hold_that_is_stated_again_is_one_hold() -> None:
    again = Held("px_1", 100.0, 3, 4, 900_000, 41, "openai_chat", "m")
    payer = Payer(3, "acc_1", "prj_1", "key_1", "vip", PAYER.meters)
    reader, _ = read(PAYER, PINNED, HELD, Sent("px_1", "a"), payer, Pinned(4, DOCUMENT, ONE, None), again)
    (row,) = reader.unresolved()
    assert (row.amount, row.multiplier) == (44_000, "1")


@pytest.mark.parametrize("unstated", [(PAYER, settled()), (PINNED, settled()), (Voided("px_1", 1.0, 1, FACTS),)])
def test_a_journal_that_names_what_it_never_stated_is_not_guessed_over(unstated: tuple[Entry, ...]) -> None:
    with pytest.raises(BadJournal):
        read(*unstated)


@pytest.mark.parametrize("unstated", [(HELD,), (PAYER, HELD, Sent("px_1", None))])
def test_nor_are_its_open_holds(unstated: tuple[Entry, ...]) -> None:
    reader, _ = read(*unstated)
    with pytest.raises(BadJournal):
        list(reader.unresolved())
