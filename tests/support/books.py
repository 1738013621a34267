"""Every implementation of the bank behind one set of handles, and what must be true of any books at any time."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from polyrelay.kernel.money import Nanos
from polyrelay.ledger import meters, posting
from polyrelay.ledger.meters import Meter
from polyrelay.ledger.posting import RollupKey, Sums
from polyrelay.service.bank import Bank, Enrolment, Row, Want
from polyrelay.storage.books import transfers
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.books.memory_bank import MemoryBank
from polyrelay.storage.books.transfers import Note
from polyrelay.storage.sql.database import Database, Tx, open_postgres, open_sqlite
from support import postgres

KINDS = ("memory", "sqlite", "postgresql")
NOTE = Note("tester")
HOUR = 3600.0
TABLES = (
    "webhook_attempts",
    "webhook_deliveries",
    "artefacts",
    "jobs", "days", "rollups", "exchanges", "transfers", "recalls", "slices", "workers WHERE id <> 'jobs'", "pots",
    "budgets", "accounts",
)  # fmt: skip
"""In an order in which they can be emptied; the worker that stands for jobs is there from the beginning."""


@dataclass
class HandClock:
    """Stands still unless told."""

    now: float = 1_800_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@dataclass(frozen=True)
class PotState:
    meter: str
    kind: str
    granted: int
    overdraft: int
    spent: int
    escrowed: int
    ceiling: int


@dataclass(frozen=True)
class Snapshot:
    """Everything in the books. Transfers are (kind, debit, credit, amount); exchanges (amount, write-off)."""

    pots: Mapping[str, PotState]
    slices: Mapping[tuple[str, str], int]
    transfers: list[tuple[str, str, str, int]]
    exchanges: Mapping[str, tuple[int | None, int]]
    rollups: Mapping[RollupKey, Sums]
    days: Mapping[RollupKey, Sums]

    def check(self) -> None:
        """The invariants that hold between any two transactions."""
        escrowed, spent, granted = Counter[str](), Counter[str](), Counter[str]()
        for (_, sliced), amount in self.slices.items():
            assert amount > 0
            escrowed[sliced] += amount
        for _, debit, credit, amount in self.transfers:
            assert amount > 0
            spent[debit] += amount
            granted[credit] += amount
        for name, pot in self.pots.items():
            assert pot.escrowed == escrowed[name], name
            assert pot.spent == spent[f"pot:{name}"], name
            assert pot.kind == "budget" or pot.granted == granted[f"pot:{name}"], name
            assert pot.spent + pot.escrowed <= pot.ceiling, name
            assert pot.ceiling >= pot.granted + pot.overdraft, name
        self._check_exchanges()

    def _check_exchanges(self) -> None:
        charged = sum(amount or 0 for amount, _ in self.exchanges.values())
        written_off = sum(rest for _, rest in self.exchanges.values())
        revenue = sum(amount for _, _, credit, amount in self.transfers if credit == "revenue")
        assert revenue == charged + written_off
        assert written_off == sum(amount for _, debit, _, amount in self.transfers if debit == "write_off")
        sums = list(self.rollups.values())
        assert sum(each.requests for each in sums) == len(self.exchanges)
        assert sum(each.amount for each in sums) == charged
        assert sum(each.write_off for each in sums) == written_off
        assert _rounded(self.days) == _rounded(posting.daily(self.rollups))


def _rounded(sums: Mapping[RollupKey, Sums]) -> dict[RollupKey, Sums]:
    """Seconds are floats, and their sums depend on the order."""
    return {key: replace(each, seconds=round(each.seconds, 6)) for key, each in sums.items()}


class Books(Protocol):
    """A bank, and the operator's hand."""

    @property
    def bank(self) -> Bank: ...

    async def topup(self, account: str, amount: int) -> None: ...
    async def promote(self, account: str, amount: int, expires_at: float) -> str: ...
    async def overdraft(self, account: str, amount: int) -> None: ...
    async def limit(self, meter: str, amount: int) -> None: ...
    async def budget(self, owner: str, period: str, amount: int) -> None: ...
    async def lapse(self, pot: str) -> None: ...
    async def snapshot(self) -> Snapshot: ...


@dataclass
class MemoryBooks:
    bank: MemoryBank = field(default_factory=lambda: MemoryBank(HandClock()))

    async def topup(self, account: str, amount: int) -> None:
        self.bank.topup(account, amount)

    async def promote(self, account: str, amount: int, expires_at: float) -> str:
        return self.bank.promote(account, amount, expires_at)

    async def overdraft(self, account: str, amount: int) -> None:
        self.bank.set_overdraft(account, amount)

    async def limit(self, meter: str, amount: int) -> None:
        self.bank.set_limit(meter, amount)

    async def budget(self, owner: str, period: str, amount: int) -> None:
        self.bank.limits[owner, period] = amount

    async def lapse(self, pot: str) -> None:
        self.bank.pots[pot].expires_at = 1.0

    async def snapshot(self) -> Snapshot:
        bank = self.bank
        return Snapshot(
            {
                pot.id: PotState(
                    pot.meter, pot.kind, pot.granted, pot.overdraft, pot.spent, pot.escrowed, bank.ceilings[pot.id]
                )
                for pot in bank.pots.values()
            },
            {(worker, pot): amount for worker, mine in bank.slices_of.items() for pot, amount in mine.items()},
            [(move.kind.value, move.debit, move.credit, move.amount) for move in bank.transfers],
            {name: (each.amount, each.write_off) for name, each in bank.exchanges.items()},
            bank.rollups,
            bank.days,
        )


class SqlBooks:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.bank = SqlBank(database)

    async def topup(self, account: str, amount: int) -> None:
        await self.database.write(lambda tx: transfers.topup(tx, account, amount, NOTE))

    async def promote(self, account: str, amount: int, expires_at: float) -> str:
        moved = await self.database.write(lambda tx: transfers.promote(tx, account, amount, expires_at, NOTE))
        return moved.credit.removeprefix("pot:")

    async def overdraft(self, account: str, amount: int) -> None:
        await self.database.write(lambda tx: transfers.set_overdraft(tx, account, amount))

    async def limit(self, meter: str, amount: int) -> None:
        await self.database.write(lambda tx: transfers.set_limit(tx, meter, amount))

    async def budget(self, owner: str, period: str, amount: int) -> None:
        sql = (
            "INSERT INTO budgets (id, account_id, scope, owner, period, amount, created_at) "
            "VALUES ($1, 'acc_1', 'key', $2, $3, $4, 0.0)"
        )
        await self.run(sql, f"bud_{owner}_{period}", owner, period, amount)

    async def lapse(self, pot: str) -> None:
        await self.run("UPDATE pots SET expires_at = 1.0 WHERE id = $1", pot)

    async def run(self, sql: str, *values: Any) -> None:
        async def work(tx: Tx) -> None:
            await tx.execute(sql, *values)

        await self.database.write(work)

    async def snapshot(self) -> Snapshot:
        return await self.database.read(_snapshot)


async def _snapshot(tx: Tx) -> Snapshot:
    pots = await tx.fetch("SELECT * FROM pots")
    slices = await tx.fetch("SELECT * FROM slices")
    moves = await tx.fetch("SELECT * FROM transfers ORDER BY id")
    exchanges = await tx.fetch("SELECT id, amount, write_off FROM exchanges")
    names = ("meter", "kind", "granted", "overdraft", "spent", "escrowed", "ceiling")
    return Snapshot(
        {row["id"]: PotState(*[row[name] for name in names]) for row in pots},
        {(row["worker_id"], row["pot_id"]): row["amount"] for row in slices},
        [(row["kind"], row["debit"], row["credit"], row["amount"]) for row in moves],
        {row["id"]: (row["amount"], row["write_off"]) for row in exchanges},
        await _sums(tx, "rollups", "hour"),
        await _sums(tx, "days", "day"),
    )


async def _sums(tx: Tx, table: str, time: str) -> dict[RollupKey, Sums]:
    names = ("requests", "failures", "input_tokens", "output_tokens", "amount", "cost", "write_off", "seconds")
    return {
        (row[time], row["account_id"], row["project_id"], row["key_id"], row["model"], row["channel"]): Sums(
            *[row[name] for name in names]
        )
        for row in await tx.fetch(f"SELECT * FROM {table}")
    }


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Books]:
    """Empty books with accounts `acc_1` to `acc_3`."""
    if kind == "memory":
        yield MemoryBooks()
        return
    database = await open_database(kind, folder)
    try:
        yield SqlBooks(database)
    finally:
        await database.close()


async def open_database(kind: str, folder: Path) -> Database:
    """An empty database with accounts `acc_1` to `acc_3`; the PostgreSQL one is shared by one process's tests."""
    if kind == "postgresql":
        _urls[:] = _urls or [postgres.fresh_database()]
        database = await open_postgres(_urls[0])
    else:
        database = await open_sqlite(folder)

    async def empty(tx: Tx) -> None:
        for table in TABLES:
            await tx.execute(f"DELETE FROM {table}")
        await tx.many(
            "INSERT INTO accounts (id, name, created_at) VALUES ($1, $1, 0.0)", [(f"acc_{n}",) for n in range(1, 4)]
        )

    await database.write(empty)
    return database


_urls: list[str] = []


# ── words of the tests ───────────────────────────────────────────────────────────────────────────────────────────

WALLET = meters.wallet("acc_1")


def budget(limit: int, owner: str = "key_1", period: str = "month", name: str = "month:2026-11") -> Meter:
    return Meter(f"key:{owner}:{name}", "acc_1", "key", owner, period, Nanos(limit))


def want(meter: Meter, amount: int, *, least: int | None = None, cushion: int = 0) -> Want:
    return Want(meter, amount if least is None else least, amount, cushion)


def enrolment(worker: str) -> Enrolment:
    return Enrolment(worker, "machine", f"journal-{worker}", 1)


def row(name: str, amount: int | None = 0, short: int = 0, *, on: tuple[Meter, ...] = (WALLET,), **more: Any) -> Row:
    values: dict[str, Any] = {
        "at": 1_800_000_000.0, "account_id": "acc_1", "project_id": None, "key_id": "key_1",
        "customer_group": "default", "surface": "openai_chat", "model": "m", "channel": "vendor", "status": 200,
        "outcome": "complete", "attempts": 1, "seconds": 0.5, **more,
    }  # fmt: skip
    return Row(id=name, meters=tuple(meter.id for meter in on), amount=amount, short=short, **values)
