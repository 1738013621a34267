"""What a dead worker left is in the books once, however it is found."""

import asyncio
import os
from pathlib import Path
from typing import cast

import pytest

from polyrelay.background import settler
from polyrelay.exchange.usage import Usage
from polyrelay.ledger import entries, meters
from polyrelay.service.bank import Bank, BankAway, Batch, Enrolment, Posted, Want
from polyrelay.storage.books.memory_bank import MemoryBank
from polyrelay.storage.journaling.journal import JournalFull
from support.stage import VirtualTime
from support.till import BOOK, CALL_NANOS, LEASE, MACHINE, TOKEN_NANOS, Till, chat, holder, one_call

ANN = holder("acc_1")
WALLET = "wallet:acc_1"


class Shop:
    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, VirtualTime()
        self.bank = MemoryBank(self.clock)
        self.bank.topup("acc_1", 100 * CALL_NANOS)

    async def worker(self, number: int) -> Till:
        return await Till(self.folder, cast("Bank", self.bank), self.clock, BOOK, f"wk_{number}").open()

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "journals").iterdir())

    @property
    def rows(self) -> dict[str, tuple[int | None, bool]]:
        return {name: (each.amount, each.row.indeterminate) for name, each in self.bank.exchanges.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_ends_are_posted_open_holds_resolved_and_the_slices_go_back(shop: Shop) -> None:
    async def run() -> None:
        dead = await shop.worker(1)
        posted, unposted = await dead.reserve(ANN, one_call()), await dead.reserve(ANN, one_call())
        sent, silent = await dead.reserve(ANN, chat(400, 10)), await dead.reserve(ANN, chat(400, 10))
        dead.settle(posted, Usage())
        await dead.teller.round()
        dead.settle(unposted, Usage())
        dead.treasury.sent(sent, "main")
        dead.crash()
        heir = await shop.worker(2)
        assert await heir.recovery.run() == 1
        assert await heir.recovery.run() == 0
        assert shop.rows == {
            posted.exchange: (CALL_NANOS, False),
            unposted.exchange: (CALL_NANOS, False),
            sent.exchange: (100 * TOKEN_NANOS, True),
            silent.exchange: (None, True),
        }
        assert shop.bank.pots[WALLET].escrowed == 0
        assert shop.files == ["wk_2.0000"]

    asyncio.run(run())


def test_two_who_look_at_once_find_it_once(shop: Shop) -> None:
    async def run() -> list[int]:
        dead = await shop.worker(1)
        dead.settle(await dead.reserve(ANN, one_call()), Usage())
        dead.crash()
        heirs = [await shop.worker(number) for number in (2, 3)]
        return await asyncio.gather(*[heir.recovery.run() for heir in heirs])

    assert sorted(asyncio.run(run())) == [0, 1]
    assert shop.bank.pots[WALLET].spent == CALL_NANOS


def test_a_journal_of_several_segments_is_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder dies between two segments, once with the old one posted and once not."""
    monkeypatch.setattr(settler, "SEGMENT_BYTES", 1)

    async def run() -> None:
        for number in (1, 3):
            dead = await shop.worker(number)
            kept = await dead.reserve(ANN, one_call())
            dead.treasury.sent(kept, None)
            dead.settle(await dead.reserve(ANN, one_call()), Usage())
            await dead.settler.turn_page()
            dead.settle(await dead.reserve(ANN, one_call()), Usage())
            for _ in range(number - 1):
                await dead.settler.post()
            dead.crash()
        assert [name[:4] for name in shop.files] == ["wk_1", "wk_1", "wk_3"]
        heir = await shop.worker(5)
        assert await heir.recovery.run() == 2
        assert len(shop.rows) == 6
        assert sum(flagged for _, flagged in shop.rows.values()) == 2
        assert shop.bank.pots[WALLET].spent == 6 * CALL_NANOS
        assert shop.bank.pots[WALLET].escrowed == 0

    asyncio.run(run())


def test_a_half_stated_segment_is_no_trouble(shop: Shop) -> None:
    async def run() -> None:
        dead = await shop.worker(1)
        holds = [await dead.reserve(ANN, one_call()) for _ in range(3)]
        following = dead.journals.create("wk_1", 1)
        following.append(entries.encode(entries.Payer(9, "acc_1", None, "key_acc_1", "default", (WALLET,))))
        following.close()
        dead.crash()
        heir = await shop.worker(2)
        assert await heir.recovery.run() == 1
        assert shop.rows == {hold.exchange: (None, True) for hold in holds}

    asyncio.run(run())


def test_a_journal_cut_anywhere_in_its_last_record_loses_that_record_alone(shop: Shop) -> None:
    async def run() -> None:
        number = 0
        length = None
        while length is None or number < length:
            number += 7
            dead = await shop.worker(number)
            first, last = await dead.reserve(ANN, one_call()), await dead.reserve(ANN, one_call())
            dead.settle(first, Usage())
            (segment,) = dead.settler.segments
            before = segment.size
            dead.settle(last, Usage())
            length = segment.size - before
            dead.crash()
            path = shop.folder / "journals" / f"wk_{number}.0000"
            os.truncate(path, before + min(number, length) - 1)
            heir = await shop.worker(number + 1000)
            assert await heir.recovery.run() == 1
            await heir.close()
            assert shop.rows[first.exchange] == (CALL_NANOS, False)
            assert shop.rows[last.exchange] == (None, True)
        assert shop.bank.pots[WALLET].escrowed == 0

    asyncio.run(run())


@pytest.mark.parametrize("trouble", ["damaged", "unstated", "refused"])
def test_a_journal_that_nobody_may_guess_over_keeps_its_slices_and_stops_no_other(shop: Shop, trouble: str) -> None:
    async def run() -> None:
        bad, good = await shop.worker(1), await shop.worker(2)
        for dead in (bad, good):
            dead.settle(await dead.reserve(ANN, one_call()), Usage())
        (segment,) = bad.settler.segments
        if trouble == "unstated":
            segment.append(entries.encode(entries.Held("px_x", 1.0, 77, 77, 5, 5, "openai_chat", "call")))
        if trouble == "damaged":
            path = shop.folder / "journals" / "wk_1.0000"
            content = bytearray(path.read_bytes())
            content[20] ^= 1
            path.write_bytes(content)
        if trouble == "refused":
            shop.bank.post = _refusing(shop.bank)  # type: ignore[method-assign]
        bad.crash()
        good.crash()
        heir = await shop.worker(3)
        assert [await heir.recovery.run() for _ in range(2)] == [1, 0]
        assert shop.files == ["wk_1.0000", "wk_3.0000"]
        assert list(shop.bank.slices_of) == ["wk_1"]
        assert shop.bank.pots[WALLET].spent == CALL_NANOS

    asyncio.run(run())


def _refusing(bank: MemoryBank):  # type: ignore[no-untyped-def]
    post = bank.post

    async def refuse(worker: str, batch: Batch, *, close: bool = False) -> Posted:
        if worker == "wk_1":
            raise JournalFull("stands for any refusal of ours")
        return await post(worker, batch, close=close)

    return refuse


def test_a_bank_that_answers_too_late_is_asked_again_and_posts_once(shop: Shop) -> None:
    async def run() -> None:
        dead = await shop.worker(1)
        dead.settle(await dead.reserve(ANN, one_call()), Usage())
        dead.crash()
        heir = await shop.worker(2)
        post = shop.bank.post

        async def silent(worker: str, batch: Batch, *, close: bool = False) -> Posted:
            await post(worker, batch, close=close)
            raise BankAway("no answer")

        shop.bank.post = silent  # type: ignore[method-assign]
        with pytest.raises(BankAway):
            await heir.recovery.run()
        shop.bank.post = post  # type: ignore[method-assign]
        assert await heir.recovery.run() == 0
        assert shop.bank.pots[WALLET].spent == CALL_NANOS
        assert shop.files == ["wk_2.0000"]

    asyncio.run(run())


def test_the_journal_of_the_living_is_nobody_s(shop: Shop) -> None:
    async def run() -> None:
        one, two = await shop.worker(1), await shop.worker(2)
        hold = await one.reserve(ANN, one_call())
        assert await two.recovery.run() == await one.recovery.run() == 0
        shop.clock.pass_(LEASE + 1)
        await two.teller.round()
        await two.recovery.run()
        assert [each.state for each in await shop.bank.orphans()] == ["suspense"]
        one.settle(hold, Usage())
        await one.rounds(2)
        assert await shop.bank.orphans() == []
        assert shop.rows == {hold.exchange: (CALL_NANOS, False)}

    asyncio.run(run())


def test_a_worker_that_gave_up_before_its_enrolment_is_closed(shop: Shop) -> None:
    """But not one with money, nor one of another machine or folder: their journals are not here to be seen."""

    async def run() -> None:
        heir = await shop.worker(1)
        for name, machine, journal in (
            ("wk_2", MACHINE, heir.journals.path("wk_2")),
            ("wk_3", MACHINE, heir.journals.path("wk_3")),
            ("wk_4", "there", heir.journals.path("wk_4")),
            ("wk_5", MACHINE, "/elsewhere/wk_5"),
        ):
            await shop.bank.enrol(Enrolment(name, machine, journal, 1), LEASE)
        await shop.bank.take("wk_3", [Want(meters.wallet("acc_1"), 5, 5)])
        shop.clock.pass_(LEASE + 1)
        await heir.teller.round()
        for _ in range(2):
            await heir.recovery.run()
        assert [each.worker for each in await shop.bank.orphans()] == ["wk_3", "wk_4", "wk_5"]
        assert {each.state for each in await shop.bank.orphans()} == {"suspense"}
        standing = await shop.bank.standing("wk_2")
        assert standing is not None
        assert standing.state == "closed"

    asyncio.run(run())
