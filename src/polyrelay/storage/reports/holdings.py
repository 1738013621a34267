"""What customers are told of their money. Read by the serving process, so without SQLAlchemy."""

from collections.abc import Sequence

from polyrelay.service.bank import BankAway
from polyrelay.service.billing import Holdings, ModelUse, Span, Stand
from polyrelay.storage.books import transfers
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Database, DatabaseAway, Tx

_METERS = "SELECT meter, sum(spent) AS spent, sum(escrowed) AS escrowed FROM pots WHERE meter {among} GROUP BY meter"
_USES = """
SELECT model, sum(requests) AS requests, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    sum(amount) AS amount
FROM rollups WHERE key_id = $1 AND hour >= $2 AND hour < $3 GROUP BY model ORDER BY model
"""


class SqlBillingReads:
    """Implements `BillingReads`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def holdings(self, account: str, key: str, meter_ids: Sequence[str], spans: Sequence[Span]) -> Holdings:
        """See the port."""
        try:
            return await self._database.read(lambda tx: _holdings(tx, account, key, meter_ids, spans))
        except DatabaseAway as error:
            raise BankAway(str(error)) from error


async def _holdings(tx: Tx, account: str, key: str, meter_ids: Sequence[str], spans: Sequence[Span]) -> Holdings:
    wallet = await transfers.balance(tx, account)
    rows = await among.fetch(tx, _METERS, meter_ids)
    return Holdings(
        wallet.available,
        wallet.escrowed,
        wallet.own,
        wallet.overdraft,
        {row["meter"]: Stand(int(row["spent"]), int(row["escrowed"])) for row in rows},
        [await _uses(tx, key, span) for span in spans],
    )


async def _uses(tx: Tx, key: str, span: Span) -> list[ModelUse]:
    rows = await tx.fetch(_USES, key, span.first, span.end)
    names = ("requests", "input_tokens", "output_tokens", "amount")
    return [ModelUse(row["model"], *[int(row[name]) for name in names]) for row in rows]
