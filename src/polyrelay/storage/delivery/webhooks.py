"""Deliveries in SQLite or PostgreSQL: the port `service.webhooks.ports.DeliveryStore`."""

from typing import Any

from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.webhooks.ports import Attempt, Claim, Delivery, Result, State, chosen
from polyrelay.storage.delivery.transactions import Transactions
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Database, Dialect, Row, Tx

WINDOW = 200
"""Deliveries looked at in one claim, the longest due first."""

PRUNED = 500
"""Deleted in one transaction."""

_DUE = """
SELECT id, account_id FROM webhook_deliveries AS d
WHERE next_at <= $1
AND NOT EXISTS (SELECT 1 FROM artefacts WHERE artefacts.job_id = d.job_id AND artefacts.next_at IS NOT NULL)
{busy}
ORDER BY next_at LIMIT {window}
"""
_LOCK: dict[Dialect, str] = {"sqlite": "", "postgresql": "FOR UPDATE SKIP LOCKED"}
_TAKE = """
UPDATE webhook_deliveries SET attempts = attempts + 1, next_at = $3
WHERE id IN (SELECT id FROM webhook_deliveries WHERE id {among} AND next_at <= $2 {lock})
RETURNING id, job_id, account_id, key_id, url, attempts
"""
_WRITE_DOWN = """
INSERT INTO webhook_attempts (delivery_id, number, at, seconds, status, error) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
_CONCLUDE = """
UPDATE webhook_deliveries SET state = $2, next_at = $3, finished_at = $4
WHERE id = $1 AND state = 'pending' AND attempts = $5
"""
_OVER = "SELECT id FROM webhook_deliveries WHERE finished_at < $1 ORDER BY finished_at LIMIT $2"
_FORGET = (
    "DELETE FROM webhook_attempts WHERE delivery_id {among} RETURNING delivery_id",
    "DELETE FROM webhook_deliveries WHERE id {among} RETURNING id",
)


class SqlDeliveryStore:
    """Implements `DeliveryStore`."""

    def __init__(self, database: Database) -> None:
        self._transactions = Transactions(database)

    async def claim(self, claim: Claim) -> list[Delivery]:
        """See the port. A look that finds nothing, as nearly all do, is no write."""
        sql, busy = _due(claim)

        async def look(tx: Tx) -> bool:
            return bool(await tx.fetch(sql, await tx.now(), *busy))

        async def work(tx: Tx) -> list[Delivery]:
            now = await tx.now()
            due = [(row["id"], row["account_id"]) for row in await tx.fetch(sql, now, *busy)]
            take = _TAKE.replace("{lock}", _LOCK[tx.dialect])
            found = await among.fetch(tx, take, chosen(due, claim), now, now + claim.lease)
            return [_delivery(row) for row in found]

        return await self._transactions.write(work) if await self._transactions.read(look) else []

    async def conclude(self, delivery: Delivery, attempt: Attempt, result: Result) -> None:
        """See the port."""

        async def work(tx: Tx) -> None:
            values = (attempt.at, attempt.seconds, attempt.status, attempt.error)
            await tx.execute(_WRITE_DOWN, delivery.id, delivery.attempts, *values)
            finished = None if result.state is State.PENDING else await tx.now()
            await tx.execute(_CONCLUDE, delivery.id, result.state.value, result.next_at, finished, delivery.attempts)

        await self._transactions.write(work)

    async def prune(self, seconds: float) -> int:
        """See the port."""

        async def work(tx: Tx) -> int:
            over = [row["id"] for row in await tx.fetch(_OVER, await tx.now() - seconds, PRUNED)]
            for sql in _FORGET:
                await among.fetch(tx, sql, over)
            return len(over)

        return await self._transactions.write(work)


def _due(claim: Claim) -> tuple[str, list[Any]]:
    """What is due but for accounts that have all they may have, and the parameters behind the time."""
    full = sorted(account for account, number in claim.busy.items() if number >= claim.per_account)
    places = ", ".join(f"${number}" for number in range(2, len(full) + 2))
    busy = f"AND account_id NOT IN ({places})" if full else ""
    return _DUE.format(busy=busy, window=WINDOW), list(full)


def _delivery(row: Row) -> Delivery:
    return Delivery(row["id"], ExchangeId(row["job_id"]), row["account_id"], row["key_id"], row["url"], row["attempts"])
