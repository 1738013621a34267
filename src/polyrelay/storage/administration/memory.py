"""The office's in-memory twin, for tests and trials. It keeps the promises of the tables, not their data."""

import asyncio
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyrelay.ledger import transfer
from polyrelay.ledger.transfer import KeyReused, NotCharged, TooMuch, Transfer, TransferRefused, UnknownPayer
from polyrelay.service.administration.ports import (
    KEY_COLUMNS,
    By,
    Funds,
    Gift,
    Kind,
    Movement,
    Purpose,
    Query,
    Record,
    Span,
    Spending,
    T,
    Taken,
    Totals,
    Work,
)

_Tables = dict[Kind, dict[tuple[str, ...], Record]]

_UNIQUE: Mapping[Kind, Sequence[tuple[str, ...]]] = {
    Kind.ACCOUNTS: (("name",),),
    Kind.PROJECTS: (("account_id", "name"),),
    Kind.KEYS: (("fingerprint",),),
    Kind.BUDGETS: (("owner", "period"),),
    Kind.CREDENTIALS: (("channel", "name"),),
    Kind.TOKENS: (("fingerprint",),),
}
_UNDER = {"key": "id", "project": "project_id", "account": "account_id"}


class MemoryOffice:
    """Implements `Office`, one transaction at a time."""

    def __init__(self, keys_changed: Callable[[], Any] = lambda: None) -> None:
        self._tables: _Tables = {kind: {} for kind in Kind}
        self._lock = asyncio.Lock()
        self._keys_changed = keys_changed

    async def read(self, work: Work[T]) -> T:
        """See `Office`."""
        return await work(MemorySession(copy.deepcopy(self._tables)))

    async def write(self, work: Work[T]) -> T:
        """See `Office`."""
        async with self._lock:
            session = MemorySession(copy.deepcopy(self._tables))
            result = await work(session)
            self._tables = session.tables
        if session.keys_changed:
            self._keys_changed()
        return result


class MemorySession:
    """Implements `Session` over tables of its own."""

    def __init__(self, tables: _Tables) -> None:
        self.tables = tables
        self.keys_changed = False

    async def now(self) -> float:
        """See `Rows`."""
        return time.time()

    async def get(self, kind: Kind, *key: str, lock: bool = False) -> Record | None:
        """See `Rows`."""
        del lock
        found = self.tables[kind].get(key)
        return None if found is None else dict(found)

    async def find(self, kind: Kind, query: Query) -> Sequence[Record]:
        """See `Rows`."""
        keys = sorted(self.tables[kind], reverse=query.newest_first)
        if query.after:
            after = query.after
            keys = [
                key for key in keys if (key[: len(after)] < after) == query.newest_first and key[: len(after)] != after
            ]
        found = (self.tables[kind][key] for key in keys)
        return [dict(row) for row in found if _fits(row, query)][query.offset :][: query.limit]

    async def insert(self, kind: Kind, values: Record) -> None:
        """See `Rows`."""
        key = tuple(values[name] for name in KEY_COLUMNS[kind])
        if key in self.tables[kind]:
            raise Taken(KEY_COLUMNS[kind])
        for columns in _UNIQUE.get(kind, ()):
            if any(all(row[name] == values[name] for name in columns) for row in self.tables[kind].values()):
                raise Taken(columns)
        self.tables[kind][key] = dict(values)

    async def claim(self, kind: Kind, values: Record) -> bool:
        """See `Rows`."""
        key = tuple(values[name] for name in KEY_COLUMNS[kind])
        return self.tables[kind].setdefault(key, found := dict(values)) is found

    async def update(self, kind: Kind, key: Sequence[str], values: Record) -> None:
        """See `Rows`."""
        if (found := self.tables[kind].get(tuple(key))) is not None:
            found.update(values)

    async def delete(self, kind: Kind, *key: str) -> None:
        """See `Rows`."""
        self.tables[kind].pop(key, None)

    async def stamp_keys(self, scope: str, name: str) -> None:
        """See `Rows`."""
        self.keys_changed = True
        rows = self.tables[Kind.KEYS].values()
        number = max((row["change"] for row in rows), default=0) + 1
        for row in rows:
            concerned = self._group(row) == name if scope == "group" else row[_UNDER[scope]] == name
            if concerned and row["revoked_at"] is None:
                row["change"] = number

    async def stamp_configuration(self) -> None:
        """See `Rows`: nobody else sees this memory."""

    # ── money ──

    async def topup(self, account: str, amount: int, purpose: Purpose) -> Movement:
        """See `Money`."""
        return self._move(transfer.topup(f"wallet:{account}", account, amount), purpose)

    async def promote(self, account: str, amount: int, expires_at: float, purpose: Purpose) -> Movement:
        """See `Money`."""
        if expires_at <= time.time():
            raise TransferRefused("a promotion must end in the future")
        return self._move(transfer.promotion(f"promotion:{expires_at}", account, amount), purpose)

    async def adjust(self, account: str, amount: int, purpose: Purpose) -> Movement:
        """See `Money`."""
        if amount < 0 and self._wallet(account) < -amount:
            raise TooMuch("more than is available")
        return self._move(transfer.adjustment(f"wallet:{account}", account, amount), purpose)

    async def refund(self, exchange: str, amount: int, purpose: Purpose) -> Movement:
        """See `Money`."""
        found = self.tables[Kind.EXCHANGES].get((exchange,))
        if found is None or not found["amount"]:
            raise NotCharged(f"nothing was charged for {exchange!r}")
        rows = self.tables[Kind.TRANSFERS].values()
        before = sum(row["amount"] for row in rows if row["exchange"] == exchange and row["kind"] == "refund")
        if before + amount > found["amount"]:
            raise TooMuch("more than was charged")
        account: str = found["account_id"]
        return self._move(transfer.refund(f"wallet:{account}", account, amount, exchange), purpose)

    async def set_overdraft(self, account: str, overdraft: int) -> None:
        """See `Money`."""
        found = self.tables[Kind.ACCOUNTS].get((account,))
        if found is None:
            raise UnknownPayer(f"no account has the id {account!r}")
        found["overdraft"] = overdraft

    async def set_limit(self, meter: str, limit: int) -> None:
        """See `Money`: nothing is ever spent here."""

    async def funds(self, account: str) -> Funds:
        """See `Money`."""
        rows = [row for row in self.tables[Kind.TRANSFERS].values() if row["account_id"] == account]
        gifts = tuple(
            Gift(row["amount"], float(row["credit"].rpartition(":")[2])) for row in rows if row["kind"] == "promotion"
        )
        overdraft: int = self.tables[Kind.ACCOUNTS].get((account,), {}).get("overdraft", 0)
        own = self._wallet(account) + sum(gift.left for gift in gifts)
        return Funds(own + overdraft, 0, own, overdraft, gifts)

    async def spending(self, meter: str) -> Spending:
        """See `Money`: nothing is ever spent here."""
        del meter
        return Spending(0, 0)

    async def totals(self, span: Span, by: Sequence[By], limit: int) -> Sequence[Totals]:
        """See `Reports`: there is no usage without a relay."""
        del span, by, limit
        return []

    def _move(self, move: Transfer, purpose: Purpose) -> Movement:
        if (move.account or "",) not in self.tables[Kind.ACCOUNTS]:
            raise UnknownPayer(f"no account has the id {move.account!r}")
        rows = self.tables[Kind.TRANSFERS]
        if any(row["idempotency_key"] == purpose.key for row in rows.values()):
            raise KeyReused("the idempotency key belongs to another transfer")
        made = Movement(
            f"trf_{len(rows):028d}", time.time(), move.kind.value, move.debit, move.credit, move.amount, move.account,
            move.exchange, purpose.actor, purpose.reason,
        )  # fmt: skip
        rows[(made.id,)] = {
            **{name: getattr(made, name) for name in Movement.__dataclass_fields__},
            "account_id": made.account,
            "idempotency_key": purpose.key,
        }
        return made

    def _wallet(self, account: str) -> int:
        book = transfer.pot_book(f"wallet:{account}")
        rows = self.tables[Kind.TRANSFERS].values()
        return sum(_signed(row, book) for row in rows)

    def _group(self, key: Record) -> object:
        return self.tables[Kind.ACCOUNTS][(key["account_id"],)]["customer_group"]


def _signed(row: Record, book: str) -> int:
    sign = int(row["credit"] == book) - int(row["debit"] == book)
    return sign * int(row["amount"])


def _fits(row: Record, query: Query) -> bool:
    return (
        all(row[name] == value for name, value in query.where.items())
        and all(row[name] >= value for name, value in query.since.items())
        and all(row[name] < value for name, value in query.until.items())
    )
