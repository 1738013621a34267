"""How long single exchanges are kept. Their hourly and daily sums and every transfer stay."""

from polyrelay.kernel import ids
from polyrelay.storage.sql.transaction import Tx

ROWS = 250
"""Deleted in one transaction: some tens of milliseconds of the database's one writer."""

HORIZON = "exchanges_kept_since"
"""Name in table `meta`: Unix seconds before which exchanges may be missing; a whole hour, so that the sums of every
later hour can still be proved."""

HOUR_SECONDS = 3600

_OLD = """
SELECT e.id FROM exchanges e WHERE e.id < $1 AND e.at < $2
AND NOT EXISTS (SELECT 1 FROM transfers t WHERE t.batch = e.batch AND t.at >= $2)
ORDER BY e.id LIMIT $3
"""
_DELETE = f"DELETE FROM exchanges WHERE id IN ({_OLD})"  # noqa: S608 - constants only
_REMEMBER = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


async def prune(tx: Tx, before: float, rows: int = ROWS) -> int:
    """Delete up to `rows` exchanges of whole hours before `before` (Unix seconds); how many. Again until it is 0.

    What was posted late stays until its posting is as old, so that every later batch can be proved to the last row.
    """
    hour = int(before // HOUR_SECONDS) * HOUR_SECONDS
    if hour > await kept_since(tx):
        await tx.execute(_REMEMBER, HORIZON, str(hour))
    return await tx.execute(_DELETE, first_id(hour), float(hour), rows)


async def kept_since(tx: Tx) -> float:
    """The time from which every exchange is there; 0 when none was ever deleted."""
    found = await tx.fetch("SELECT value FROM meta WHERE name = $1", HORIZON)
    return float(found[0]["value"]) if found else 0.0


def first_id(seconds: float) -> str:
    """Not above any id of an exchange that began at `seconds` (Unix) or later: ids begin with their time."""
    return ids.stamped("px_", max(0, int(seconds * 1000)), b"")
