"""Taking a job on: its hold and its row first, then an upstream, then the row says which.

Whatever goes wrong on the way ends the hold in the same transaction as the row; when even that cannot be written, the
keeper finds the row later (`background.poller`).
"""

import logging
from collections.abc import Sequence

import msgspec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.outcome import Outcome
from polyrelay.jobs.job import Job, Place
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel import bounds, errors
from polyrelay.ledger.meters import Meter
from polyrelay.routing import plan
from polyrelay.routing.channel import Candidate
from polyrelay.routing.plan import Failure
from polyrelay.service import verdict, whole
from polyrelay.service.bank import BankAway
from polyrelay.service.jobs import booking, funding, polling, references, turn
from polyrelay.service.jobs.commission import Commission, begun
from polyrelay.service.jobs.ports import Scope
from polyrelay.service.jobs.works import Board, Works, presentable
from polyrelay.service.treasury import books_away
from polyrelay.service.whole import Whole
from polyrelay.wire.dialect import Declined, Garbled, Message, Unsupported

logger = logging.getLogger(__name__)


class _Offer(msgspec.Struct, frozen=True):
    """What can be sent to a candidate."""

    ask: Ask
    message: Message


class Submission:
    """One commission on its way. Used once."""

    def __init__(self, works: Works, board: Board, commission: Commission) -> None:
        self._works = works
        self._board = board
        self._commission = commission
        self._began = works.clock.monotonic()
        self._failures: list[Failure] = []
        self.written = False
        """Whether a row of it may be in the database: then its exchange is there, or follows."""

    async def run(self) -> Job:
        """The job, accepted by an upstream and perhaps over already. Raises `errors.Refusal`; then nothing is held."""
        commission = self._commission
        ask, candidates = await self._resolved()
        offers = self._offers(ask, candidates)
        job, payers = begun(self._works, self._commission)
        self._board.submitting.add(job.id)
        try:
            await self._hold(job, payers)
            try:
                return await self._placed(job, offers)
            except errors.Refusal as refusal:
                await self._give_back(job, refusal)
                raise
        finally:
            self._board.submitting.discard(commission.exchange)

    # ── before anything is held ──

    async def _resolved(self) -> tuple[Ask, Sequence[Candidate]]:
        """The ask with an upstream's names, and who understands them."""
        ask, candidates = self._commission.ask, self._commission.candidates
        reference = references.named(ask)
        if reference is None:
            return ask, candidates
        principal = self._commission.principal
        try:
            found = await self._works.store.find(Scope(principal.account_id), [reference.job])
        except BankAway as error:
            raise books_away() from error
        source = found[0] if found else None
        made = references.outgoing(ask, reference, source)
        serving = references.serving(candidates, source) if source is not None else ()
        if not serving:
            raise references.elsewhere(reference.member)
        return made, serving

    def _offers(self, ask: Ask, candidates: Sequence[Candidate]) -> dict[Candidate, _Offer]:
        """What each candidate would be sent, of those whose dialect can say it."""
        found: dict[Candidate, _Offer] = {}
        model = self._commission.call.model
        for candidate in candidates:
            dialect = self._works.dialects.get(candidate.channel.provider)
            if dialect is None:
                continue
            try:
                found[candidate] = _Offer(ask, dialect.submit(ask, candidate.channel.models[model]))
            except Unsupported as error:
                logger.debug("channel %s cannot be asked for this: %s", candidate.channel.name, error)
        if not found:
            raise self._impossible()
        return found

    def _impossible(self) -> errors.Refusal:
        """For what nobody can be asked for: of what builds on a job, who made that is the only one there is."""
        reference = references.named(self._commission.ask)
        if reference is not None:
            return references.elsewhere(reference.member)
        return errors.InvalidRequest("No upstream provider of this model can do that.", code="unsupported")

    # ── the hold ──

    async def _hold(self, job: Job, payers: Sequence[Meter]) -> None:
        """Raises `errors.Refusal`."""
        try:
            await funding.hold(self._works, job, payers)
        except BankAway as error:
            self.written = True
            raise books_away() from error
        self.written = True

    async def _give_back(self, job: Job, refusal: errors.Refusal) -> None:
        """End the hold of a job that no upstream took on."""
        works, last = self._works, self._failures[-1].candidate if self._failures else None
        refused = job.after(
            Event.REFUSE,
            place=_place(last) if last is not None else None,
            attempts=len(self._failures),
            reason=refusal.message,
            finished_at=works.clock.wall(),
            watched=False,
        )
        outcome = Outcome.UPSTREAM_ERROR if self._failures else Outcome.REFUSED
        told = booking.refused(refused, refusal.status, outcome, refusal.code)
        try:
            ended = await works.store.end(refused, Event.REFUSE, booking.row(refused, Event.REFUSE, told, works.zones))
        except BankAway as error:
            logger.warning("job %s keeps its hold until the books can be reached: %s", job.id, error)
            return
        if ended:
            works.records.add(told)

    # ── the upstream ──

    async def _placed(self, job: Job, offers: dict[Candidate, _Offer]) -> Job:
        """The job once one of the candidates has it. Raises `errors.Refusal`."""
        works, candidates = self._works, tuple(offers)
        left = candidates
        while True:
            mine = await turn.wait(works.lines, works.timers, left, self._left())
            try:
                said = await self._asked(mine.candidate, offers[mine.candidate])
                if not isinstance(said, Fault):
                    mine.leave()
                    return await self._accepted(job, mine.candidate, *said)
                self._failures.append(Failure(mine.candidate, said))
                self._log(mine.candidate, said)
                left = await self._next(candidates)
            finally:
                mine.leave()

    async def _next(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Who may be asked after the latest failure, best first. Raises `errors.Refusal` when nobody may."""
        late = self._left() <= 0
        match plan.after(self._failures, candidates):
            case plan.Next(left) if not late:
                return left
            case plan.Wait(candidate, seconds) if not late:
                await self._works.pause(seconds)
                return (candidate,)
            case _:
                raise verdict.refusal(self._failures)

    async def _asked(self, candidate: Candidate, offer: _Offer) -> tuple[Upstreamed, Snapshot] | Fault:
        """What the candidate makes of it. Raises `errors.InvalidRequest` when it blames the ask."""
        works, dialect = self._works, self._works.dialects[candidate.channel.provider]
        request = works.request(candidate, offer.message)
        answer = await whole.fetch(works.upstream, works.timers, request, bounds.JOB_ANSWER_BYTES, self._left())
        if isinstance(answer, Fault):
            return answer
        try:
            return dialect.accepted(offer.ask, answer.status, answer.body)
        except Declined as error:
            if error.status in verdict.REQUEST_IS_WRONG:
                self._failures.append(Failure(candidate, Fault(FaultKind.STATUS, str(error), error.status)))
                raise verdict.rejected(presentable(candidate, str(error))) from error
            return Fault(FaultKind.STATUS, str(error), error.status, self._retry_after(answer))
        except Garbled as error:
            return Fault(FaultKind.GARBLED, str(error), answer.status)

    async def _accepted(self, job: Job, candidate: Candidate, upstreamed: Upstreamed, said: Snapshot) -> Job:
        """Write who has it, and watch it; end it when it is done already. Raises `errors.Refusal` when it was given up
        meanwhile, as for a worker that lost its lease.
        """
        works = self._works
        accepted = job.after(
            Event.ACCEPT,
            place=_place(candidate),
            upstreamed=upstreamed,
            stage=said.stage if not said.stage.over else Stage.RUNNING,
            progress=min(max(said.progress, 0), 100),
            result=said.result if not said.stage.over else None,
            attempts=len(self._failures) + 1,
            accepted_at=works.clock.wall(),
        )
        try:
            if not await works.store.accept(accepted):
                logger.error("job %s was given up while channel %s took it on", job.id, candidate.channel.name)
                raise books_away()
        except BankAway as error:
            words = "channel %s took job %s on as %s, which cannot be written down yet: %s"
            logger.warning(words, candidate.channel.name, job.id, ", ".join(upstreamed.ids), error)
            self._board.accepting[job.id] = accepted
        if said.stage.over:
            return await self._ended(accepted, candidate, said)
        self._board.watch(accepted, works.clock.monotonic(), works.pace(candidate))
        return accepted

    async def _ended(self, accepted: Job, candidate: Candidate, said: Snapshot) -> Job:
        """The job as it ended at once. Its result is shown only when its charge is written."""
        works = self._works
        said = msgspec.structs.replace(said, reason=presentable(candidate, said.reason))
        step = polling.heard(accepted, said, works.clock.wall(), works.settings())
        if step.event is None:
            self._board.watch(accepted, works.clock.monotonic(), works.pace(candidate))
            return accepted
        try:
            if accepted.id not in self._board.accepting:
                await works.end(step)
                return step.job
        except BankAway as error:
            logger.warning("job %s has ended, which cannot be written down yet: %s", accepted.id, error)
        self._board.end(step)
        return accepted

    def _left(self) -> float:
        """Seconds that are left to find an upstream."""
        return self._began + self._works.settings().submit_seconds - self._works.clock.monotonic()

    def _retry_after(self, answer: Whole) -> float | None:
        return verdict.retry_after(answer.headers, self._works.clock.wall())

    def _log(self, candidate: Candidate, fault: Fault) -> None:
        logger.warning(
            "job %s: channel %s, credential %s did not take it on: %s",
            self._commission.exchange,
            candidate.channel.name,
            candidate.credential.name,
            " ".join(filter(None, (fault.kind.value, str(fault.status or ""), fault.detail))),
        )


def _place(candidate: Candidate) -> Place:
    return Place(candidate.channel.name, candidate.channel.provider, candidate.credential.name)
