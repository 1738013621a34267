"""How long jobs that are over are kept: as long as the records of single exchanges."""

from polyrelay.storage.reports import retention
from polyrelay.storage.sql.transaction import Tx

ROWS = 250
"""Deleted in one transaction; see `reports.retention`."""

_OLD = "SELECT id FROM jobs WHERE id < $1 AND finished_at < $2 AND watched = 0 ORDER BY id LIMIT $3"
_DELETE = f"DELETE FROM jobs WHERE id IN ({_OLD})"  # noqa: S608 - constants only


async def prune(tx: Tx, before: float, rows: int = ROWS) -> int:
    """Delete up to `rows` jobs that ended before `before` (Unix seconds); how many. Again until it is 0."""
    return await tx.execute(_DELETE, retention.first_id(before), before, rows)
