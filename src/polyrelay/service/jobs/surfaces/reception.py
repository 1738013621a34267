"""What every surface of jobs needs: who asks, may they, taking a job on, and showing it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from polyrelay.access import policy
from polyrelay.access.principal import Principal
from polyrelay.exchange import names
from polyrelay.exchange.call import BillingGroup, Call, Demand
from polyrelay.exchange.job import Ask, Stage, Upstreamed
from polyrelay.exchange.music import Lyrics, Song
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.routing.channel import Candidate
from polyrelay.service import admit, answers
from polyrelay.service.bank import BankAway
from polyrelay.service.jobs.commission import Commission
from polyrelay.service.jobs.desk import JobDesk
from polyrelay.service.jobs.ports import Wanted
from polyrelay.service.jobs.surfaces.visit import Visit
from polyrelay.service.ports import Head
from polyrelay.service.relay import Relay, unserved
from polyrelay.service.treasury import books_away
from polyrelay.service.webhooks import intake
from polyrelay.wire.hooks import Hook
from polyrelay.wire.suno.view import JobView
from polyrelay.wire.videos.view import VideoView

LOOK_AGAIN_SECONDS = 0.5
"""Between two looks at a job that a client waits for."""

NOBODY: Mapping[str, str] = {}

Shown = Callable[[Sequence[Job]], Awaitable[Sequence[Job]]]
"""Jobs as clients are to see them. Raises `BankAway`."""


class Order(msgspec.Struct, frozen=True):
    """A job as its surface understood it: `model` by the client's name, `demand` what it may use at most."""

    surface: str
    ask: Ask
    model: str
    demand: Demand
    hook: Hook | None = None
    billing: BillingGroup | None = None


class Reception:
    """One per process, for all surfaces."""

    def __init__(self, relay: Relay, desk: JobDesk, shown: Shown) -> None:
        """`shown` puts links to what the relay keeps of jobs in the place of their upstreams'."""
        self._relay = relay
        self._desk = desk
        self._shown = shown

    def principal(self, visit: Visit, key_header: bytes | None) -> Principal:
        """Who asks: by `authorization`, or by `key_header` where clients of a surface send their key in that.

        Raises `errors.Unauthenticated`, `errors.Forbidden`.
        """
        world = self._relay.world
        return admit.principal(visit.head, visit.peer, keys=world.keys, now=world.clock.wall(), key_header=key_header)

    async def submit(self, visit: Visit, holder: Principal, order: Order) -> Job:
        """Take a job on. Raises `errors.Refusal`."""
        policy.check_model(holder, order.model)
        noted = intake.note(order.hook, self._relay.snapshot.settings.webhooks)
        visit.notes.extend(noted.headers)
        candidates = self.candidates(visit, order.model)
        call = Call(
            order.model,
            stream=False,
            input_bytes=len(visit.body),
            billing=order.billing,
            demand=order.demand,
            capped=False,
        )
        lease = admit.lease(holder, call, self._relay.world.limits)
        slip = visit.slip
        try:
            return await self._desk.submit(
                Commission(slip.exchange, holder, order.surface, order.ask, call, candidates, slip.label, noted.url)
            )
        finally:
            lease.release(0)

    def candidates(self, visit: Visit, model: str) -> Sequence[Candidate]:
        """Who may be asked for jobs of `model`, best first. Raises `errors.NotFound` or `errors.InvalidRequest`."""
        snapshot = self._relay.snapshot
        found = snapshot.candidates(model, (Operation.JOB,), hash(visit.slip.exchange))
        if not found:
            raise unserved(snapshot, model)
        return found

    @contextmanager
    def admitted(self, visit: Visit, holder: Principal, model: str) -> Iterator[None]:
        """While a question about `model` is put to an upstream: it costs nothing, and counts against every limit.

        Raises `errors.Forbidden`, `errors.RateLimited`.
        """
        policy.check_model(holder, model)
        call = Call(model, stream=False, input_bytes=len(visit.body), capped=False)
        lease = admit.lease(holder, call, self._relay.world.limits)
        try:
            yield
        finally:
            lease.release(0)

    async def job(self, holder: Principal, name: str, kinds: Collection[Kind], *, what: str) -> Job:
        """A job of the key's by its name or by that of one of its clips. Raises `errors.NotFound` naming `what`."""
        found = await self.jobs(holder, [name], kinds)
        if not found:
            raise errors.NotFound(f"There is no such {what}.", code="not_found", param="id")
        return found[0]

    async def jobs(self, holder: Principal, wanted: Iterable[str], kinds: Collection[Kind]) -> list[Job]:
        """Those of the key's jobs that `wanted` names, or clips of them, in that order; others are left out."""
        ids = [cast("ExchangeId", each) for each in names.job_ids(wanted)]
        found = await self._desk.find_many(holder, ids)
        return [found[each] for each in ids if each in found and found[each].kind in kinds]

    async def newest(self, holder: Principal, wanted: Wanted) -> list[Job]:
        """A page of the key's jobs."""
        return await self._desk.list(holder, wanted)

    async def count(self, holder: Principal, kinds: Collection[Kind]) -> int:
        """How many jobs of these kinds the key has."""
        return await self._desk.count(holder, kinds)

    async def settled(self, holder: Principal, job: Job, heard: Callable[[JobView], bool], seconds: float) -> Job:
        """`job` as it is once `heard` says so of it, or after so many seconds."""
        clock = self._relay.world.clock
        until = clock.monotonic() + seconds
        while not heard(await self.song(holder, job)) and clock.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            job = await self._desk.find(holder, job.id) or job
        return job

    # ── how jobs are shown ──

    async def song(self, holder: Principal, job: Job) -> JobView:
        """One job of music or lyrics, to be rendered."""
        return (await self.songs(holder, [job]))[0]

    async def songs(self, holder: Principal, jobs: Collection[Job]) -> list[JobView]:
        """Jobs of music or lyrics, to be rendered."""
        known = await self._known(holder, jobs)
        return [song(job, known) for job in await self._linked(jobs)]

    async def videos(self, holder: Principal, jobs: Collection[Job]) -> list[VideoView]:
        """Jobs of videos, to be rendered."""
        known = await self._known(holder, jobs)
        return [video(job, known) for job in await self._linked(jobs)]

    async def _linked(self, jobs: Collection[Job]) -> Sequence[Job]:
        try:
            return await self._shown(list(jobs))
        except BankAway as error:
            raise books_away() from error

    async def _known(self, holder: Principal, jobs: Collection[Job]) -> Mapping[str, str]:
        """Upstream names of the jobs and clips that `jobs` build on, with the relay's."""
        mentioned = {name for job in jobs for name in names.mentioned(job.ask)}
        if not mentioned:
            return {}
        ids = [cast("ExchangeId", each) for each in names.job_ids(mentioned)]
        known: dict[str, str] = {}
        for job in (await self._desk.find_many(holder, ids)).values():
            if job.upstreamed is not None:
                known |= dict.fromkeys(job.upstreamed.ids, job.id)
                known |= {clip: names.clip(job.id, number) for number, clip in enumerate(job.upstreamed.clips)}
        return known

    # ── what answers carry ──

    def slip(self, head: Head) -> answers.Slip:
        """What identifies a request that begins now."""
        return self._relay.slip(head, self._relay.world.clock.monotonic())

    def identity(self, visit: Visit) -> answers.Headers:
        """The header lines that identify its answer."""
        return visit.slip.headers(self._relay.world.clock.monotonic())

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._relay.world.clock.wall() * 1000)


def stage(job: Job) -> Stage:
    """How far a job is, as its client may know: whatever was refunded has failed."""
    if job.state is State.SUCCEEDED:
        return Stage.SUCCEEDED
    return Stage.FAILED if job.state.over else job.stage


def song(job: Job, known: Mapping[str, str] = NOBODY) -> JobView:
    """A job of music or lyrics, to be rendered. `known` are upstream names of other jobs, with the relay's."""
    result = job.result
    return JobView(
        ask=cast("Any", job.ask),
        model=job.model,
        result=result if isinstance(result, Song | Lyrics) else None,
        hook=job.notify,
        **_shared(job, known),
    )


def video(job: Job, known: Mapping[str, str] = NOBODY) -> VideoView:
    """A job of a video, to be rendered. `known` as for `song`."""
    result = job.result
    if not isinstance(job.ask, VideoAsk):
        raise TypeError("not a video")
    return VideoView(
        ask=job.ask, model=job.model, result=result if isinstance(result, Video) else None, **_shared(job, known)
    )


def _shared(job: Job, known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "stage": stage(job),
        "created": int(job.created_at),
        "started": None if job.started_at is None else int(job.started_at),
        "finished": None if job.finished_at is None else int(job.finished_at),
        "progress": job.progress,
        "reason": job.reason,
        "upstreamed": job.upstreamed or Upstreamed(()),
        "known": known,
    }
