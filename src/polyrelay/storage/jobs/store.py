"""Jobs in SQLite or PostgreSQL: the port `service.jobs.ports.JobStore`."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from polyrelay.jobs import lifecycle
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.kernel.ids import ExchangeId, KeyId
from polyrelay.ledger.meters import Meter
from polyrelay.service.bank import BankAway, LeaseLost
from polyrelay.service.bank import Row as Exchange
from polyrelay.service.jobs.ports import Crowded, Scope, Wanted
from polyrelay.storage.access import keys
from polyrelay.storage.delivery import outbox
from polyrelay.storage.delivery.outbox import Stores, nothing_stored
from polyrelay.storage.jobs import holds, rows
from polyrelay.storage.jobs.holds import is_shown
from polyrelay.storage.jobs.rows import CHANGING, FIXED
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Database, DatabaseAway, Dialect, T, Tx, Work

_COLUMNS = (*FIXED, *CHANGING)
_PLACES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
_CREATE = f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({_PLACES})"  # noqa: S608 - constants only

_SET = ", ".join(f"{column} = ${number}" for number, column in enumerate(CHANGING, 2))
_MORE = len(CHANGING) + 2
"""The first parameter behind the id and the changing columns."""


def _named(words: Collection[State | Kind]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


_OPEN = _named(lifecycle.OPEN - {State.SUBMITTING})
_ACCEPT = f"UPDATE jobs SET {_SET} WHERE id = $1 AND state = '{State.SUBMITTING}'"  # noqa: S608 - constants only
_NOTE = f"UPDATE jobs SET {_SET} WHERE id = $1 AND state IN ({_OPEN}) AND keeper = ${_MORE}"  # noqa: S608
_END = {
    event: f"UPDATE jobs SET {_SET} WHERE id = $1 AND state IN ({_named(lifecycle.origins(event))})"  # noqa: S608
    for event in Event
    if lifecycle.move(event).ends
}
_UNWATCH = f"""
UPDATE jobs SET late_at = $2, watched = 0
WHERE id = $1 AND state IN ({_named(lifecycle.origins(Event.LATE))}) AND watched = 1
"""  # noqa: S608 - constants only

_LIVE = "SELECT id FROM workers WHERE state = 'live' AND lease_until > $1"
_OPEN_OF_ACCOUNT = "SELECT count(*) AS number FROM jobs WHERE account_id = $1 AND finished_at IS NULL"
_ORPHANED = f"""
SELECT id FROM jobs WHERE watched = 1 AND keeper NOT IN ({_LIVE}) ORDER BY id LIMIT $2
"""  # noqa: S608 - constants only
_LOCK: dict[Dialect, str] = {"sqlite": "", "postgresql": "FOR UPDATE SKIP LOCKED"}
_TAKE_OVER = "UPDATE jobs SET keeper = $2 WHERE id {among} RETURNING *"
_KEPT = "SELECT id FROM jobs WHERE keeper = $1 AND watched = 1"
_HIDE = f"UPDATE jobs SET hidden = 1 WHERE id = $1 AND hidden = 0 AND state NOT IN ({_named(lifecycle.OPEN)})"  # noqa: S608
_LOAD = "SELECT * FROM jobs WHERE id {among}"


class SqlJobStore:
    """Implements `JobStore`. Every method raises `BankAway` when the database does not answer."""

    def __init__(
        self, database: Database, stores: Stores = nothing_stored, ended: Callable[[], Any] = lambda: None
    ) -> None:
        """`stores` says of a channel by its name whether what its jobs made is kept by the relay; `ended` is called
        after a job's end was kept, for whoever does what follows it.
        """
        self._database = database
        self._stores = stores
        self._ended = ended

    async def create(self, job: Job, meters: Sequence[Meter], most_open: int) -> None:
        """See the port. The account's pots are locked before its jobs are counted."""

        async def work(tx: Tx) -> None:
            now = await tx.now()
            if not await _is_live(tx, job.keeper, now):
                raise LeaseLost(f"worker {job.keeper} is not live")
            await holds.hold(tx, meters, job.held, now)
            if most_open and await _open(tx, job.payer.account) >= most_open:
                raise Crowded(f"account {job.payer.account} has {most_open} open jobs")
            await tx.execute(_CREATE, *rows.fixed(job), *rows.changing(job))
            await keys.mark_used(tx, {KeyId(job.payer.key): job.created_at})

        await self._write(work)

    async def accept(self, job: Job) -> bool:
        """See the port."""
        return await self._write(lambda tx: _update(tx, _ACCEPT, job))

    async def note(self, keeper: str, jobs: Sequence[Job]) -> None:
        """See the port."""
        values = [(job.id, *rows.changing(job), keeper) for job in sorted(jobs, key=_id)]
        if values:
            await self._write(lambda tx: tx.many(_NOTE, values))

    async def end(self, job: Job, event: Event, row: Exchange) -> bool:
        """See the port."""

        async def work(tx: Tx) -> bool:
            if not await _update(tx, _END[event], job):
                return False
            await holds.end(tx, row, job.payer.meters, job.held)
            await outbox.ended(tx, job, event, self._stores)
            return True

        done = await self._write(work)
        if done:
            self._ended()
        return done

    async def unwatch(self, job: Job) -> bool:
        """See the port."""

        async def work(tx: Tx) -> bool:
            return bool(await tx.execute(_UNWATCH, job.id, job.late_at))

        return await self._write(work)

    async def claim(self, keeper: str, limit: int) -> list[Job]:
        """See the port. A look that finds nothing, as nearly all do, is no write."""

        async def look(tx: Tx) -> bool:
            return bool(await tx.fetch(_ORPHANED, await tx.now(), 1))

        async def work(tx: Tx) -> list[Job]:
            now = await tx.now()
            if not await _is_live(tx, keeper, now):
                return []
            found = [row["id"] for row in await tx.fetch(_ORPHANED + _LOCK[tx.dialect], now, limit)]
            return [rows.read(row) for row in await among.fetch(tx, _TAKE_OVER, found, keeper)]

        return await self._write(work) if await self._read(look) else []

    async def kept(self, keeper: str) -> set[ExchangeId]:
        """See the port."""

        async def work(tx: Tx) -> set[ExchangeId]:
            return {ExchangeId(row["id"]) for row in await tx.fetch(_KEPT, keeper)}

        return await self._read(work)

    async def load(self, ids: Collection[ExchangeId]) -> list[Job]:
        """See the port."""

        async def work(tx: Tx) -> list[Job]:
            return [rows.read(row) for row in await among.fetch(tx, _LOAD, list(ids))]

        return await self._read(work) if ids else []

    async def find(self, scope: Scope, ids: Collection[ExchangeId]) -> list[Job]:
        """See the port."""
        return [job for job in await self.load(ids) if is_shown(job, scope)]

    async def page(self, scope: Scope, wanted: Wanted) -> list[Job]:
        """See the port."""
        sql, values = _page(scope, wanted)

        async def work(tx: Tx) -> list[Job]:
            return [rows.read(row) for row in await tx.fetch(sql, *values)]

        return await self._read(work)

    async def count(self, scope: Scope, kinds: Collection[Kind]) -> int:
        """See the port."""
        conditions, values = _in_scope(scope, kinds)

        async def work(tx: Tx) -> int:
            sql = f"SELECT count(*) AS number FROM jobs WHERE {conditions}"  # noqa: S608 - constants only
            number: int = (await tx.fetch(sql, *values))[0]["number"]
            return number

        return await self._read(work)

    async def hide(self, job: ExchangeId) -> None:
        """See the port."""

        async def work(tx: Tx) -> None:
            if await tx.execute(_HIDE, job):
                await outbox.thrown_away(tx, job)

        await self._write(work)

    async def _write(self, work: Work[T]) -> T:
        try:
            return await self._database.write(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error

    async def _read(self, work: Work[T]) -> T:
        try:
            return await self._database.read(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error


async def _is_live(tx: Tx, worker: str, now: float) -> bool:
    return bool(await tx.fetch(f"{_LIVE} AND id = $2", now, worker))


async def _open(tx: Tx, account: str) -> int:
    number: int = (await tx.fetch(_OPEN_OF_ACCOUNT, account))[0]["number"]
    return number


async def _update(tx: Tx, sql: str, job: Job) -> bool:
    return bool(await tx.execute(sql, job.id, *rows.changing(job)))


def _in_scope(scope: Scope, kinds: Collection[Kind]) -> tuple[str, list[Any]]:
    """By the index of keys or of accounts, which are in the order of time."""
    column, owner = ("account_id", scope.account) if scope.key is None else ("key_id", scope.key)
    conditions = [f"{column} = $1", "account_id = $2", f"state <> '{State.REFUSED}'", "hidden = 0"]
    if kinds:
        conditions.append(f"kind IN ({_named(kinds)})")
    return " AND ".join(conditions), [owner, scope.account]


def _page(scope: Scope, wanted: Wanted) -> tuple[str, list[Any]]:
    conditions, values = _in_scope(scope, wanted.kinds)
    beyond, direction = (">", "ASC") if wanted.oldest_first else ("<", "DESC")
    if wanted.before is not None:
        values.append(wanted.before)
        conditions += f" AND id {beyond} ${len(values)}"
    places = f"LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}"
    values += [wanted.limit, wanted.offset]
    return f"SELECT * FROM jobs WHERE {conditions} ORDER BY id {direction} {places}", values  # noqa: S608


def _id(job: Job) -> str:
    return job.id
