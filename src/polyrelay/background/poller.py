"""Asks upstreams how the jobs of this worker are, writes what they say, and takes over jobs that nobody keeps.

What is asked and heard is in memory. The database hears of what changed, once a round, and of an end at once after it;
while it is away, ends wait, since a job that is not ended is only asked about again. One task does all of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Snapshot, Upstreamed
from polyrelay.jobs import lifecycle
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.kernel import bounds
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import ExchangeId
from polyrelay.routing.channel import Candidate
from polyrelay.service import whole
from polyrelay.service.bank import BankAway
from polyrelay.service.jobs import hearing, polling, rota
from polyrelay.service.jobs.hearing import Heard, Senseless
from polyrelay.service.jobs.polling import LATE_PACE_SECONDS, Step
from polyrelay.service.jobs.rota import Batch, Lane, Watched
from polyrelay.service.jobs.works import Board, Works, presentable
from polyrelay.service.ports import Flight
from polyrelay.service.whole import Whole
from polyrelay.wire.dialect import Asked, Dialect

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""Between rounds while jobs are watched."""

QUIET_SECONDS = 1.0
"""Between rounds when there is nothing to do."""

TAKE_OVER_SECONDS = 5.0
"""Between looks for jobs that nobody keeps, and at which of them are still ours."""

TAKEN_AT_ONCE = 200
"""Jobs that one transaction takes over."""

ANSWER_SECONDS = 30.0
"""How long an answer about jobs may take: the next question makes up for it."""

_TOLD = frozenset({Event.EXPIRE, Event.LOSE, Event.STRAND})
"""Ends that an operator may have to look into: an upstream may bill for what they refund."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One question under way, and how its answer is read. `until` is monotonic seconds."""

    batch: Batch
    candidate: Candidate
    dialect: Dialect
    asked: Sequence[Asked]
    until: float
    flight: Flight


class Poller:
    """The jobs' side of a worker. Its rounds never raise."""

    def __init__(self, works: Works, board: Board) -> None:
        self._works = works
        self._board = board
        self._notes: dict[ExchangeId, Job] = {}
        self._left: dict[ExchangeId, Job] = {}
        self._questions: dict[int, _Question] = {}
        self._numbers = 0
        self._broken: set[ExchangeId] = set()
        self._look_at = 0.0
        self._awake = asyncio.Event()
        self._stopping = False
        self._failing = False
        board.wake = self._awake.set

    @property
    def asking(self) -> int:
        """Questions that are not answered yet."""
        return len(self._questions)

    async def run(self) -> None:
        """Rounds, until `stop`."""
        while not self._stopping:
            self._awake.clear()
            await self.round()
            pause = TICK_SECONDS if len(self._board.rota) else QUIET_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), pause)

    def stop(self) -> None:
        """Let `run` end after the round it is in. Whoever keeps the jobs next asks again."""
        self._stopping = True
        self._awake.set()

    async def close(self) -> None:
        """Write what is known; for when `run` has ended. Never raises."""
        for question in self._questions.values():
            question.flight.cancel()
        self._questions.clear()
        await self._try(self._write)

    async def round(self) -> None:
        """Everything that is due now."""
        if self._works.clock.monotonic() >= self._look_at:
            self._look_at = self._works.clock.monotonic() + TAKE_OVER_SECONDS
            await self._try(self._take_over)
            self._give_up()
        self._ask()
        await self._try(self._write)

    async def _try(self, part: Callable[[], Awaitable[None]]) -> None:
        """A part that fails is tried again in the next round; that is told once."""
        try:
            await part()
            self._failing = False
        except PolyrelayError as error:
            if not self._failing:
                logger.warning("jobs wait for the books: %s", error)
            self._failing = True
        except Exception:  # border: a defect must not end the rounds, which every other job lives on
            if not self._failing:
                logger.exception("a part of the jobs' round failed; it is tried again")
            self._failing = True

    # ── whose jobs ──

    async def _take_over(self) -> None:
        """Take up what nobody keeps, or what is ours in the books alone; let go of what is not ours any more."""
        keeper, store, board = self._works.keeper(), self._works.store, self._board
        while claimed := await store.claim(keeper, TAKEN_AT_ONCE):
            logger.warning("took over %d jobs of workers that are gone", len(claimed))
            self._take_up(claimed)
        before = set(board.rota)
        kept = await store.kept(keeper)
        for job in before - kept:
            board.rota.drop(job)
            self._notes.pop(job, None)
        strays = [job for job in kept if job not in board and job not in self._left]
        self._take_up([job for job in await store.load(strays) if job.keeper == keeper and job.watched])

    def _take_up(self, jobs: Sequence[Job]) -> None:
        """Look at jobs from now on. Submissions among them were interrupted: what became of them nobody knows."""
        for job in jobs:
            if job.id in self._board:
                continue
            if job.state is State.SUBMITTING:
                self._board.end(polling.stranded(job, self._works.clock.wall()))
            else:
                self._watch(job)

    def _watch(self, job: Job) -> None:
        pace = LATE_PACE_SECONDS if job.state.over else self._works.settings().pace_seconds
        self._board.rota.watch(job, self._works.clock.monotonic(), pace, slow=pace if job.state.over else 0.0)

    def _give_up(self) -> None:
        """End what is too old and cannot be asked about: its channel is gone, or does not answer."""
        now, settings = self._works.clock.wall(), self._works.settings()
        for lane in self._board.rota.lanes():
            gone = self._candidate(lane) is None
            old = [each for each in lane.watched.values() if gone or rota.hopeless(lane, each)]
            for each in old:
                step = polling.overdue(each.job, now, settings)
                if step is not None:
                    self._carry_out(each, step)

    def _candidate(self, lane: Lane) -> Candidate | None:
        """Who can be asked, as the configuration is now."""
        found = self._works.catalog().find(lane.key.channel, lane.key.credential)
        if found is None or found.channel.provider != lane.key.provider:
            return None
        return found if found.channel.provider in self._works.dialects else None

    # ── asking ──

    def _ask(self) -> None:
        now = self._works.clock.monotonic()
        for number, question in list(self._questions.items()):
            if question.until <= now:
                question.flight.cancel()
                self._told(number, Fault(FaultKind.TOTAL, f"no answer within {ANSWER_SECONDS:g} s"))
        for lane in self._board.rota.lanes():
            candidate = self._candidate(lane)
            if candidate is None:
                continue
            self._board.rota.prepare(lane, now, self._works.pace(candidate))
            self._go_on(lane, candidate, self._works.dialects[lane.key.provider])

    def _go_on(self, lane: Lane, candidate: Candidate, dialect: Dialect) -> None:
        """Ask as much as may be under way."""
        some = next(iter(lane.watched.values()), None)
        if some is None:
            return
        most = dialect.most_polled(some.job.ask)
        for batch in self._board.rota.batches(lane, self._works.clock.monotonic(), most):
            self._send(batch, candidate, dialect)

    def _send(self, batch: Batch, candidate: Candidate, dialect: Dialect) -> None:
        asked = [Asked(each.job.ask, each.job.upstreamed or Upstreamed(())) for each in batch.watched]
        now = self._works.clock.monotonic()
        try:
            request = self._works.request(candidate, dialect.poll(asked))
        except Exception:  # border: a dialect's defect must not keep other lanes from their turn
            logger.exception("channel %s cannot be asked how its jobs are", candidate.channel.name)
            self._board.rota.senseless(batch, now, self._works.pace(candidate))
            return
        self._numbers += 1
        number = self._numbers
        flight = whole.send(
            self._works.upstream, request, bounds.JOB_ANSWER_BYTES, lambda answer: self._told(number, answer)
        )
        self._questions[number] = _Question(batch, candidate, dialect, asked, now + ANSWER_SECONDS, flight)

    def _told(self, number: int, answer: Whole | Fault) -> None:
        question = self._questions.pop(number, None)
        if question is None:
            return
        heard: Heard | Fault = answer if isinstance(answer, Fault) else self._understood(question, answer)
        match heard:
            case Fault():
                self._failed(question, heard)
            case Senseless(words):
                logger.info("channel %s makes no sense of jobs: %s", question.candidate.channel.name, words)
                self._board.rota.senseless(question.batch, self._works.clock.monotonic(), self._pace(question))
            case _:
                self._answered(question, heard)
                self._go_on(question.batch.lane, question.candidate, question.dialect)

    def _understood(self, question: _Question, answer: Whole) -> Heard:
        return hearing.understood(question.dialect, question.asked, answer, self._works.clock.wall())

    def _failed(self, question: _Question, fault: Fault) -> None:
        """The upstream is in trouble, which is no fault of the jobs."""
        lane, channel = question.batch.lane, question.candidate.channel
        self._board.rota.failed(question.batch, self._works.clock.monotonic(), self._pace(question), fault.retry_after)
        if lane.failures == 1:
            told = " ".join(filter(None, (fault.kind.value, str(fault.status or ""), fault.detail)))
            logger.warning("channel %s does not say how its jobs are: %s", channel.name, told)

    def _answered(self, question: _Question, said: Sequence[Snapshot | None]) -> None:
        now, jitter = self._works.clock.monotonic(), self._works.settings().jitter
        self._board.rota.answered(question.batch, now, self._pace(question), jitter)
        for watched, snapshot in zip(question.batch.watched, said, strict=True):
            try:
                self._judge(watched, snapshot, question.candidate)
            except Exception:  # border: a defect concerns this job alone; it is asked about again
                logger.exception("what was said of job %s was not understood", watched.job.id)

    def _pace(self, question: _Question) -> float:
        return self._works.pace(question.candidate)

    def _judge(self, watched: Watched, said: Snapshot | None, candidate: Candidate) -> None:
        if not self._board.rota.holds(watched):
            return
        now, settings = self._works.clock.wall(), self._works.settings()
        if said is None:
            watched.unknown_since = now if watched.unknown_since is None else watched.unknown_since
            step = polling.unknown(watched.job, watched.unknown_since, now, settings)
        else:
            watched.unknown_since = None
            if said.reason is not None:
                said = msgspec.structs.replace(said, reason=presentable(candidate, said.reason))
            step = polling.heard(watched.job, said, now, settings)
        self._carry_out(watched, step)

    def _carry_out(self, watched: Watched, step: Step) -> None:
        job = step.job
        if step.event is not None and lifecycle.move(step.event).ends:
            self._notes.pop(job.id, None)
            self._board.end(step)
        elif not job.watched:
            self._board.rota.drop(job.id)
            self._left[job.id] = job
        elif step.changed:
            watched.job = self._notes[job.id] = job

    # ── writing ──

    async def _write(self) -> None:
        """What is not in the books yet. Raises `BankAway`; then the rest of it follows in the next round."""
        await self._write_acceptances()
        if self._notes:
            notes, self._notes = self._notes, {}
            try:
                await self._works.store.note(self._works.keeper(), list(notes.values()))
            except BaseException:
                self._notes = notes | self._notes
                raise
        for step in list(self._board.endings.values()):
            await self._write_end(step)
        for job in list(self._left.values()):
            if await self._works.store.unwatch(job) and job.late_at is not None:
                logger.warning("job %s had succeeded after it was given up; its client was refunded", job.id)
            del self._left[job.id]

    async def _write_acceptances(self) -> None:
        for job in list(self._board.accepting.values()):
            taken = await self._works.store.accept(job)
            del self._board.accepting[job.id]
            if not taken:
                # Either an earlier try was kept after all, or it was given up: the next look at the books tells.
                self._board.rota.drop(job.id)
                self._board.endings.pop(job.id, None)

    async def _write_end(self, step: Step) -> None:
        """One that cannot be written, for whatever reason, keeps no other from it."""
        job = step.job
        try:
            ended = await self._works.end(step)
        except BankAway:
            raise
        except Exception:  # border: the hold stays, and the operator is told
            if job.id not in self._broken:
                self._broken.add(job.id)
                logger.exception("the end of job %s cannot be written", job.id)
            return
        self._board.endings.pop(job.id, None)
        if ended and job.watched:
            self._watch(job)
        if ended and step.event in _TOLD:
            logger.warning("job %s is refunded: %s", job.id, job.reason)
