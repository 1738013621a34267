"""Workers that are not closed, and what is set aside for them. The one that stands for jobs is none of them."""

from dataclasses import dataclass

from polyrelay.ledger.escrow import JOBS
from polyrelay.service.bank import Standing
from polyrelay.storage.sql.transaction import Tx

_OPEN = """
SELECT w.id, w.machine, w.journal, w.state, w.segment, w.position, w.lease_until,
       (SELECT coalesce(sum(s.amount), 0) FROM slices s JOIN pots p ON p.id = s.pot_id
        WHERE s.worker_id = w.id AND p.meter LIKE 'wallet:%') AS escrowed
FROM workers w WHERE w.state <> 'closed' AND w.id <> $1 ORDER BY w.id
"""


@dataclass(frozen=True, slots=True)
class OpenWorker:
    """A worker that is not closed. `lease` is seconds to its end, negative behind it; `escrowed` nanos of wallets."""

    standing: Standing
    lease: float
    escrowed: int


async def not_closed(tx: Tx) -> list[OpenWorker]:
    """All of them, by their ids."""
    now = await tx.now()
    names = ("id", "machine", "journal", "state", "segment", "position")
    return [
        OpenWorker(Standing(*(row[name] for name in names)), row["lease_until"] - now, int(row["escrowed"]))
        for row in await tx.fetch(_OPEN, JOBS)
    ]
