"""The audit over whole books: clean after honest work, and each kind of corruption named."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import ids
from polyrelay.ledger import entries
from polyrelay.ledger.audit import Findings, Offence, Transcribed
from polyrelay.ledger.entries import Facts, Held, Payer, Voided
from polyrelay.service.bank import Batch, Row
from polyrelay.storage.books import transfers
from polyrelay.storage.journaling.frames import pack
from polyrelay.storage.journaling.journals import FOLDER
from polyrelay.storage.reports import audit, onlooker, retention
from support.books import HOUR, NOTE, WALLET, SqlBooks, budget, enrolment, opened, row, want

Play = Callable[..., Findings]
AT = 1_800_000_000.0
BUDGET = budget(1_000)
WORKER = "wk_01"


def px(number: int, at: float = AT) -> str:
    return ids.exchange_id(int(at * 1000), number.to_bytes(8, "big"))


def charged(number: int, amount: int, short: int = 0, *, at: float = AT, **more: Any) -> Row:
    """An exchange of so many tokens at a nano each."""
    due = amount + short
    price = "0.000000001"
    lines = [{"bucket": "input_text", "quantity": due, "unit_price": price, "amount": f"{due / 10**9:.9f}"}]
    more = {"on": (WALLET, BUDGET), "held": due, "cost": due // 2, "input_tokens": due, **more}
    return row(px(number, at), amount, short, at=at, multiplier="1", lines=json.dumps(lines), **more)


async def _honest_work(books: SqlBooks) -> None:
    """Two accounts, a budget, a promotion, refunds, a write-off, a void, a live slice and a closed worker."""
    await books.topup("acc_1", 500)
    await books.promote("acc_1", 100, 4e9)
    await books.topup("acc_2", 10)
    for worker in (WORKER, "wk_02"):
        await books.bank.enrol(enrolment(worker), 60)
    await books.bank.take(WORKER, [want(WALLET, 300), want(BUDGET, 300)])
    other = row(px(9), None, status=502, account_id="acc_2", key_id="key_2")
    rows = [charged(1, 100), charged(2, 30, 7), other, charged(4, 0, 5_000)]
    await books.bank.post(WORKER, Batch(0, 0, 1000, rows))
    await books.bank.post(WORKER, Batch(0, 1000, 2000, [charged(5, 20, at=AT + 2 * HOUR)]))
    await books.bank.post("wk_02", Batch(0, 0, 10, []), close=True)
    await books.database.write(lambda tx: transfers.refund(tx, px(1), 40, NOTE))
    await books.database.write(lambda tx: transfers.adjust(tx, "acc_2", -3, NOTE))


async def _audited(books: SqlBooks, journals: audit.Journals) -> Findings:
    return await books.database.read(lambda tx: audit.prove(tx, journals))


def no_journals() -> tuple[Sequence[Transcribed], Sequence[Offence]]:
    return (), ()


@pytest.fixture(params=["sqlite", "postgresql"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """The audit of honest books after `scenario` and the SQL of a vandal."""

    async def run(scenario: Callable[[SqlBooks], Awaitable[None]] | None, *statements: str) -> Findings:
        async with opened(request.param, tmp_path / "data") as books:
            assert isinstance(books, SqlBooks)
            await books.run("DELETE FROM meta WHERE name = $1", retention.HORIZON)
            await _honest_work(books)
            if scenario is not None:
                await scenario(books)
            for statement in statements:
                await books.run(statement)
            return await _audited(books, lambda: onlooker.read(tmp_path))

    return lambda *statements, after=None: asyncio.run(run(after, *statements))


def test_honest_books_are_clean(play: Play) -> None:
    found = play()
    assert (found.offences, found.clean) == ([], True)
    assert (found.checked["exchanges"], found.checked["journals"]) == (5, 0)
    assert min(found.checked["transfers"], found.checked["pots"], found.checked["rollups"], found.checked["days"]) > 0
    assert sum(book.debits for book in found.books) == sum(book.credits for book in found.books) > 0


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("UPDATE pots SET granted = granted - 1 WHERE id = 'wallet:acc_1'", {"pot"}),
        ("UPDATE pots SET spent = spent - 1 WHERE kind = 'budget'", {"pot"}),
        ("UPDATE pots SET granted = granted + 1 WHERE kind = 'budget'", {"limit"}),
        ("UPDATE slices SET amount = amount - 1 WHERE pot_id = 'wallet:acc_1'", {"escrow"}),
        ("UPDATE workers SET state = 'closed' WHERE id = 'wk_01'", {"escrow"}),
        ("UPDATE transfers SET amount = amount + 1 WHERE kind = 'topup'", {"pot"}),
        ("UPDATE transfers SET amount = amount + 1 WHERE kind = 'charge' AND credit = 'budgets'", {"pot"}),
        ("UPDATE transfers SET amount = amount + 1 WHERE kind = 'cost'", {"batch"}),
        ("UPDATE transfers SET amount = amount + 1 WHERE kind = 'write_off'", {"batch", "account"}),
        ("UPDATE transfers SET account_id = 'acc_2' WHERE kind = 'topup'", {"chart"}),
        (
            "UPDATE transfers SET credit = 'cash2' WHERE kind = 'charge' AND credit = 'budgets'",
            {"chart", "batch", "account"},
        ),
        ("DELETE FROM transfers WHERE kind = 'adjustment'", {"pot"}),
        ("UPDATE transfers SET amount = 131 WHERE kind = 'refund'", {"pot", "refund"}),
        ("UPDATE exchanges SET amount = amount + 1 WHERE amount = 100", {"charge", "batch", "rollup"}),
        ("UPDATE exchanges SET write_off = write_off + 1 WHERE amount = 100", {"charge", "batch", "rollup"}),
        ("UPDATE exchanges SET lines = '[]' WHERE amount = 100", {"charge"}),
        ("UPDATE exchanges SET multiplier = '2' WHERE amount = 100", {"charge"}),
        ("UPDATE exchanges SET amount = 0 WHERE amount IS NULL", set()),
        ("UPDATE exchanges SET batch = 'other' WHERE amount = 20", {"batch"}),
        ("UPDATE exchanges SET account_id = 'acc_2' WHERE amount = 20", {"batch", "rollup"}),
        ("DELETE FROM exchanges WHERE amount = 20", {"batch", "rollup"}),
        ("UPDATE rollups SET requests = requests + 1", {"rollup"}),
        ("UPDATE rollups SET seconds = seconds + 1", {"rollup"}),
        ("UPDATE rollups SET amount = amount + 1 WHERE amount = 20", {"rollup", "account"}),
        ("UPDATE rollups SET model = 'other' WHERE amount = 20", {"rollup"}),
        ("DELETE FROM rollups", {"rollup", "account"}),
        ("UPDATE days SET requests = requests + 1", {"rollup"}),
        ("UPDATE days SET day = day + 1", {"rollup"}),
        ("DELETE FROM days", {"rollup"}),
    ],
)
def test_corruption_is_named(play: Play, statement: str, rules: set[str]) -> None:
    assert {offence.rule for offence in play(statement).offences} == rules


def test_a_meter_past_its_limit_is_named(tmp_path: Path) -> None:
    """What the schema forbids is proved all the same; PostgreSQL lets nobody in at all."""

    async def run() -> Findings:
        async with opened("sqlite", tmp_path / "data") as books:
            assert isinstance(books, SqlBooks)
            await _honest_work(books)
            await books.run("PRAGMA ignore_check_constraints = ON")
            await books.run("UPDATE pots SET ceiling = spent + escrowed - 1 WHERE id = 'wallet:acc_1'")
            await books.run("UPDATE transfers SET amount = -amount WHERE kind = 'topup' AND account_id = 'acc_2'")
            return await _audited(books, no_journals)

    found = asyncio.run(run())
    assert {offence.rule for offence in found.offences} == {"limit", "chart", "pot"}
    assert {offence.subject for offence in found.offences if offence.rule == "limit"} == {"wallet:acc_1"}


# ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────


async def _pruned(books: SqlBooks) -> None:
    before = AT + 1.5 * HOUR
    assert await books.database.write(lambda tx: retention.prune(tx, before, rows=3)) == 3
    assert await books.database.write(lambda tx: retention.prune(tx, before)) == 1
    assert await books.database.write(lambda tx: retention.prune(tx, before)) == 0
    assert await books.database.write(lambda tx: retention.prune(tx, 0.0)) == 0


def test_books_stay_provable_when_exchanges_are_deleted(play: Play) -> None:
    """They were posted now, long before the horizon in the tests' year 2027: sums by account and hour remain."""
    found = play(after=_pruned)
    assert found.offences == []
    assert found.kept_since == AT + HOUR
    assert found.checked["exchanges"] == 1
    broken = play("UPDATE rollups SET amount = amount + 1 WHERE amount <> 20", after=_pruned)
    assert "account" in {offence.rule for offence in broken.offences}


def test_what_was_posted_late_is_kept_and_proved(play: Play) -> None:
    """A journal that lay on a machine that was down: old exchanges in a new batch."""

    async def late(books: SqlBooks) -> None:
        await books.run("UPDATE transfers SET at = $1 WHERE batch = 'wk_01:0:0'", AT + 2 * HOUR)
        assert await books.database.write(lambda tx: retention.prune(tx, AT + 1.5 * HOUR)) == 0

    found = play(after=late)
    assert (found.offences, found.kept_since, found.checked["exchanges"]) == ([], AT + HOUR, 5)
    broken = play("DELETE FROM exchanges WHERE amount = 100", after=late)
    assert {offence.rule for offence in broken.offences} == {"batch"}


# ── journals ─────────────────────────────────────────────────────────────────────────────────────────────────────

FACTS = Facts("openai_chat", "m", None, None, 200, Outcome.COMPLETE, 1, 0.1, None, None, None, None, None, None)


def write_journal(data: Path, *found: entries.Entry, damage: bool = False) -> list[int]:
    """A journal of `WORKER` with these entries; where each ends."""
    text, offsets = b"", []
    for entry in found:
        payload = entries.encode(entry)
        offsets.append(len(text) + len(pack(payload, 0)))
        text += pack(payload, offsets[-1])
    if damage:
        text = text[:20] + b"?" + text[21:]
    (data / FOLDER).mkdir(parents=True)
    (data / FOLDER / f"{WORKER}.0000").write_bytes(text)
    return offsets


def held(number: int) -> Held:
    return Held(px(number), AT, 1, 1, 5, 5, "openai_chat", "m")


def void(number: int) -> Voided:
    return Voided(px(number), AT, 1, FACTS)


PAYER = Payer(1, "acc_1", None, "key_1", "default", (WALLET.id,))


def test_what_a_journal_has_beyond_the_books_is_no_offence(play: Play, tmp_path: Path) -> None:
    *_, end, _, _ = write_journal(tmp_path, PAYER, held(1), void(1), held(77), void(78))
    found = play(f"UPDATE workers SET position = {end} WHERE id = '{WORKER}'")
    assert found.offences == []
    (unposted,) = found.unposted
    assert (unposted.worker, unposted.exchanges, unposted.in_flight) == (WORKER, 1, 1)


@pytest.mark.parametrize(
    ("written", "position", "words"),
    [
        ((PAYER, void(1)), 0, "in the books before"),
        ((PAYER, void(77)), 9999, "lost"),
        ((PAYER, void(1), void(1)), 9999, "twice"),
        ((PAYER, void(77), void(77)), 0, "twice"),
    ],
)
def test_journals_against_the_books(
    play: Play, tmp_path: Path, written: tuple[entries.Entry, ...], position: int, words: str
) -> None:
    write_journal(tmp_path, *written)
    (offence,) = play(f"UPDATE workers SET position = {position} WHERE id = '{WORKER}'").offences
    assert (offence.rule, words in offence.detail) == ("settle", True)


def test_a_damaged_journal_is_named(play: Play, tmp_path: Path) -> None:
    write_journal(tmp_path, PAYER, void(1), void(2), damage=True)
    (offence,) = play().offences
    assert (offence.rule, offence.subject) == ("journal", WORKER)
