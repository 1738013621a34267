"""The money an operator moves, in SQLite and in PostgreSQL."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polyrelay.ledger.transfer import KeyReused, NotCharged, TooMuch, TransferRefused, UnknownPayer
from polyrelay.service.bank import Batch
from polyrelay.storage.books import transfers
from polyrelay.storage.books.transfers import Balance, Moved, Note, Promise
from polyrelay.storage.sql.database import Tx
from support.books import NOTE, WALLET, Snapshot, SqlBooks, enrolment, opened, row, want

Scenario = Callable[[SqlBooks], Awaitable[None]]
Play = Callable[[Scenario], Snapshot]
Work = Callable[[Tx], Coroutine[Any, Any, Moved]]

LATER = time.time() + 1e9
KEYED = Note("ann", "monthly", "key-1")


@pytest.fixture(params=["sqlite", "postgresql"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on empty books, and proves them afterwards."""

    async def run(scenario: Scenario) -> Snapshot:
        async with opened(request.param, tmp_path / "data") as books:
            assert isinstance(books, SqlBooks)
            await scenario(books)
            snapshot = await books.snapshot()
            snapshot.check()
            return snapshot

    return lambda scenario: asyncio.run(run(scenario))


async def charge(books: SqlBooks, amount: int) -> None:
    """Exchange `px_1` costs `amount`; another one cost nothing."""
    await books.bank.enrol(enrolment("w1"), 60)
    await books.bank.take("w1", [want(WALLET, amount)])
    await books.bank.post("w1", Batch(0, 0, 1, [row("px_1", amount), row("px_2", None)]), close=True)


async def balance(books: SqlBooks, account: str = "acc_1") -> Balance:
    return await books.database.read(lambda tx: transfers.balance(tx, account))


MOVES: dict[str, tuple[Work, Work]] = {
    "topup": (
        lambda tx: transfers.topup(tx, "acc_1", 5, KEYED),
        lambda tx: transfers.topup(tx, "acc_1", 6, KEYED),
    ),
    "promote": (
        lambda tx: transfers.promote(tx, "acc_1", 5, LATER, KEYED),
        lambda tx: transfers.promote(tx, "acc_1", 5, LATER + 1, KEYED),
    ),
    "take away": (
        lambda tx: transfers.adjust(tx, "acc_1", -5, KEYED),
        lambda tx: transfers.adjust(tx, "acc_1", 5, KEYED),
    ),
    "refund": (
        lambda tx: transfers.refund(tx, "px_1", 5, KEYED),
        lambda tx: transfers.topup(tx, "acc_1", 5, KEYED),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_one_key_moves_money_once(play: Play, name: str) -> None:
    same, other = MOVES[name]

    async def scenario(books: SqlBooks) -> None:
        await books.topup("acc_1", 15)
        await charge(books, 8)
        first, *again = await asyncio.gather(*[books.database.write(same) for _ in range(5)])
        assert again == [first] * 4
        assert (first.actor, first.reason, first.amount) == ("ann", "monthly", 5)
        with pytest.raises(KeyReused):
            await books.database.write(other)
        assert (await balance(books)).own in (2, 12)

    assert len(play(scenario).transfers) == 3


def test_what_a_refund_may_give_back_ends_at_the_charge(play: Play) -> None:
    async def scenario(books: SqlBooks) -> None:
        await books.topup("acc_1", 20)
        await charge(books, 8)
        write = books.database.write

        async def back(amount: int) -> bool:
            try:
                await write(lambda tx: transfers.refund(tx, "px_1", amount, NOTE))
            except TooMuch:
                return False
            return True

        assert not await back(9)
        assert sum(await asyncio.gather(*[back(3) for _ in range(4)])) == 2
        assert await back(2)
        assert not await back(1)
        for unknown in ("px_2", "px_9"):
            with pytest.raises(NotCharged):
                await write(partial(transfers.refund, exchange=unknown, amount=1, note=NOTE))
        assert await balance(books) == Balance("acc_1", 20, 0, 20, 0, [])

    play(scenario)


def test_only_what_is_available_can_be_taken_away(play: Play) -> None:
    async def scenario(books: SqlBooks) -> None:
        await books.topup("acc_1", 20)
        await books.promote("acc_1", 50, LATER)
        await books.overdraft("acc_1", 3)
        await books.bank.enrol(enrolment("w1"), 60)
        await books.bank.take("w1", [want(WALLET, 60)])
        for amount in (-14, -(2**70)):
            with pytest.raises(TransferRefused):
                await books.database.write(partial(transfers.adjust, account="acc_1", amount=amount, note=NOTE))
        await books.database.write(lambda tx: transfers.adjust(tx, "acc_1", -13, NOTE))
        assert (await balance(books)).available == 0
        await books.database.write(lambda tx: transfers.adjust(tx, "acc_1", 4, NOTE))
        assert (await balance(books)).available == 4

    play(scenario)


def test_a_balance_counts_an_ended_promotion_only_as_far_as_it_is_escrowed(play: Play) -> None:
    async def scenario(books: SqlBooks) -> None:
        await books.topup("acc_1", 20)
        pot = await books.promote("acc_1", 50, LATER)
        await books.bank.enrol(enrolment("w1"), 60)
        await books.bank.take("w1", [want(WALLET, 10)])
        assert await balance(books) == Balance("acc_1", 60, 10, 70, 0, [Promise(pot, 50, LATER)])
        await books.lapse(pot)
        assert await balance(books) == Balance("acc_1", 20, 10, 30, 0, [Promise(pot, 10, 1.0)])
        assert await balance(books, "acc_2") == Balance("acc_2", 0, 0, 0, 0, [])

    play(scenario)


@pytest.mark.parametrize(
    ("move", "error"),
    [
        (lambda tx: transfers.topup(tx, "acc_9", 1, NOTE), UnknownPayer),
        (lambda tx: transfers.promote(tx, "acc_9", 1, LATER, NOTE), UnknownPayer),
        (lambda tx: transfers.set_overdraft(tx, "acc_9", 1), UnknownPayer),
        (lambda tx: transfers.topup(tx, "acc_1", 0, NOTE), TransferRefused),
        (lambda tx: transfers.topup(tx, "acc_1", -1, NOTE), TransferRefused),
        (lambda tx: transfers.topup(tx, "acc_1", 2**62, NOTE), TooMuch),
        (lambda tx: transfers.topup(tx, "acc_1", 2**70, NOTE), TransferRefused),
        (lambda tx: transfers.adjust(tx, "acc_1", 0, NOTE), TransferRefused),
        (lambda tx: transfers.promote(tx, "acc_1", 1, 1.0, NOTE), TransferRefused),
        (lambda tx: transfers.set_overdraft(tx, "acc_1", -1), TooMuch),
    ],
)
def test_a_refused_move_leaves_nothing(play: Play, move: Work, error: type[Exception]) -> None:
    async def scenario(books: SqlBooks) -> None:
        await books.topup("acc_1", 1)
        with pytest.raises(error):
            await books.database.write(move)

    assert len(play(scenario).transfers) == 1
