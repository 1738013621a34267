"""The books of a relay, read from outside and held against what its clients saw."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from polyrelay.storage.sql.database import Tx, opened
from support.books import Snapshot, SqlBooks
from support.customers import Answer
from support.processes import until


@dataclass(frozen=True)
class Entry:
    """A row of `exchanges`. `at` is Unix seconds: when it ended, or was begun if its worker died."""

    id: str
    at: float
    outcome: str
    error: str | None
    amount: int | None
    indeterminate: bool


@dataclass(frozen=True)
class Ledger:
    """The database of a relay, wherever it is."""

    url: str
    data: Path

    def read(self) -> "Proof":
        """Everything, as of now."""

        async def read() -> Proof:
            async with opened(self.url, self.data) as database:
                entries, states = await database.read(_rows)
                return Proof(await SqlBooks(database).snapshot(), entries, states)

        return asyncio.run(read())

    def journals(self) -> list[Path]:
        """Those that are not in the books to their end yet."""
        folder = self.data / "journals"
        return sorted(folder.iterdir()) if folder.exists() else []

    def posted(self, answers: Iterable[Answer], seconds: float = 10) -> "Proof":
        """The proof once every paid answer is in the books: they are posted some times a second."""
        due = {answer.exchange for answer in answers if answer.paid}
        until(lambda: due <= {entry.id for entry in self.read().entries}, seconds)
        return self.read()


async def _rows(tx: Tx) -> tuple[list[Entry], Counter[str]]:
    rows = await tx.fetch("SELECT id, at, outcome, error, amount, indeterminate FROM exchanges ORDER BY id")
    entries = [
        Entry(row["id"], row["at"], row["outcome"], row["error"], row["amount"], bool(row["indeterminate"]))
        for row in rows
    ]
    states = await tx.fetch("SELECT state, count(*) AS number FROM workers WHERE id <> 'jobs' GROUP BY state")
    return entries, Counter({row["state"]: int(row["number"]) for row in states})


@dataclass(frozen=True)
class Proof:
    """`states` counts workers by what became of them."""

    snapshot: Snapshot
    entries: list[Entry]
    states: Counter[str] = field(default_factory=Counter)

    @property
    def charged(self) -> dict[str, Entry]:
        """Exchanges that something was charged for."""
        return {entry.id: entry for entry in self.entries if entry.amount is not None}

    @property
    def escrowed(self) -> int:
        return sum(pot.escrowed for pot in self.snapshot.pots.values())

    def check(self, answers: Iterable[Answer]) -> None:
        """What must be true at any time after `answers` were posted."""
        self.snapshot.check()
        charged = self.charged
        for answer in answers:
            if answer.paid:
                entry = charged[answer.exchange]
                assert entry.amount is not None
                assert entry.amount > 0
                assert not entry.indeterminate, entry
            elif answer.status not in {0, 200}:
                assert answer.exchange not in charged, answer

    def check_closed(self) -> None:
        """What must be true once every worker has ended."""
        self.check(())
        assert set(self.states) <= {"closed"}, self.states
        assert self.escrowed == 0
        assert not self.snapshot.slices
