"""What the end of a job leaves to be done, written in the transaction that ends it."""

from collections.abc import Callable

from polyrelay.jobs import artefacts
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel.ids import ExchangeId
from polyrelay.storage.sql.transaction import Dialect, Tx

Stores = Callable[[str], bool]
"""Whether the channel of a name has what its jobs made kept."""

_DELIVERY = """
INSERT INTO webhook_deliveries (id, job_id, account_id, key_id, url, state, next_at, created_at)
VALUES ($1, $2, $3, $4, $5, 'pending', $6, $6)
"""
_ARTEFACT = """
INSERT INTO artefacts (id, job_id, account_id, slot, state, next_at, created_at)
VALUES ($1, $2, $3, $4, 'wanted', $5, $5)
"""
_LEASES: dict[Dialect, str] = {
    "sqlite": "SELECT next_at FROM artefacts WHERE job_id = $1",
    "postgresql": "SELECT next_at FROM artefacts WHERE job_id = $1 FOR UPDATE",
}
_GONE = "UPDATE artefacts SET state = 'failed', next_at = NULL, expires_at = $2 WHERE job_id = $1 AND state <> 'failed'"

_JOB_PREFIX = "px_"


def nothing_stored(_channel: str) -> bool:
    """For relays without such a channel."""
    return False


async def ended(tx: Tx, job: Job, event: Event, stores: Stores) -> None:
    """Write down whom to call, and what to fetch, now that `event` has ended `job`."""
    now = await tx.now()
    if (url := caller(job, event)) is not None:
        values = (delivery_id(job.id), job.id, job.payer.account, job.payer.key, url, now)
        await tx.execute(_DELIVERY, *values)
    rows = [
        (artefacts.identify(job.id, number), job.id, job.payer.account, medium.slot, now)
        for number, medium in enumerate(wanted(job, event, stores))
    ]
    if rows:
        await tx.many(_ARTEFACT, rows)


async def thrown_away(tx: Tx, job: ExchangeId) -> None:
    """Let go of what `job` made: it is not handed out any more, and is deleted once nothing can be on its way here."""
    leases = [row["next_at"] or 0.0 for row in await tx.fetch(_LEASES[tx.dialect], job)]
    await tx.execute(_GONE, job, max([await tx.now(), *leases]))


# ── decisions both adapters share ────────────────────────────────────────────────────────────────────────────────


def caller(job: Job, event: Event) -> str | None:
    """Whom to call. Whose submission was refused has heard of it."""
    return job.notify if event is not Event.REFUSE else None


def wanted(job: Job, event: Event, stores: Stores) -> tuple[artefacts.Medium, ...]:
    """What to fetch."""
    if event is not Event.SUCCEED or job.place is None or not stores(job.place.channel):
        return ()
    return artefacts.media(job.result)


def delivery_id(job: ExchangeId) -> str:
    """The `webhook-id` of a job's call: receivers see every attempt under the same."""
    return f"msg_{job.removeprefix(_JOB_PREFIX)}"
