"""The hold of a new job: what a chat request would be told when it is not to be had, this is told, too."""

from collections.abc import Sequence

from polyrelay.jobs.job import Job
from polyrelay.kernel import errors
from polyrelay.ledger.meters import Meter
from polyrelay.service import waiting
from polyrelay.service.bank import BankAway, LeaseLost
from polyrelay.service.jobs.ports import Crowded, NotCovered
from polyrelay.service.jobs.works import Works
from polyrelay.service.treasury import books_away

ASK_AGAIN_SECONDS = 0.05
"""Between two tries to hold funds that others were asked to give back: they hear the bell within that time."""

CROWDED_SECONDS = 5.0
"""Advice to an account with too many open jobs: one of them may end at any time."""


async def hold(works: Works, job: Job, payers: Sequence[Meter]) -> None:
    """Write `job` with its hold; for want of funds, wait a moment for what other workers give back.

    Raises `errors.Refusal` when nothing was written, and `BankAway` when nobody knows whether it was.
    """
    began, recalled = works.clock.monotonic(), False
    while (lack := await _tried(works, job, payers)) is not None:
        short = _short_of(job, payers, lack)
        if works.clock.monotonic() - began >= waiting.PATIENCE_SECONDS:
            raise waiting.in_flight(short) from lack
        if not recalled:
            recalled = True
            await _recall(works, job)
        await works.pause(ASK_AGAIN_SECONDS)


async def _tried(works: Works, job: Job, payers: Sequence[Meter]) -> NotCovered | None:
    """What it lacked, None when it is written."""
    try:
        await works.store.create(job, payers, works.settings().most_in_flight)
    except NotCovered as lack:
        return lack
    except Crowded as error:
        raise errors.RateLimited(
            "Your account has as many jobs under way as it may; retry when one has ended.",
            code="jobs_in_flight",
            retry_after=CROWDED_SECONDS,
        ) from error
    except LeaseLost as error:
        raise books_away() from error
    return None


async def _recall(works: Works, job: Job) -> None:
    try:
        await works.recall(job.payer.meters)
    except BankAway as error:
        raise books_away() from error


def _short_of(job: Job, payers: Sequence[Meter], lack: NotCovered) -> Meter:
    """A meter that has too little now. Raises `errors.InsufficientQuota` when nothing in flight can change that."""
    named = {meter.id: meter for meter in payers}
    for each in lack.lacking:
        if each.left + each.escrowed < job.held:
            raise waiting.exhausted(named[each.meter]) from lack
    return named[lack.lacking[0].meter]
