"""Rounds of one worker and its bank, when answers are late, lost, refused, or come while customers come and go."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from polyrelay.background import teller
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.service import waiting
from polyrelay.service.bank import Bank, BankAway, LeaseLost
from polyrelay.service.ports import Hold, Wait
from polyrelay.service.purses import IDLE_SECONDS
from polyrelay.service.treasury import Reserved
from polyrelay.storage.books.memory_bank import MemoryBank
from support.stage import VirtualTime
from support.till import BOOK, CALL_NANOS, LEASE, TOKEN_NANOS, DoorBell, Outcomes, Till, chat, holder, one_call

ANN = holder("acc_1")
BOB = holder("acc_2")
WALLET = "wallet:acc_1"
STRICT = holder("acc_1", "key_strict", hold_policy="strict")


@dataclass
class Line:
    """A bank at the other end of a line: `before` and `after` are what happens to the call of that name."""

    bank: MemoryBank
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hangs: asyncio.Event | None = None

    def __getattr__(self, name: str) -> Any:
        async def call(*values: Any, **named: Any) -> Any:
            self.asked.append(name)
            if self.hangs is not None:
                await self.hangs.wait()
            self.before.get(name, lambda: None)()
            result = await getattr(self.bank, name)(*values, **named)
            self.after.get(name, lambda: None)()
            return result

        return call


def away() -> None:
    raise BankAway("no answer")


@dataclass
class Shop:
    folder: Path
    money: int = 100 * CALL_NANOS
    clock: VirtualTime = field(default_factory=VirtualTime)
    bell: DoorBell = field(default_factory=DoorBell)

    def __post_init__(self) -> None:
        self.line = Line(MemoryBank(self.clock))
        self.line.bank.topup("acc_1", self.money)
        self.line.bank.topup("acc_2", self.money)

    async def worker(self, number: int = 1) -> Till:
        bank = cast("Bank", self.line)
        return await Till(self.folder, bank, self.clock, BOOK, f"wk_{number}", self.bell).open()

    def slice(self, number: int = 1, meter: str = WALLET) -> int:
        return self.line.bank.slices_of.get(f"wk_{number}", {}).get(meter, 0)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_one_that_comes_while_the_bank_is_asked_for_another_is_not_judged_by_what_nobody_asked(shop: Shop) -> None:
    async def run() -> None:
        till = await shop.worker()
        late: list[tuple[Hold | Wait, Outcomes]] = []

        def come() -> None:
            if not late:
                late.append(till.ask(BOB, one_call()))

        shop.line.after["take"] = come
        await till.reserve(ANN, one_call())
        ((_, told),) = late
        assert not told
        await till.teller.round()
        assert isinstance(told[0], Reserved)

    asyncio.run(run())


def test_one_that_goes_away_while_another_is_funded_is_told_nothing(shop: Shop) -> None:
    waits: list[Hold | Wait] = []

    class Jealous(Outcomes):
        def funded(self, hold: Hold) -> None:
            super().funded(hold)
            cast("Wait", waits[0]).cancel()

    async def run() -> None:
        till = await shop.worker()
        till.treasury.reserve(till.order(ANN, one_call()), Jealous())
        other, told = till.ask(ANN, one_call())
        waits.append(other)
        await till.teller.round()
        assert (len(till.treasury), told) == (1, [])

    asyncio.run(run())


def test_money_that_was_given_back_without_an_answer_is_not_forgotten_with_its_purse(shop: Shop) -> None:
    async def run() -> None:
        till = await shop.worker()
        till.void(await till.reserve(ANN, one_call()))
        await till.teller.round()
        shop.clock.pass_(IDLE_SECONDS + 1)
        shop.line.before["give_back"] = away
        await till.teller.round()
        assert till.purses.get(WALLET) is None
        assert shop.slice() > 0
        shop.line.before.clear()
        await till.teller.round()
        assert shop.slice() == 0

    asyncio.run(run())


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("call", ["take", "give_back", "post", "renew", "recalled"])
def test_an_answer_that_goes_missing_costs_nobody_anything(shop: Shop, call: str, side: str) -> None:
    async def run() -> None:
        till = await shop.worker()
        kept = await till.reserve(ANN, one_call())
        till.settle(await till.reserve(ANN, one_call()), Usage())
        till.purse(WALLET).tight = True
        shop.clock.pass_(LEASE / 3 + 0.001)
        _, told = till.ask(STRICT, chat(0, shop.money // TOKEN_NANOS // 2))
        getattr(shop.line, side)[call] = away
        await till.teller.round()
        getattr(shop.line, side).clear()
        await till.rounds(3)
        assert isinstance(told[0], Reserved)
        assert till.treasury.unposted == 0
        purse = till.purse(WALLET)
        assert purse.own == shop.slice()
        assert purse.held == kept.amount + told[0].amount
        assert shop.line.bank.pots[WALLET].spent == CALL_NANOS

    asyncio.run(run())


def test_while_the_bank_is_away_escrow_serves_and_a_large_wish_blocks_nobody(shop: Shop) -> None:
    async def run() -> None:
        till = await shop.worker()
        till.void(await till.reserve(ANN, chat(0, 1000)))
        free = till.purse(WALLET).free
        for name in ("renew", "take", "slices", "recalled"):
            shop.line.before[name] = away
        _, large = till.ask(STRICT, chat(0, free // TOKEN_NANOS + 1))
        _, small = till.ask(ANN, chat(0, 100))
        await till.teller.round()
        assert isinstance(small[0], Reserved)
        assert not large
        shop.clock.pass_(waiting.AWAY_SECONDS + 0.001)
        await till.teller.round()
        assert isinstance(large[0], errors.BooksAway)
        assert isinstance(await till.reserve(ANN, chat(0, 100), rounds=0), Reserved)

    asyncio.run(run())


def test_past_the_lease_nobody_is_served_and_nobody_waits_for_ever(shop: Shop) -> None:
    async def run() -> None:
        till = await shop.worker()
        ends = await till.reserve(ANN, one_call())
        _, told = till.ask(STRICT, chat(0, till.purse(WALLET).free // TOKEN_NANOS + 1))

        def lost() -> None:
            raise LeaseLost("closed")

        shop.line.before["renew"] = lost
        shop.clock.pass_(LEASE)
        till.void(ends)
        await till.teller.round()
        assert isinstance(told[0], errors.BooksAway)
        with pytest.raises(errors.BooksAway):
            till.ask(ANN, one_call())
        shop.line.before.clear()
        await till.teller.round()
        await till.reserve(ANN, one_call())

    asyncio.run(run())


def test_a_batch_that_the_books_refuse_stops_nothing_else(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        till = await shop.worker()

        def refuse() -> None:
            raise RuntimeError("no such column")

        till.settle(await till.reserve(ANN, one_call()), Usage())
        shop.line.before["post"] = refuse
        for _ in range(3):
            shop.clock.pass_(LEASE / 2)
            await till.teller.round()
            assert isinstance(await till.reserve(BOB, chat(0, 1)), Reserved)
        assert len([each for each in caplog.records if "no such column" in str(each.exc_info)]) == 1
        shop.line.before.clear()
        await till.teller.round()
        assert till.treasury.unposted == 0
        assert shop.line.bank.pots[WALLET].spent == CALL_NANOS

    asyncio.run(run())


def test_a_sibling_gives_back_what_lies_idle_before_anybody_is_shortened_or_refused(shop: Shop) -> None:
    async def run() -> None:
        one, two = await shop.worker(1), await shop.worker(2)
        whole = shop.money // TOKEN_NANOS
        one.void(await one.reserve(STRICT, chat(0, whole - 300)))
        _, told = two.ask(ANN, chat(0, whole + 1))
        for _ in range(10):
            await two.teller.round()
            await one.teller.round()
            shop.clock.pass_(teller.TICK_SECONDS)
        hold = told[0]
        assert isinstance(hold, Reserved)
        assert (hold.cap, hold.amount) == (whole, shop.money)

    asyncio.run(run())


def test_waiting_for_a_bank_that_hangs_ends_as_for_one_that_is_away(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AWAY_SECONDS", 0.05)

    async def run() -> None:
        till = await shop.worker()
        shop.clock.monotonic = time.monotonic  # type: ignore[method-assign]
        till.treasury.lease_until = time.monotonic() + 60
        shop.line.hangs = asyncio.Event()
        running = asyncio.create_task(till.teller.run())
        _, told = till.ask(ANN, one_call())
        async with asyncio.timeout(5):
            while not told:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.01)
        assert isinstance(told[0], errors.BooksAway)
        shop.line.hangs.set()
        till.teller.stop()
        await running

    asyncio.run(run())


def test_a_worker_at_rest_hears_the_bell(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "QUIET_SECONDS", 60.0)

    async def run() -> None:
        shop.clock.monotonic = time.monotonic  # type: ignore[method-assign]
        till = await shop.worker()
        till.void(await till.reserve(ANN, one_call(), rounds=1))
        await till.teller.round()
        running = asyncio.create_task(till.teller.run())
        await asyncio.sleep(0.1)
        await shop.line.bank.recall([WALLET])
        shop.bell.ring()
        async with asyncio.timeout(5):
            while shop.slice():  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.01)
        till.teller.stop()
        await running

    asyncio.run(run())


def test_a_worker_that_cannot_enrol_leaves_no_journal(shop: Shop) -> None:
    shop.line.before["enrol"] = away
    with pytest.raises(BankAway):
        asyncio.run(shop.worker())
    assert list((shop.folder / "journals").iterdir()) == []
