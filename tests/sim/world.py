"""One machine with its workers, customers and operator, on any bank; and what must be true of it at any instant."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from polyrelay.access.principal import Budget, Principal
from polyrelay.exchange.call import Call
from polyrelay.kernel import errors
from polyrelay.metering.book import TariffBook
from polyrelay.service import waiting as verdicts
from polyrelay.service.bank import BankAway
from polyrelay.service.ports import Hold
from polyrelay.service.treasury import Reserved
from polyrelay.service.waiting import Waiting
from polyrelay.storage.sql.transaction import Tx
from sim.faults import Gate, GatedFolder, GatedJournal, Killed, gated
from sim.model import Exchange, Filed, Model
from support.books import Books, MemoryBooks, Snapshot, SqlBooks
from support.stage import VirtualTime
from support.till import DoorBell, Till, holder, tariff

NOON = 1_800_014_400.0
"""2027-01-15 12:00 UTC."""

BOOKS = [
    TariffBook(
        [
            tariff("chat", {"input_text": "1", "output_text": price}, version, maxima={"overhead": 0, "output": 8000}),
            tariff("call", {"per_request": "0.001"}, version),
            tariff("free", {"free": True}, version),
        ]
    )
    for version, price in (("1", "2"), ("2", "3"))
]
UNIT = 1_000_000
"""Nanos: what `call` costs."""


def customers() -> list[Principal]:
    project = Budget("prj_1", "project", "month", 300 * UNIT)
    account = Budget("acc_1", "account", "total", 900 * UNIT)
    day = Budget("key_b", "key", "day", 60 * UNIT)
    return [
        holder("acc_1", "key_a", hold_policy="strict", budgets=(account,)),
        holder("acc_1", "key_b", project_id="prj_1", budgets=(account, project, day), zone="Asia/Shanghai"),
        holder("acc_1", "key_c", project_id="prj_1", hold_policy="strict", budgets=(account, project)),
        holder("acc_2", "key_d"),
        holder("acc_3", "key_e", budgets=(Budget("acc_3", "account", "week", 100 * UNIT),), zone="America/New_York"),
    ]


class Trouble(logging.Handler):
    """Errors in the log are findings, but for those that faults explain."""

    EXPECTED = ("written off", "is charged its hold", "no more requests are taken", "no space is left")

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if not any(words in text for words in self.EXPECTED):
            self.found.append(text)


@dataclass
class Worker:
    """A process: its till, its faults, and who waits there."""

    till: Till
    gate: Gate
    waiting: dict[str, Waiting] = field(default_factory=dict)
    exchanges: dict[str, Exchange] = field(default_factory=dict)

    def live(self) -> list[Exchange]:
        """Those that are held and not ended."""
        return [exchange for exchange in self.exchanges.values() if exchange.live]


@dataclass
class Told:
    """Implements `Funding`: writes into the model what an exchange was told."""

    world: "World"
    worker: Worker
    name: str

    def funded(self, hold: Hold) -> None:
        assert isinstance(hold, Reserved)
        assert self.worker.waiting.pop(self.name, None), "answered twice, or after it went away"
        self.world.model.exchanges[self.name].hold = hold
        if hold.cap is not None:
            assert hold.cap >= verdicts.FLOOR_TOKENS

    def unfunded(self, refusal: errors.Refusal) -> None:
        waited = self.worker.waiting.pop(self.name, None)
        assert waited, "answered twice, or after it went away"
        if isinstance(refusal, errors.InsufficientQuota):
            self.world.final.append(waited)


@dataclass
class World:
    books: Books
    folder: Path
    patient: bool
    clock: VirtualTime = field(default_factory=VirtualTime)
    model: Model = field(default_factory=Model)
    workers: list[Worker] = field(default_factory=list)
    final: list[Waiting] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    lapsed: set[str] = field(default_factory=set)
    promotions: list[str] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.clock.now = NOON
        if isinstance(self.books, MemoryBooks):
            self.books.bank.clock = self.clock
        self.bell = DoorBell()
        self.customers = customers()
        self.version = 0

    async def hire(self) -> Worker:
        """A new worker, as the supervisor starts one."""
        self.made += 1
        gate = Gate()
        till = Till(
            self.folder,
            gated(self.books.bank, gate),
            self.clock,
            BOOKS[self.version],
            f"wk_{self.made:x}",
            self.bell,
            GatedFolder(self.folder, gate),
            (lambda: None) if self.patient else None,
        )
        await till.open()
        worker = Worker(till, gate)
        self.workers.append(worker)
        return worker

    def bury(self, worker: Worker, *, power: bool = False) -> None:
        """Its process is gone; with `power` also what its disk had not yet."""
        if power:
            for segment in worker.till.settler.segments:
                assert isinstance(segment, GatedJournal)
                segment.cut()
        worker.gate.bury()
        self.workers.remove(worker)
        for name, exchange in worker.exchanges.items():
            ended = exchange.due is not None or exchange.voided
            exchange.lost = not ended
            exchange.vague = exchange.vague or name in worker.waiting or (power and not exchange.complete)

    def reserve(self, worker: Worker, customer: Principal, call: Call) -> None:
        """Raises the refusal."""
        order = worker.till.order(customer, call)
        name = str(order.exchange)
        exchange = Exchange(customer.key_id, vague=True)
        self.model.exchanges[name] = worker.exchanges[name] = exchange
        try:
            got = worker.till.treasury.reserve(order, Told(self, worker, name))
        except errors.Refusal:
            self.forget(worker, name)
            raise
        exchange.vague = False
        if isinstance(got, Waiting):
            worker.waiting[name] = got
        else:
            assert isinstance(got, Reserved)
            exchange.hold = got

    def forget(self, worker: Worker, name: str) -> None:
        """It was refused, or went away, without a hold."""
        del self.model.exchanges[name], worker.exchanges[name]

    async def attempt(self, worker: Worker, doing: Awaitable[object]) -> bool:
        """Whether the worker lived to its end."""
        try:
            with suppress(BankAway):
                await doing
        except Killed:
            self.bury(worker)
            return False
        worker.gate.heal()
        return True

    async def recover(self, *workers: Worker) -> None:
        """All of them look at once."""
        await asyncio.gather(*[self.attempt(worker, worker.till.recovery.run()) for worker in workers])

    # ── what must be true ──

    async def check(self) -> None:
        snapshot = await self.books.snapshot()
        snapshot.check()
        for worker in self.workers:
            self._check_worker(worker, await self.books.bank.slices(worker.till.name))
        for waited in self.final:
            self._check_final(waited, snapshot)
        self.final.clear()

    def _check_worker(self, worker: Worker, slices: dict[str, int]) -> None:
        till, treasury = worker.till, worker.till.treasury
        live, held, waiting = worker.live(), Counter[str](), Counter[str]()
        for exchange in live:
            assert exchange.hold is not None
            for purse in exchange.hold.payer.purses:
                held[purse.meter.id] += exchange.hold.amount
        for each in worker.waiting.values():
            for purse in each.payer.purses:
                waiting[purse.meter.id] += 1
        in_doubt = till.teller._doubt or till.settler._pending is not None
        for purse in till.purses:
            name = purse.meter.id
            assert min(purse.free, purse.held, purse.unposted) >= 0, name
            assert purse.held == held[name], name
            assert purse.waiting == waiting[name], name
            assert in_doubt or purse.own == slices.pop(name, 0), f"{name}: purse and slice differ"
        assert in_doubt or not slices, "slices that no purse is for"
        assert len(treasury) == len(live)
        assert len(treasury.queue) == len(worker.waiting)
        segment = till.settler.segments[-1]
        assert isinstance(segment, GatedJournal)
        assert segment.reserved == sum(each.hold.room for each in live if each.hold is not None)

    def _check_final(self, waited: Waiting, snapshot: Snapshot) -> None:
        """Told for good that it is exhausted: then nothing that is in flight could have made it fit."""
        names = {purse.meter.id for purse in waited.payer.purses}
        worth = Counter[str]()
        for name, pot in snapshot.pots.items():
            ceiling = 0 if name in self.lapsed else max(0, pot.granted + pot.overdraft - pot.spent - pot.escrowed)
            worth[pot.meter] += ceiling + pot.escrowed
        assert any(worth[name] < waited.floor for name in names), "refused for good, and the money is there"

    async def filed(self) -> dict[str, Filed]:
        if isinstance(self.books, MemoryBooks):
            return {
                name: Filed(
                    each.row.key_id, each.row.tariff_version, each.amount, each.write_off, each.row.indeterminate
                )
                for name, each in self.books.bank.exchanges.items()
            }
        assert isinstance(self.books, SqlBooks)
        return await self.books.database.read(_filed)


async def _filed(tx: Tx) -> dict[str, Filed]:
    rows = await tx.fetch("SELECT id, key_id, tariff_version, amount, write_off, indeterminate FROM exchanges")
    return {
        row["id"]: Filed(
            row["key_id"], row["tariff_version"], row["amount"], row["write_off"], bool(row["indeterminate"])
        )
        for row in rows
    }
