"""From the journal into the books: once, in order, and whatever happens meanwhile."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from polyrelay.background import settler
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.service.bank import Bank, BankAway, Batch, Posted
from polyrelay.storage.books.memory_bank import MemoryBank
from polyrelay.storage.journaling.journal import Journal, JournalError
from support.stage import VirtualTime
from support.till import BOOK, CALL_NANOS, Till, holder, one_call, record

ANN = holder("acc_1")
WALLET = "wallet:acc_1"


class Desk(MemoryBank):
    """Does something while a batch is posted; and may lose the answer."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    silent = False

    async def post(self, worker: str, batch: Batch, *, close: bool = False) -> Posted:
        posted = await super().post(worker, batch, close=close)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        if self.silent:
            raise BankAway("no answer")
        return posted


async def opened(folder: Path, **more: Any) -> tuple[Till, Desk]:
    clock = VirtualTime()
    desk = Desk(clock)
    desk.topup("acc_1", 100 * CALL_NANOS)
    return await Till(folder, cast("Bank", desk), clock, BOOK, "wk_1", **more).open(), desk


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "journals").iterdir())


def test_a_batch_whose_answer_is_missing_is_posted_once(tmp_path: Path) -> None:
    async def run() -> None:
        till, desk = await opened(tmp_path)
        till.settle(await till.reserve(ANN, one_call()), Usage())
        desk.silent = True
        await till.teller.round()
        assert till.treasury.unposted == 1
        till.settle(await till.reserve(ANN, one_call()), Usage())
        assert not await till.settler.post(), "nothing overtakes it"
        desk.silent = False
        await till.teller.round()
        assert (till.treasury.unposted, desk.pots[WALLET].spent) == (0, 2 * CALL_NANOS)

    asyncio.run(run())


def test_a_backlog_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "BATCH_ROWS", 2)

    async def run() -> list[bool]:
        till, _ = await opened(tmp_path)
        for _ in range(3):
            till.settle(await till.reserve(ANN, one_call()), Usage())
        return [await till.settler.post() for _ in range(3)]

    assert asyncio.run(run()) == [True, False, False]


def test_what_the_books_have_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or who settled in a segment that was posted and removed before its sync would wait for ever, and all after it."""
    monkeypatch.setattr(settler, "SEGMENT_BYTES", 1)

    async def run() -> None:
        till, _ = await opened(tmp_path, unsynced=lambda: None)
        left: list[bool] = []
        for _ in range(2):
            hold = await till.reserve(ANN, one_call())
            till.treasury.settle(hold, record(hold, Usage(), Outcome.COMPLETE), lambda: left.append(True))
        assert left == []
        await till.rounds(3)
        assert left == [True, True]
        assert "wk_1.0000" not in files(tmp_path)

    asyncio.run(run())


def test_pages_turn_and_nothing_old_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "SEGMENT_BYTES", 1)

    async def run() -> None:
        till, desk = await opened(tmp_path)
        kept = await till.reserve(ANN, one_call())
        for _ in range(6):
            till.settle(await till.reserve(ANN, one_call()), Usage())
            await till.rounds(2)
        assert len(files(tmp_path)) <= 2
        assert len(till.settler._reader._payers) <= 2
        till.settle(kept, Usage())
        await till.close()
        assert files(tmp_path) == []
        assert (desk.pots[WALLET].spent, desk.pots[WALLET].escrowed) == (7 * CALL_NANOS, 0)

    asyncio.run(run())


def test_no_room_for_a_new_page_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "SEGMENT_BYTES", 1)

    async def run() -> None:
        till, desk = await opened(tmp_path)

        def full(worker: str, segment: int) -> Journal:
            raise JournalError("no space")

        till.journals.create = full  # type: ignore[method-assign]
        till.settle(await till.reserve(ANN, one_call()), Usage())
        await till.rounds(2)
        assert desk.pots[WALLET].spent == CALL_NANOS
        assert len(till.settler.segments) == 1

    asyncio.run(run())


def test_what_ends_while_the_worker_closes_is_charged(tmp_path: Path) -> None:
    async def run() -> None:
        till, desk = await opened(tmp_path)
        early, late = await till.reserve(ANN, one_call()), await till.reserve(ANN, one_call())
        till.settle(early, Usage())
        desk.meanwhile = lambda: till.settle(late, Usage())
        await till.close()
        assert desk.pots[WALLET].spent == 2 * CALL_NANOS
        assert files(tmp_path) == []

    asyncio.run(run())


def test_a_worker_with_open_exchanges_leaves_its_journal_to_be_adopted(tmp_path: Path) -> None:
    async def run() -> None:
        till, desk = await opened(tmp_path)
        await till.reserve(ANN, one_call())
        await till.close()
        assert files(tmp_path) == ["wk_1.0000"]
        heir = await Till(tmp_path, cast("Bank", desk), till.clock, BOOK, "wk_2").open()
        assert await heir.recovery.run() == 1
        assert files(tmp_path) == ["wk_2.0000"]
        (row,) = desk.exchanges.values()
        assert (row.amount, row.row.indeterminate) == (None, True)

    asyncio.run(run())


def test_an_end_that_could_not_be_written_is_made_up_for_at_the_close(tmp_path: Path) -> None:
    async def run() -> None:
        till, desk = await opened(tmp_path)
        hold = await till.reserve(ANN, one_call())
        journal = till.treasury._journal

        class Broken:
            def append(self, payload: bytes, *, room: int = 0, reserved: int = 0) -> int:
                raise JournalError("the disk is gone")

            def make_room(self, size: int) -> None:
                raise JournalError("the disk is gone")

        till.treasury._journal = Broken()
        till.void(hold)
        till.treasury._journal = journal
        assert (len(till.treasury), till.treasury.unposted) == (0, 0)
        await till.close()
        (row,) = desk.exchanges.values()
        assert (row.row.id, row.amount, row.row.indeterminate) == (hold.exchange, None, True)
        assert files(tmp_path) == []

    asyncio.run(run())
