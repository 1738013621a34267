"""What an upstream's word on a job means for it. Pure decisions; `background.poller` carries them out."""

import msgspec

from polyrelay.exchange.job import Snapshot, Stage, Upstreamed
from polyrelay.exchange.usage import Usage
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.service.jobs import booking
from polyrelay.settings.jobs import JobSettings

LATE_PACE_SECONDS = 60.0
"""Between two looks at a job that was given up: nobody waits for it."""

FAILED_WORDS = "The upstream provider could not do this job."
EXPIRED_WORDS = "The upstream provider did not finish this job in time."
LOST_WORDS = "The upstream provider does not know this job any more."
STRANDED_WORDS = "The relay was interrupted while it handed this job on; nobody knows whether it was taken on."


class Step(msgspec.Struct, frozen=True):
    """What becomes of a job: it is as `job` says from now on. `event` is None while it goes on.

    `changed` tells whether there is anything to write down, `usage` what is to be charged when it succeeded.
    """

    job: Job
    event: Event | None = None
    changed: bool = False
    usage: Usage | None = None


def heard(job: Job, said: Snapshot, now: float, settings: JobSettings) -> Step:
    """After its upstream spoke of it, at `now` (Unix seconds). What `said` gives as reason is fit for clients."""
    if job.state.over:
        return _heard_late(job, said, now, settings)
    job_now = _further(job, said, now)
    if said.stage is Stage.SUCCEEDED and job_now.result is not None:
        done = job_now.after(Event.SUCCEED, progress=100, finished_at=now, watched=False)
        return Step(done, Event.SUCCEED, changed=True, usage=booking.used(done, said))
    if said.stage is Stage.FAILED:
        return _given_up(job_now, Event.FAIL, said.reason or FAILED_WORDS, now, watched=False)
    return overdue(job_now, now, settings) or Step(job_now, None, changed=job_now != job)


def unknown(job: Job, since: float, now: float, settings: JobSettings) -> Step:
    """After its upstream said that it knows no such job, first at `since` and again at `now` (Unix seconds)."""
    if job.state.over:
        return _watched_on(job, now, settings)
    if now - since >= settings.lost_seconds:
        return _given_up(job, Event.LOSE, LOST_WORDS, now, watched=settings.late_watch_seconds > 0)
    return overdue(job, now, settings) or Step(job)


def overdue(job: Job, now: float, settings: JobSettings) -> Step | None:
    """The end of a job that is too old, None for one that is not; of one that was given up, the end of the watch."""
    if job.state.over:
        ended = _watched_on(job, now, settings)
        return ended if ended.changed else None
    if now - job.created_at < most_age(job.kind, settings):
        return None
    return _given_up(job, Event.EXPIRE, EXPIRED_WORDS, now, watched=settings.late_watch_seconds > 0)


def stranded(job: Job, now: float) -> Step:
    """The end of a job whose submission was interrupted."""
    return _given_up(job, Event.STRAND, STRANDED_WORDS, now, watched=False)


def most_age(kind: Kind, settings: JobSettings) -> float:
    """Seconds from its submission after which a job is given up."""
    match kind:
        case Kind.LYRICS:
            return settings.lyrics_max_age_seconds
        case Kind.VIDEO:
            return settings.video_max_age_seconds
        case _:
            return settings.music_max_age_seconds


def _further(job: Job, said: Snapshot, now: float) -> Job:
    """As far as `said` says. What was made before stays when it is not repeated, and nothing goes backwards."""
    begun = said.stage is Stage.RUNNING and job.state is State.ACCEPTED
    upstreamed = job.upstreamed
    if said.clips and upstreamed is not None and said.clips != upstreamed.clips:
        upstreamed = Upstreamed(upstreamed.ids, said.clips)
    changes = {
        "stage": said.stage,
        "progress": max(job.progress, min(max(said.progress, 0), 100)),
        "result": said.result if said.result is not None else job.result,
        "upstreamed": upstreamed,
    }
    if begun:
        return job.after(Event.BEGIN, started_at=now, **changes)
    return msgspec.structs.replace(job, **changes)


def _given_up(job: Job, event: Event, reason: str, now: float, *, watched: bool) -> Step:
    """Ended without a charge, and so without anything to deliver."""
    ended = job.after(event, reason=reason, result=None, finished_at=now, watched=watched)
    return Step(ended, event, changed=True)


def _heard_late(job: Job, said: Snapshot, now: float, settings: JobSettings) -> Step:
    if said.stage is Stage.SUCCEEDED:
        return Step(job.after(Event.LATE, late_at=now, watched=False), Event.LATE, changed=True)
    if said.stage is Stage.FAILED:
        return Step(msgspec.structs.replace(job, watched=False), None, changed=True)
    return _watched_on(job, now, settings)


def _watched_on(job: Job, now: float, settings: JobSettings) -> Step:
    """Until its watch ends: then nobody is to look at it any more."""
    if job.finished_at is not None and now < job.finished_at + settings.late_watch_seconds:
        return Step(job)
    return Step(msgspec.structs.replace(job, watched=False), None, changed=True)
