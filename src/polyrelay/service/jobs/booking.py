"""The money side of a job: what it is made with, and the exchange it becomes when it ends.

The exchange is made as recovery makes one: a journal's entries are written and read at once, so that there is one way
from a pinned tariff to a bill.
"""

import logging
import math
from collections.abc import Sequence

import msgspec

from polyrelay.exchange.job import Snapshot
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.jobs import lifecycle
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event, Move
from polyrelay.ledger import entries
from polyrelay.ledger.entries import Facts, Payer, Pinned, Settled, Voided
from polyrelay.metering import rate
from polyrelay.metering.book import Unpriced
from polyrelay.metering.rate import BadUsage
from polyrelay.service import facts, posting
from polyrelay.service.bank import Row
from polyrelay.service.ports import Record
from polyrelay.service.posting import Transcript, Zones

logger = logging.getLogger(__name__)

_PAYER = _QUOTE = 1

_ENDS: dict[Event, tuple[int, Outcome, str | None]] = {
    Event.SUCCEED: (200, Outcome.COMPLETE, None),
    Event.FAIL: (502, Outcome.UPSTREAM_ERROR, "job_failed"),
    Event.EXPIRE: (504, Outcome.UPSTREAM_ERROR, "job_expired"),
    Event.LOSE: (502, Outcome.UPSTREAM_ERROR, "job_lost"),
    Event.STRAND: (500, Outcome.TRUNCATED, posting.CRASHED),
}
"""Status, outcome and error of the record. Its client had a 200 when it was taken on; what counts is how it ended."""


def used(job: Job, said: Snapshot) -> Usage:
    """What a job used that succeeded: as its upstream states, and what it leaves out as was asked for, one job done.

    Seconds of a video that was made are those it has, but no more than a client asked for who named a length.
    """
    stated, demand = said.usage or Usage(), job.demand
    return msgspec.structs.replace(
        stated,
        seconds=_seconds(job, said, stated) or demand.seconds,
        tasks=stated.tasks or demand.tasks,
        images=stated.images or demand.images,
        characters=stated.characters or demand.characters,
    )


def _seconds(job: Job, said: Snapshot, stated: Usage) -> int:
    seconds = stated.seconds
    if not seconds and isinstance(said.result, Video) and said.result.seconds:
        seconds = math.ceil(said.result.seconds)
    if not isinstance(job.ask, VideoAsk) or job.ask.seconds is None or seconds <= job.ask.seconds:
        return seconds
    logger.warning(
        "job %s: %d seconds were asked for, and its upstream says it made %d; those asked for are charged",
        job.id,
        job.ask.seconds,
        seconds,
    )
    return job.ask.seconds


def record(job: Job, event: Event, usage: Usage | None = None) -> Record:
    """The exchange of a job that `event` ended, for the log and the books. `usage` is None when nothing is charged."""
    return refused(job, *_ENDS[event], usage)


def refused(job: Job, status: int, outcome: Outcome, error: str | None, usage: Usage | None = None) -> Record:
    """The same for one whose client got a refusal of that status and code."""
    return Record(
        exchange=job.id,
        label=job.label,
        surface=job.surface,
        account=job.payer.account,
        key=job.payer.key,
        model=job.model,
        channel=job.place.channel if job.place is not None else None,
        status=status,
        outcome=outcome,
        attempts=job.attempts,
        seconds=max(0.0, (job.finished_at or job.created_at) - job.created_at),
        first_token=None,
        usage=usage,
        finish=job.state.value,
        error=error,
        billing=job.billing,
        provider=job.place.provider if job.place is not None else None,
    )


def row(job: Job, event: Event, told: Record, zones: Zones) -> Row:
    """The row of `told`, which ends the hold of `job`: charged if `event` posts, else given back.

    What has no price costs the hold: it was bounded by what was asked for. A stranded one is marked indeterminate, as
    nobody knows what its upstream makes of it.
    """
    transcript = Transcript(zones)
    for entry in _stated(job):
        transcript.row(entry)
    made = transcript.row(_ending(job, event, facts.of(told), told.usage, zones))
    if made is None:
        raise AssertionError("an ended exchange makes a row")
    if event is Event.STRAND:
        return msgspec.structs.replace(made, indeterminate=True, held=job.held)
    return made


def _stated(job: Job) -> Sequence[Payer | Pinned]:
    payer = job.payer
    return (
        Payer(_PAYER, payer.account, payer.project, payer.key, payer.group, payer.meters),
        _pinned(job),
    )


def _pinned(job: Job) -> Pinned:
    return Pinned(_QUOTE, job.price.tariff.encode(), job.price.multiplier, job.price.window)


def _ending(job: Job, event: Event, told: Facts, usage: Usage | None, zones: Zones) -> entries.Entry:
    at = job.finished_at or job.created_at
    if lifecycle.move(event) is not Move.POST or usage is None:
        return Voided(job.id, at, _PAYER, told)
    due = _due(job, usage, zones)
    covered = min(due, job.held)
    return Settled(job.id, at, _PAYER, _QUOTE, job.held, covered, due - covered, usage, told)


def _due(job: Job, usage: Usage, zones: Zones) -> int:
    try:
        return rate.amount(usage, posting.quote(_pinned(job), zones))
    except (Unpriced, BadUsage) as error:
        logger.error("job %s is charged its hold: %s", job.id, error)  # noqa: TRY400 - data, no defect
        return job.held
