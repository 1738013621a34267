"""How much of a credit several workers can hand out together: all of it, and never more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from polyrelay.access.principal import Budget, HoldPolicy, Principal
from polyrelay.background.teller import TICK_SECONDS
from polyrelay.exchange.call import Call
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.service.treasury import Reserved
from polyrelay.storage.journaling.journals import JournalFolder
from support.books import KINDS, Books, MemoryBooks, Snapshot, opened
from support.stage import VirtualTime
from support.till import BOOK, CALL_NANOS, TOKEN_NANOS, DoorBell, Outcomes, Till, chat, holder, one_call

WORKERS = 4
PATIENT_SECONDS = 120.0


@dataclass
class Open:
    till: Till
    hold: Reserved
    ends: float


@dataclass
class Crowd:
    """Clients of one key at several workers. Each asks, asks again while funds are in flight, and stops when refused
    for good.
    """

    books: Books
    tills: list[Till]
    clock: VirtualTime
    random: Random
    customer: Principal
    call: Call
    usage: Usage
    served: int = 0
    refused: int = 0
    spent_at_first_refusal: int | None = None
    spent: int = 0

    async def run(self, clients: int) -> None:
        waiting: list[tuple[Till, Outcomes]] = []
        served: list[Open] = []
        idle = clients
        deadline = self.clock.now + PATIENT_SECONDS
        while idle or waiting or served:
            assert self.clock.now < deadline, "clients hang"
            while idle and self.random.random() < 0.7:
                idle -= 1
                till, told = self.random.choice(self.tills), Outcomes()
                got = till.treasury.reserve(till.order(self.customer, self.call), told)
                if isinstance(got, Reserved):
                    told.append(got)
                waiting.append((till, told))
            await self._rounds()
            for till, told in [each for each in waiting if each[1]]:
                waiting.remove((till, told))
                idle += self._answered(till, told[0], served)
            for each in [each for each in served if each.ends <= self.clock.now]:
                served.remove(each)
                self._settle(each)
                idle += 1
            self.clock.pass_(TICK_SECONDS)

    def _settle(self, served: Open) -> None:
        usage, cap = self.usage, served.hold.cap
        if cap is not None:
            usage = Usage(output_text=min(usage.output_text, cap))
        self.spent += served.till.settle(served.hold, usage)
        self.served += 1

    def _answered(self, till: Till, answer: object, served: list[Open]) -> int:
        """Clients that ask again."""
        if isinstance(answer, Reserved):
            served.append(Open(till, answer, self.clock.now + self.random.uniform(0, 0.5)))
            return 0
        if isinstance(answer, errors.FundsInFlight):
            return 1
        assert isinstance(answer, errors.InsufficientQuota), answer
        self.refused += 1
        if self.spent_at_first_refusal is None:
            self.spent_at_first_refusal = self.spent
        return 0

    async def _rounds(self) -> None:
        for till in self.random.sample(self.tills, len(self.tills)):
            await till.teller.round()


@asynccontextmanager
async def crowd(
    kind: str, folder: Path, seed: int, customer: Principal, call: Call, usage: Usage
) -> AsyncIterator[Crowd]:
    async with opened(kind, folder) as books:
        clock, bell = VirtualTime(), DoorBell()
        if isinstance(books, MemoryBooks):
            books.bank.clock = clock
        journals = JournalFolder(folder, "off")
        tills = [
            await Till(folder, books.bank, clock, BOOK, f"wk_{number}", bell, journals).open()
            for number in range(WORKERS)
        ]
        yield Crowd(books, tills, clock, Random(seed), customer, call, usage)
        for till in tills:
            await till.close()
        snapshot = await books.snapshot()
        snapshot.check()
        assert not snapshot.slices


def spent(snapshot: Snapshot) -> set[int]:
    return {pot.spent for pot in snapshot.pots.values()}


CALLS = 40
LIMITED = (
    Budget("acc_1", "account", "total", CALLS * CALL_NANOS),
    Budget("prj_1", "project", "total", (CALLS + 3) * CALL_NANOS),
    Budget("key_1", "key", "total", (CALLS + 1) * CALL_NANOS),
)


@pytest.mark.parametrize("budgets", [(), LIMITED], ids=["plain", "budgets"])
@pytest.mark.parametrize(("kind", "seed"), [*((kind, 0) for kind in KINDS), ("memory", 1), ("memory", 2)])
def test_credit_for_n_calls_serves_exactly_n(kind: str, seed: int, budgets: tuple[Budget, ...], tmp_path: Path) -> None:
    customer = holder("acc_1", "key_1", project_id="prj_1", budgets=budgets)

    async def run() -> None:
        async with crowd(kind, tmp_path, seed, customer, one_call(), Usage()) as found:
            await found.books.topup("acc_1", (CALLS + (5 if budgets else 0)) * CALL_NANOS)
            await found.run(clients=24)
            assert (found.served, found.refused) == (CALLS, 24)
            snapshot = await found.books.snapshot()
            assert spent(snapshot) == {CALLS * CALL_NANOS}

    asyncio.run(run())


@pytest.mark.parametrize("policy", ["strict", "clamp"])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_with_token_prices_nine_tenths_are_spent_before_the_first_final_refusal(
    policy: HoldPolicy, share: float, seed: int, tmp_path: Path
) -> None:
    """Holds are up to twenty times what is used in the end, and a fiftieth of the credit."""
    most = 1000
    credit = 50 * most * TOKEN_NANOS
    customer = holder(
        "acc_1", "key_1", hold_policy=policy, budgets=(Budget("acc_1", "account", "month", credit + TOKEN_NANOS),)
    )
    usage = Usage(output_text=int(most * share))

    async def run() -> None:
        async with crowd("memory", tmp_path, seed, customer, chat(0, most), usage) as found:
            await found.books.topup("acc_1", credit)
            await found.run(clients=20)
            assert found.spent_at_first_refusal is not None
            assert found.spent_at_first_refusal >= credit * 9 // 10
            assert spent(await found.books.snapshot()) == {found.spent}

    asyncio.run(run())
