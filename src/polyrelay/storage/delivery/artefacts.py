"""Artefacts in SQLite or PostgreSQL: the port `service.artefacts.ports.ArtefactStore`."""

from collections.abc import Collection

from polyrelay.jobs.artefacts import Artefact, File, State
from polyrelay.kernel.ids import ExchangeId
from polyrelay.storage.delivery.transactions import Transactions
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Database, Dialect, Row, Tx

_DUE = "SELECT id FROM artefacts WHERE next_at <= $1 ORDER BY next_at LIMIT $2"
_LOCK: dict[Dialect, str] = {"sqlite": "", "postgresql": " FOR UPDATE SKIP LOCKED"}
_TAKE = "UPDATE artefacts SET attempts = attempts + 1, next_at = $2 WHERE id {among} RETURNING *"
_CONCLUDE = """
UPDATE artefacts SET state = $2, next_at = $3, error = $4, name = $5, size = $6, media_type = $7, digest = $8,
    place = $9, stored_at = $10, expires_at = $11
WHERE id = $1 AND state = 'wanted' AND attempts = $12
"""
_STORED = "SELECT * FROM artefacts WHERE job_id {among} AND state = 'stored'"
_FIND = "SELECT * FROM artefacts WHERE id = $1"
_EXPIRED = """
SELECT job_id FROM artefacts WHERE expires_at < $1 GROUP BY job_id ORDER BY min(expires_at) LIMIT $2
"""
_FORGET = "DELETE FROM artefacts WHERE job_id {among} RETURNING id"


class SqlArtefactStore:
    """Implements `ArtefactStore`."""

    def __init__(self, database: Database) -> None:
        self._transactions = Transactions(database)

    async def claim(self, limit: int, lease: float) -> list[Artefact]:
        """See the port. A look that finds nothing, as nearly all do, is no write."""

        async def look(tx: Tx) -> bool:
            return bool(await tx.fetch(_DUE, await tx.now(), 1))

        async def work(tx: Tx) -> list[Artefact]:
            now = await tx.now()
            due = [row["id"] for row in await tx.fetch(_DUE + _LOCK[tx.dialect], now, limit)]
            return [_artefact(row) for row in await among.fetch(tx, _TAKE, due, now + lease)]

        return await self._transactions.write(work) if await self._transactions.read(look) else []

    async def conclude(self, artefact: Artefact, next_at: float | None, error: str | None) -> None:
        """See the port."""
        file = artefact.file
        described = (None,) * 4 if file is None else (file.name, file.size, file.media_type, file.digest)
        values = (*described, artefact.place, artefact.stored_at, artefact.expires_at, artefact.attempts)

        async def work(tx: Tx) -> int:
            return await tx.execute(_CONCLUDE, artefact.id, artefact.state.value, next_at, error, *values)

        await self._transactions.write(work)

    async def stored(self, jobs: Collection[ExchangeId]) -> list[Artefact]:
        """See the port."""

        async def work(tx: Tx) -> list[Artefact]:
            return [_artefact(row) for row in await among.fetch(tx, _STORED, list(jobs))]

        return await self._transactions.read(work)

    async def find(self, name: str) -> Artefact | None:
        """See the port."""

        async def work(tx: Tx) -> Artefact | None:
            rows = await tx.fetch(_FIND, name)
            return _artefact(rows[0]) if rows else None

        return await self._transactions.read(work)

    async def expired(self, limit: int) -> list[ExchangeId]:
        """See the port."""

        async def work(tx: Tx) -> list[ExchangeId]:
            return [ExchangeId(row["job_id"]) for row in await tx.fetch(_EXPIRED, await tx.now(), limit)]

        return await self._transactions.read(work)

    async def forget(self, jobs: Collection[ExchangeId]) -> None:
        """See the port."""

        async def work(tx: Tx) -> None:
            await among.fetch(tx, _FORGET, list(jobs))

        if jobs:
            await self._transactions.write(work)


def _artefact(row: Row) -> Artefact:
    stored = row["digest"] is not None
    return Artefact(
        id=row["id"],
        job=ExchangeId(row["job_id"]),
        account=row["account_id"],
        slot=row["slot"],
        state=State(row["state"]),
        attempts=row["attempts"],
        file=File(row["name"], row["size"], row["media_type"], row["digest"]) if stored else None,
        place=row["place"],
        stored_at=row["stored_at"],
        expires_at=row["expires_at"],
    )
