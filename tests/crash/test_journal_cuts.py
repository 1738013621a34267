"""A journal that lost the end of its last record, wherever that was cut, and several who want to recover one."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.service.treasury import Reserved
from polyrelay.storage.books.memory_bank import MemoryBank
from polyrelay.storage.journaling import journal
from polyrelay.storage.sql.database import open_sqlite
from support import till
from support.books import HandClock, MemoryBooks, SqlBooks
from support.stage import VirtualTime
from support.till import BOOK, TOKEN_NANOS, Till

CREDIT = 10**10
HOLDER = till.holder("acc_1")
USED = Usage(input_text=10, output_text=20)
LAST: dict[str, Callable[[Till, Reserved], object]] = {
    "sent": lambda worker, hold: worker.treasury.sent(hold, "main"),
    "settled": lambda worker, hold: worker.settle(hold, USED),
    "voided": lambda worker, hold: worker.void(hold),
}


async def write_journal(folder: Path, bank: MemoryBank, last: str) -> None:
    """A settled exchange, and another one whose record `last` is the journal's end; nothing is posted."""
    worker = await Till(folder, bank, VirtualTime(), BOOK, "wk_1").open()
    worker.settle(await worker.reserve(HOLDER, till.chat(100)), USED)
    hold = await worker.reserve(HOLDER, till.chat(100))
    if last in LAST:
        if last != "sent":
            worker.treasury.sent(hold, "main")
        LAST[last](worker, hold)
    worker.crash()


@pytest.mark.parametrize("last", ["held", *LAST])
def test_a_cut_anywhere_in_the_last_record_loses_that_record_at_most(last: str, tmp_path: Path) -> None:
    asyncio.run(cut_everywhere(last, tmp_path))


async def cut_everywhere(last: str, folder: Path) -> None:
    bank = MemoryBank(HandClock())
    bank.topup("acc_1", CREDIT)
    await write_journal(folder, bank, last)
    (file,) = (folder / "journals").iterdir()
    whole = file.read_bytes()
    ends = [end for end, _ in journal.read_from(file)]
    outcomes = {}
    for at in range(ends[-2], ends[-1] + 1):
        for zeros in (0, len(whole) - at):
            books = MemoryBooks(deepcopy(bank))
            file.write_bytes(whole[:at] + bytes(zeros))
            assert await Till(folder, books.bank, VirtualTime(), BOOK, "wk_2").recovery.run() == 1
            snapshot = await books.snapshot()
            snapshot.check()
            assert not snapshot.slices
            assert snapshot.exchanges["px_wk_1_1"] == (USED.total_tokens * TOKEN_NANOS, 0)
            outcomes[at, zeros] = snapshot.exchanges.get("px_wk_1_2")
    complete = {outcomes.pop((ends[-1], zeros)) for zeros in (0, len(whole) - ends[-1])}
    assert len(complete) == 1
    assert len(set(outcomes.values())) == 1, "a part of a record counts as none of it"
    assert complete.isdisjoint(outcomes.values())


# ── several recoverers ───────────────────────────────────────────────────────────────────────────────────────────

ESTATES = 12
RECOVERERS = 3


def test_of_several_recoverers_exactly_one_posts_each_journal(tmp_path: Path) -> None:
    asyncio.run(leave_behind(tmp_path))
    processes = [start_recoverer(tmp_path) for _ in range(RECOVERERS)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0] * RECOVERERS, outputs
    assert sum(int(said) for said, _ in outputs) == ESTATES
    asyncio.run(check_recovered(tmp_path))


async def leave_behind(folder: Path) -> None:
    """Journals of dead workers, each with a settled exchange and one that has no end."""
    database = await open_sqlite(folder)
    books = SqlBooks(database)
    await books.run("INSERT INTO accounts (id, name, created_at) VALUES ('acc_1', 'test', 0.0)")
    await books.topup("acc_1", CREDIT)
    for number in range(ESTATES):
        worker = await Till(folder, books.bank, VirtualTime(), BOOK, f"wk_{number:x}").open()
        worker.settle(await worker.reserve(HOLDER, till.chat(100)), USED)
        worker.treasury.sent(await worker.reserve(HOLDER, till.chat(100)), "main")
        worker.crash()
    await database.close()


def start_recoverer(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("recoverer.py")), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def check_recovered(folder: Path) -> None:
    database = await open_sqlite(folder)
    snapshot = await SqlBooks(database).snapshot()
    await database.close()
    snapshot.check()
    assert not snapshot.slices
    assert len(snapshot.exchanges) == 2 * ESTATES
    assert all(amount for amount, _ in snapshot.exchanges.values())
    assert list((folder / "journals").iterdir()) == []
