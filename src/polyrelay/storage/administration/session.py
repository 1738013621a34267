"""One transaction of administration, in SQL: rows, money and sums. Texts are built by SQLAlchemy, values are bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from polyrelay.ledger.posting import HOURS_OF_DAY
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
    Totals,
)
from polyrelay.storage import schema
from polyrelay.storage.access import key_changes
from polyrelay.storage.administration import reading
from polyrelay.storage.books import transfers
from polyrelay.storage.books.transfers import Moved, Note
from polyrelay.storage.sql import core
from polyrelay.storage.sql.transaction import Row, Tx

_BUMP = """
INSERT INTO meta (name, value) VALUES ($1, '1')
ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS VARCHAR)
"""
_SPENDING = "SELECT coalesce(sum(spent), 0) AS spent, coalesce(sum(escrowed), 0) AS escrowed FROM pots WHERE meter = $1"

_MERGED = frozenset({Kind.GROUPS, Kind.CHANNELS, Kind.TARIFFS})
_CHARGE = "charge"
_NO_CHARGE = schema.transfers.c.kind != literal_column(f"'{_CHARGE}'")
"""Said apart of kinds that are none, because an index is over them."""

_SUMS = ("requests", "failures", "input_tokens", "output_tokens", "amount", "cost", "write_off", "seconds")
_BY_COLUMNS = {
    By.MODEL: "model",
    By.ACCOUNT: "account_id",
    By.PROJECT: "project_id",
    By.KEY: "key_id",
    By.CHANNEL: "channel",
}


class SqlSession:
    """Implements `Session`. `keys_changed` tells the office to wake the workers once the transaction is kept."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.keys_changed = False

    # ── rows ──

    async def now(self) -> float:
        """See `Rows`."""
        return await self._tx.now()

    async def get(self, kind: Kind, *key: str, lock: bool = False) -> Record | None:
        """See `Rows`."""
        table = _table(kind)
        statement = select(table).where(_is(table, kind, key))
        rows = await core.fetch(self._tx, statement.with_for_update() if lock else statement)
        return _record(rows[0]) if rows else None

    async def find(self, kind: Kind, query: Query) -> Sequence[Record]:
        """See `Rows`."""
        table = _table(kind)
        conditions = [_equals(table, name, value) for name, value in query.where.items()]
        conditions += [table.c[name] >= value for name, value in query.since.items()]
        conditions += [table.c[name] < value for name, value in query.until.items()]
        if kind is Kind.TRANSFERS and query.where.get("kind", _CHARGE) != _CHARGE:
            conditions.append(_NO_CHARGE)
        keys = [self._ordered(kind, table.c[name]) for name in KEY_COLUMNS[kind]]
        if query.after:
            conditions.append(_behind(keys, query.after, newest_first=query.newest_first))
        order = [key.desc() if query.newest_first else key.asc() for key in keys]
        statement: Select[Any] = select(table).where(*conditions).order_by(*order)
        if query.limit is not None:
            statement = statement.limit(query.limit).offset(query.offset)
        return [_record(row) for row in await core.fetch(self._tx, statement)]

    async def insert(self, kind: Kind, values: Record) -> None:
        """See `Rows`."""
        await core.execute(self._tx, insert(_table(kind)).values(values))

    async def claim(self, kind: Kind, values: Record) -> bool:
        """See `Rows`."""
        table = _table(kind)
        insert_into = sqlite.insert if self._tx.dialect == "sqlite" else postgresql.insert
        keys = [table.c[name] for name in KEY_COLUMNS[kind]]
        statement = insert_into(table).values(values).on_conflict_do_nothing(index_elements=keys)
        return bool(await core.execute(self._tx, statement))

    async def update(self, kind: Kind, key: Sequence[str], values: Record) -> None:
        """See `Rows`."""
        table = _table(kind)
        await core.execute(self._tx, update(table).where(_is(table, kind, key)).values(values))

    async def delete(self, kind: Kind, *key: str) -> None:
        """See `Rows`."""
        table = _table(kind)
        await core.execute(self._tx, delete(table).where(_is(table, kind, key)))

    async def stamp_keys(self, scope: str, name: str) -> None:
        """See `Rows`."""
        subjects: dict[str, Any] = {scope: name}
        await key_changes.touch(self._tx, **subjects)
        self.keys_changed = True

    async def stamp_configuration(self) -> None:
        """See `Rows`."""
        await self._tx.execute(_BUMP, reading.CHANGE)

    # ── money ──

    async def topup(self, account: str, amount: int, purpose: Purpose) -> Movement:
        """See `Money`."""
        return _movement(await transfers.topup(self._tx, account, amount, _note(purpose)))

    async def promote(self, account: str, amount: int, expires_at: float, purpose: Purpose) -> Movement:
        """See `Money`."""
        return _movement(await transfers.promote(self._tx, account, amount, expires_at, _note(purpose)))

    async def adjust(self, account: str, amount: int, purpose: Purpose) -> Movement:
        """See `Money`."""
        return _movement(await transfers.adjust(self._tx, account, amount, _note(purpose)))

    async def refund(self, exchange: str, amount: int, purpose: Purpose) -> Movement:
        """See `Money`."""
        return _movement(await transfers.refund(self._tx, exchange, amount, _note(purpose)))

    async def set_overdraft(self, account: str, overdraft: int) -> None:
        """See `Money`."""
        await transfers.set_overdraft(self._tx, account, overdraft)

    async def set_limit(self, meter: str, limit: int) -> None:
        """See `Money`."""
        await transfers.set_limit(self._tx, meter, limit)

    async def funds(self, account: str) -> Funds:
        """See `Money`."""
        found = await transfers.balance(self._tx, account)
        gifts = tuple(Gift(promise.left, promise.expires_at) for promise in found.promotions)
        return Funds(found.available, found.escrowed, found.own, found.overdraft, gifts)

    async def spending(self, meter: str) -> Spending:
        """See `Money`."""
        row = (await self._tx.fetch(_SPENDING, meter))[0]
        return Spending(int(row["spent"]), int(row["escrowed"]))

    # ── sums ──

    async def totals(self, span: Span, by: Sequence[By], limit: int) -> Sequence[Totals]:
        """See `Reports`."""
        added = [_added(part, span.where, by) for part in _parts(span, by)]
        statement = added[0] if len(added) == 1 else _joined(added, by)
        order = [f"by_{each.value}" for each in by]
        return [_totals(row, by) for row in await core.fetch(self._tx, statement.order_by(*order).limit(limit))]

    def _ordered(self, kind: Kind, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Names that files' lists are merged with: by code points on both databases. Ids: by their index."""
        return column.collate("C") if kind in _MERGED and self._tx.dialect == "postgresql" else column


def _table(kind: Kind) -> Table:
    return schema.metadata.tables[kind.value]


def _is(table: Table, kind: Kind, key: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in zip(KEY_COLUMNS[kind], key, strict=True)))


def _equals(table: Table, name: str, value: Any) -> ColumnElement[bool]:
    return table.c[name].is_(None) if value is None else table.c[name] == value


def _behind(keys: Sequence[ColumnElement[Any]], after: Sequence[str], *, newest_first: bool) -> ColumnElement[bool]:
    """Rows behind the key `after`; one with fewer parts stands for the beginning of what it begins."""
    alternatives = []
    for position, (key, value) in enumerate(zip(keys, after, strict=False)):
        equal = [keys[index] == after[index] for index in range(position)]
        alternatives.append(and_(*equal, key < value if newest_first else key > value))
    return or_(*alternatives)


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of a report's time, from `first` to before `end` as the column `time` counts it."""

    table: Table
    time: Column[int]
    first: int
    end: int


def _parts(span: Span, by: Sequence[By]) -> list[_Part]:
    """Whole days (UTC) from daily sums, unless hours are asked for; the rest from hourly ones."""
    first_day, end_day = -(-span.first // HOURS_OF_DAY), span.end // HOURS_OF_DAY
    if By.HOUR in by or first_day >= end_day:
        return [_hours(span.first, span.end)]
    found = [
        _hours(span.first, first_day * HOURS_OF_DAY),
        _Part(schema.days, schema.days.c.day, first_day, end_day),
        _hours(end_day * HOURS_OF_DAY, span.end),
    ]
    return [part for part in found if part.first < part.end]


def _hours(first: int, end: int) -> _Part:
    return _Part(schema.rollups, schema.rollups.c.hour, first, end)


def _added(part: _Part, where: Mapping[str, str], by: Sequence[By]) -> Select[Any]:
    """The sums of one part, those that anybody used."""
    groups = [_grouped(part, each).label(f"by_{each.value}") for each in by]
    sums = [func.sum(part.table.c[name]).label(name) for name in _SUMS]
    conditions = [part.time >= part.first, part.time < part.end]
    conditions += [_grouped(part, By(name)) == value for name, value in where.items()]
    used = func.sum(part.table.c.requests) > 0
    return select(*groups, *sums).where(*conditions).group_by(*groups).having(used)


def _joined(added: Sequence[Select[Any]], by: Sequence[By]) -> Select[Any]:
    """Parts that were added up each, so that SQLite keeps few rows of its own, added up."""
    parts = union_all(*added).subquery()
    groups = [parts.c[f"by_{each.value}"] for each in by]
    sums = [func.sum(parts.c[name]).label(name) for name in _SUMS]
    return select(*groups, *sums).group_by(*groups).having(func.sum(parts.c.requests) > 0)


def _grouped(part: _Part, by: By) -> ColumnElement[Any]:
    if by is By.DAY and part.table is schema.rollups:
        return part.time // HOURS_OF_DAY
    return part.table.c[_BY_COLUMNS[by]] if by in _BY_COLUMNS else part.time


def _totals(row: Row, by: Sequence[By]) -> Totals:
    """Days are named by the hour since the epoch that they begin with."""
    sums: dict[str, Any] = {name: int(row[name] or 0) for name in _SUMS if name != "seconds"}
    group = {each.value: str(row[f"by_{each.value}"]) for each in by}
    if By.DAY in by:
        group[By.DAY] = str(row["by_day"] * HOURS_OF_DAY)
    return Totals(group=group, seconds=float(row["seconds"] or 0), **sums)


def _record(row: Row) -> Record:
    return {name: row[name] for name in row.keys()}  # noqa: SIM118 - a row is no mapping


def _note(purpose: Purpose) -> Note:
    return Note(purpose.actor, purpose.reason, purpose.key)


def _movement(moved: Moved) -> Movement:
    return Movement(
        id=moved.id,
        at=moved.at,
        kind=moved.kind,
        debit=moved.debit,
        credit=moved.credit,
        amount=moved.amount,
        account=moved.account_id,
        exchange=moved.exchange,
        actor=moved.actor,
        reason=moved.reason,
    )
