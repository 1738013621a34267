"""What open jobs hold, in the slices of the worker `jobs` (see `ledger.escrow`).

Of that worker no row is locked: it has no journal, and never ends, so that only the pots of a meter must stand still
while its slices of them change. Jobs of different accounts therefore never wait for each other.
"""

from collections.abc import Sequence

from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.ledger.escrow import JOBS
from polyrelay.ledger.meters import Meter
from polyrelay.ledger.pots import Pot
from polyrelay.service.bank import Row, Taken, Want
from polyrelay.service.jobs.ports import NotCovered, Scope
from polyrelay.storage.books import bank_post, bank_pots
from polyrelay.storage.books.bank import return_to, take_from
from polyrelay.storage.sql.transaction import Tx


async def hold(tx: Tx, meters: Sequence[Meter], amount: int, now: float) -> None:
    """Set `amount` nanos of each meter aside. Raises `NotCovered`."""
    found = await bank_pots.open_for(tx, meters, JOBS, now)
    set_aside(found, meters, amount, now)
    await bank_pots.write(tx, found, JOBS)


async def end(tx: Tx, row: Row, meters: Sequence[str], held: int) -> None:
    """Post `row`, which ends a hold of `held` nanos in each of `meters`, and give the rest of it back.

    Raises `Conflict` when the exchange is in the books already.
    """
    await bank_post.book(tx, JOBS, batch(row), [row])
    if rest := left_of(held, row):
        found = await bank_pots.of_meters(tx, meters, JOBS)
        return_to(found, [(meter, rest) for meter in meters], JOBS, await tx.now())
        await bank_pots.write(tx, found, JOBS)


# ── decisions both adapters share ────────────────────────────────────────────────────────────────────────────────


def set_aside(found: Sequence[Pot], meters: Sequence[Meter], amount: int, now: float) -> None:
    """Move `amount` of each meter into the slices of `found`. Raises `NotCovered`; then they are not to be written."""
    taken = take_from(found, [Want(meter, amount, amount) for meter in meters], now)
    lacking: list[Taken] = [each for each in taken if each.amount < amount]
    if lacking:
        raise NotCovered(lacking)


def left_of(held: int, row: Row) -> int:
    """What of a hold its exchange does not take."""
    return max(0, held - (row.amount or 0))


def batch(row: Row) -> str:
    """What the row and its transfers are marked with: each job is a batch of its own."""
    return f"{JOBS}:{row.id}"


def is_shown(job: Job, scope: Scope) -> bool:
    """Whether clients in `scope` may see it."""
    mine = job.payer.account == scope.account and scope.key in (None, job.payer.key)
    return mine and job.state is not State.REFUSED and not job.hidden
