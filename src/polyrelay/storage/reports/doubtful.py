"""Jobs that nobody was charged for, though an upstream may bill them: what to look for in its invoice."""

from dataclasses import dataclass

import msgspec

from polyrelay.exchange.job import Upstreamed
from polyrelay.jobs.lifecycle import State
from polyrelay.storage.sql.transaction import Row, Tx

_STRANDED = f"(state = '{State.LOST}' AND accepted_at IS NULL)"
_FOUND = f"""
SELECT id, late_at, finished_at, account_id, model, channel, credential, upstreamed FROM jobs
WHERE (late_at IS NOT NULL OR {_STRANDED}) AND id > $1 AND created_at >= $2 AND created_at < $3
ORDER BY id LIMIT $4
"""  # noqa: S608 - a word of ours
_EVER = 1e15


@dataclass(frozen=True, slots=True)
class Doubtful:
    """One job. `late_at` is when its upstream had finished it after all (Unix seconds); None when the relay died while
    it handed the job on, so that nobody knows whether it was taken on. `upstream` are the upstream's names of it.
    """

    id: str
    ended_at: float
    late_at: float | None
    account: str
    model: str
    channel: str | None
    credential: str | None
    upstream: tuple[str, ...]


async def doubtful(
    tx: Tx, since: float | None, until: float | None, limit: int, after: str | None
) -> tuple[list[Doubtful], str | None]:
    """At most `limit` of them that were begun from `since` to before `until` (Unix seconds), the oldest first, behind
    the one that `after` names; and what to give as `after` next, None at the end.
    """
    rows = await tx.fetch(_FOUND, after or "", since or 0.0, until or _EVER, limit + 1)
    found = [_read(row) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None


def _read(row: Row) -> Doubtful:
    names = msgspec.json.decode(row["upstreamed"], type=Upstreamed).ids if row["upstreamed"] else ()
    return Doubtful(
        row["id"],
        row["finished_at"],
        row["late_at"],
        row["account_id"],
        row["model"],
        row["channel"],
        row["credential"],
        names,
    )
