"""Promotions are spent in the order of their expiry over all workers, in memory, in SQLite and in PostgreSQL."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from polyrelay.service.bank import Bank, Batch, Posted
from support.books import KINDS, WALLET, Books, enrolment, opened, row, want

Play = Callable[[Callable[[Books], Awaitable[None]]], None]

LATER = time.time() + 1e9


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on empty books with live worker `w1`, and proves them afterwards."""

    async def run(scenario: Callable[[Books], Awaitable[None]]) -> None:
        async with opened(request.param, tmp_path / "data") as books:
            await books.bank.enrol(enrolment("w1"), 60)
            await scenario(books)
            (await books.snapshot()).check()

    return lambda scenario: asyncio.run(run(scenario))


async def take(bank: Bank, worker: str, amount: int) -> int:
    return (await bank.take(worker, [want(WALLET, amount)]))[0].amount


def test_what_expires_first_is_used_up_before_the_next_is_touched_whoever_holds_it(play: Play) -> None:
    charges = [("w2", 3), ("w1", 2), ("w2", 3), ("w2", 4), ("w1", 1), ("w2", 6), ("w1", 3), ("w2", 4)]

    async def scenario(books: Books) -> None:
        bank = books.bank
        pots = [await books.promote("acc_1", 10, LATER), await books.promote("acc_1", 10, LATER + 1), WALLET.id]
        await books.topup("acc_1", 10)
        await bank.enrol(enrolment("w2"), 60)
        assert [await take(bank, worker, amount) for worker, amount in (("w1", 10), ("w2", 20))] == [10, 20]
        await bank.give_back("w1", [(WALLET.id, 4)])
        left, ends, total = {"w1": 6, "w2": 20}, {"w1": 0, "w2": 0}, 0
        for number, (worker, amount) in enumerate(charges):
            batch = Batch(0, ends[worker], ends[worker] + 1, [row(f"px_{number}", amount)])
            assert await bank.post(worker, batch) == Posted(0, batch.end)
            ends[worker], total = batch.end, total + amount
            left[worker] -= amount
            snapshot = await books.snapshot()
            snapshot.check()
            first, second = min(10, total), min(10, max(0, total - 10))
            assert [snapshot.pots[pot].spent for pot in pots] == [first, second, total - first - second]
            assert {worker: (await bank.slices(worker)).get(WALLET.id, 0) for worker in left} == left
        await bank.post("w1", Batch(0, ends["w1"], ends["w1"], []), close=True)

    play(scenario)


def test_workers_at_once_spend_in_the_order_of_expiry(play: Play) -> None:
    async def worker(books: Books, name: str) -> None:
        for number in range(6):
            if await take(books.bank, name, 7):
                await books.bank.post(name, Batch(0, number, number + 1, [row(f"{name}_{number}", 5)]))
            else:
                await books.bank.post(name, Batch(0, number, number + 1, []))
        await books.bank.post(name, Batch(0, 6, 6, []), close=True)

    async def scenario(books: Books) -> None:
        pots = [await books.promote("acc_1", 40, LATER), await books.promote("acc_1", 40, LATER + 1), WALLET.id]
        await books.topup("acc_1", 200)
        names = ["w1", "w2", "w3", "w4"]
        for name in names[1:]:
            await books.bank.enrol(enrolment(name), 60)
        await asyncio.gather(*[worker(books, name) for name in names])
        snapshot = await books.snapshot()
        assert [(snapshot.pots[pot].spent, snapshot.pots[pot].escrowed) for pot in pots] == [(40, 0), (40, 0), (40, 0)]

    play(scenario)
