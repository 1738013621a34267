# ruff: noqa: D102 - most methods are those of a port, or say it by their names
"""One worker of the money path without sockets: treasury, teller, settler and journal as `serve` composes them."""

import gc
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from polyrelay.access.principal import Budget, Principal
from polyrelay.background.settler import Settler
from polyrelay.background.teller import Bell, Host, Teller
from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import ids
from polyrelay.kernel.errors import Refusal
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.metering import estimate, read
from polyrelay.metering.book import TariffBook
from polyrelay.metering.tariff import Source
from polyrelay.service.ports import Hold, Order, Record, Wait
from polyrelay.service.posting import Transcript
from polyrelay.service.pricing import Pricing
from polyrelay.service.purses import Purses
from polyrelay.service.treasury import Reserved, Treasury
from polyrelay.state.clock import SystemClock
from polyrelay.storage.books import transfers
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.journaling.journal import Journal
from polyrelay.storage.journaling.journals import JournalFolder
from polyrelay.storage.sql.database import Database
from polyrelay.storage.sql.transaction import Dialect, Row, T, Tx, Work

OPENERS = 16
"""Exchanges that wait at once for a top-up: a slice is sized by what is asked for together."""
MODELS = ("gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-chat")
CREDIT = 10**18
LEASE_SECONDS = 60.0
GC_ALLOCATIONS = 10_000
"""As `serve` sets it."""

PRICES = {"input_text": "0.15", "cached_read": "0.075", "output_text": "0.6"}
MAXIMA = {"context": 128_000, "output": 16_384}
CALLS = {model: Call(model, stream=True, input_bytes=1000, max_output=1024) for model in MODELS}
USAGE = Usage(input_text=190, cached_read=64, output_text=156)


_NUMBERS = count(1)
"""Of accounts and exchanges: none has the id of another."""
NAMES = (f"wk_{number:04x}" for number in count(1))


class Told(list[Hold]):
    """Implements `Funding` for exchanges that waited."""

    def funded(self, hold: Hold) -> None:
        self.append(hold)

    def unfunded(self, refusal: Refusal) -> None:
        raise refusal


@dataclass
class CountingTx:
    """A transaction that counts the statements of a purpose. Each row of `many` counts for nothing more."""

    inner: Tx
    statements: Counter[str]
    purpose: str

    @property
    def dialect(self) -> Dialect:
        return self.inner.dialect

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        self.statements[self.purpose] += 1
        return await self.inner.fetch(sql, *args)

    async def execute(self, sql: str, *args: Any) -> int:
        self.statements[self.purpose] += 1
        return await self.inner.execute(sql, *args)

    async def many(self, sql: str, rows: Any) -> None:
        self.statements[self.purpose] += 1
        await self.inner.many(sql, rows)

    async def now(self) -> float:
        return await self.inner.now()


@dataclass
class CountingDatabase:
    """Counts transactions and statements by the method of the bank that runs them."""

    inner: Database
    transactions: Counter[str] = field(default_factory=Counter)
    statements: Counter[str] = field(default_factory=Counter)

    @property
    def place(self) -> str:
        return self.inner.place

    @property
    def dialect(self) -> Dialect:
        return self.inner.dialect

    async def write(self, work: Work[T], /) -> T:
        return await self.inner.write(self._counted(work))

    async def read(self, work: Work[T], /) -> T:
        return await self.inner.read(self._counted(work))

    async def close(self) -> None:
        await self.inner.close()

    def _counted(self, work: Work[T]) -> Work[T]:
        purpose = work.__qualname__.split(".")[1]
        self.transactions[purpose] += 1

        async def counted(tx: Tx) -> T:
            return await work(CountingTx(tx, self.statements, purpose))

        return counted


class Folder(JournalFolder):
    """Counts the segments it made."""

    made = 0

    def create(self, worker: str, segment: int) -> Journal:
        self.made += 1
        return super().create(worker, segment)


class Worker:
    """The money side of one relay process. `name` is as the journals want it."""

    def __init__(self, folder: Path, database: Database, name: str) -> None:
        document = {"version": "2026-11", "sell": PRICES, "cost": PRICES, "maxima": MAXIMA}
        tariffs = [
            read.tariff({"model": model, "id": model, **document}, source=Source.FILE, zones=ZoneInfo)
            for model in MODELS
        ]
        clock, bank = SystemClock(), SqlBank(database)
        self.name = name
        self.journals = Folder(folder, "interval")
        self.treasury = Treasury(Pricing(TariffBook(tariffs)), Purses(ZoneInfo), clock, wake=lambda: None)
        self.settler = Settler(self.treasury, bank, self.journals, lambda: Transcript(ZoneInfo))
        bell = Bell(lambda: 0, lambda: None)
        self.teller = Teller(self.treasury, bank, self.settler, clock, Host("bench", 1, LEASE_SECONDS), bell)

    def order(self, payer: Principal, model: str = MODELS[0]) -> Order:
        """A chat of about 1 KB, its answer capped at 1024 tokens."""
        exchange = ids.exchange_id(int(time.time() * 1000), next(_NUMBERS).to_bytes(ids.ENTROPY_BYTES, "big"))
        return Order(exchange, payer, CALLS[model], "openai_chat")

    async def reserve(self, order: Order) -> tuple[Reserved, bool]:
        """A hold, and whether the bank had to be asked for it."""
        told = Told()
        got: Reserved | Wait = self.treasury.reserve(order, told)
        if isinstance(got, Reserved):
            return got, False
        while not told:
            await self.teller.round()
        assert isinstance(told[0], Reserved)
        return told[0], True

    def settle(self, hold: Reserved) -> None:
        self.treasury.settle(hold, record(hold.order), nothing)

    async def post(self) -> None:
        """Everything that ended so far."""
        while await self.settler.post():
            pass

    async def fill(self, payer: Principal, number: int) -> None:
        """Bring the purses to cover `number` exchanges at once: let some wait, and void all."""
        now = time.time()
        price = estimate.bound(CALLS[MODELS[0]], self.treasury.pricing.pin(MODELS[0], payer.group, now).quote).amount
        while min(purse.free for purse in self.treasury.purses.payer(payer, now).purses) < number * price:
            told, waiting = Told(), 0
            while waiting < OPENERS:
                got: Reserved | Wait = self.treasury.reserve(self.order(payer), told)
                if isinstance(got, Reserved):
                    told.append(got)
                else:
                    waiting += 1
            while len(self.treasury.queue):
                await self.teller.round()
            for hold in told:
                assert isinstance(hold, Reserved)
                self.treasury.void(hold, record(hold.order))


def nothing() -> None:
    """The last bytes may leave."""


def record(order: Order) -> Record:
    """What the relay tells the books of an answer that was passed on whole."""
    payer = order.principal
    return Record(
        exchange=order.exchange,
        label="req_5f3a9c",
        surface=order.surface,
        account=payer.account,
        key=payer.key_id,
        model=order.call.model,
        channel="openai-main",
        status=200,
        outcome=Outcome.COMPLETE,
        attempts=1,
        seconds=1.8364529,
        first_token=0.4123456,
        usage=USAGE,
        finish="stop",
        error=None,
        billing=None,
        provider="openai",
    )


def payers(number: int, *, budgets: bool = False) -> list[Principal]:
    """Accounts with one key each; with three budgets besides the wallet or with none."""
    return [
        Principal(
            KeyId(f"key_{each:025d}"),
            AccountId(f"acc_{each:025d}"),
            f"account-{each}",
            project_id=f"proj_{each:024d}" if budgets else None,
            budgets=(
                Budget(f"acc_{each:025d}", "account", "month", CREDIT),
                Budget(f"proj_{each:024d}", "project", "week", CREDIT),
                Budget(f"key_{each:025d}", "key", "day", CREDIT),
            )
            if budgets
            else (),
        )
        for each in islice(_NUMBERS, number)
    ]


@asynccontextmanager
async def working(database: Database, *, holders: Sequence[Principal]) -> AsyncIterator[Worker]:
    """A worker whose payers exist and have money."""

    async def fund(tx: Tx) -> None:
        for holder in holders:
            await tx.execute(
                "INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, 0) ON CONFLICT (id) DO NOTHING",
                holder.account_id,
                holder.account,
            )
            await transfers.topup(tx, holder.account_id, CREDIT, transfers.Note("bench", ""))

    await database.write(fund)
    with tempfile.TemporaryDirectory(prefix="polyrelay-ledger-") as folder:
        worker = Worker(Path(folder), database, next(NAMES))
        await worker.teller.open(worker.name, worker.journals)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS)
        try:
            yield worker
        finally:
            await worker.teller.close()
