"""Taking a job on: its hold and its row first, then an upstream, then the row says which.

Whatever goes wrong on the way ends the hold in the same transaction as the row; when even that cannot be written, the
keeper finds the row later (`background.poller`).
"""

import logging
from collections.abc import Sequence

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Call
from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.outcome import Outcome
from polyrelay.jobs.job import Job, Payer, Place, Price, kind_of
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel import bounds, errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.ledger import meters
from polyrelay.ledger.meters import Meter
from polyrelay.metering import estimate
from polyrelay.metering.book import Unpriced
from polyrelay.routing import plan
from polyrelay.routing.channel import Candidate
from polyrelay.routing.plan import Failure
from polyrelay.service import verdict, waiting, whole
from polyrelay.service.bank import BankAway, LeaseLost
from polyrelay.service.jobs import booking, polling, references
from polyrelay.service.jobs.ports import Crowded, NotCovered, Scope
from polyrelay.service.jobs.works import Board, Works, presentable
from polyrelay.service.pricing import not_priced
from polyrelay.service.treasury import books_away
from polyrelay.service.whole import Whole
from polyrelay.wire.dialect import Declined, Garbled, Message, Unsupported

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 0.05
"""Between two tries to hold funds that others were asked to give back: they hear the bell within that time."""

CROWDED_SECONDS = 5.0
"""Advice to an account with too many open jobs: one of them may end at any time."""


class Commission(msgspec.Struct, frozen=True):
    """A job that a client asks for. `call.model` is the model, `call.demand` bounds what it may use (`tasks=1`, or
    seconds); `candidates` may serve it, best first. `notify` is a URL the client wants to be called at.
    """

    exchange: ExchangeId
    principal: Principal
    surface: str
    ask: Ask
    call: Call
    candidates: Sequence[Candidate]
    label: str | None = None
    notify: str | None = None


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
        job, payers = self._made()
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
            raise references.unknown(reference.member)
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
            raise errors.InvalidRequest("No upstream provider of this model can do that.", code="unsupported")
        return found

    def _made(self) -> tuple[Job, Sequence[Meter]]:
        """The job as it begins, and its meters. Raises `errors.NotPriced`."""
        commission, works = self._commission, self._works
        principal, call, now = commission.principal, commission.call, works.clock.wall()
        pin = works.pricing.pin(call.model, principal.group, now)
        try:
            bound = estimate.bound(call, pin.quote)
        except Unpriced as error:
            raise not_priced(call.model) from error
        found, _ = meters.of(principal.account_id, principal.budgets, works.zones(principal.zone), now)
        job = Job(
            id=commission.exchange,
            payer=Payer(
                principal.account_id,
                principal.project_id,
                principal.key_id,
                principal.group,
                tuple(meter.id for meter in found),
            ),
            surface=commission.surface,
            kind=kind_of(commission.ask),
            ask=commission.ask,
            model=call.model,
            held=bound.amount,
            price=Price(pin.document().decode(), pin.quote.multiplier, pin.quote.window),
            keeper=works.keeper(),
            created_at=now,
            demand=call.demand,
            label=commission.label,
            billing=call.billing,
            notify=commission.notify,
        )
        return job, found

    # ── the hold ──

    async def _hold(self, job: Job, payers: Sequence[Meter]) -> None:
        """Write the job with its hold; for want of funds, wait a moment for what others give back.

        Raises `errors.Refusal`: what a chat request would be told.
        """
        began, recalled = self._works.clock.monotonic(), False
        while True:
            try:
                await self._create(job, payers)
            except NotCovered as lack:
                short = self._short_of(job, payers, lack)
                if self._works.clock.monotonic() - began >= waiting.PATIENCE_SECONDS:
                    raise waiting.in_flight(short) from lack
            except Crowded as error:
                raise errors.RateLimited(
                    "Your account has as many jobs under way as it may; retry when one has ended.",
                    code="jobs_in_flight",
                    retry_after=CROWDED_SECONDS,
                ) from error
            except (BankAway, LeaseLost) as error:
                raise books_away() from error
            else:
                return
            if not recalled:
                recalled = True
                await self._recall(job)
            await self._works.pause(ASK_AGAIN_SECONDS)

    async def _recall(self, job: Job) -> None:
        try:
            await self._works.recall(job.payer.meters)
        except BankAway as error:
            raise books_away() from error

    async def _create(self, job: Job, payers: Sequence[Meter]) -> None:
        """Raises as the store does. What it says for sure to have written nothing leaves nothing behind."""
        self.written = True
        try:
            await self._works.store.create(job, payers, self._works.settings().most_in_flight)
        except (NotCovered, Crowded, LeaseLost):
            self.written = False
            raise

    @staticmethod
    def _short_of(job: Job, payers: Sequence[Meter], lack: NotCovered) -> Meter:
        """A meter that has too little now. Raises `errors.InsufficientQuota` when nothing in flight can change that."""
        named = {meter.id: meter for meter in payers}
        for each in lack.lacking:
            if each.left + each.escrowed < job.held:
                raise waiting.exhausted(named[each.meter]) from lack
        return named[lack.lacking[0].meter]

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
        candidates = list(offers)
        candidate = candidates[0]
        while True:
            said = await self._asked(candidate, offers[candidate])
            if not isinstance(said, Fault):
                return await self._accepted(job, candidate, *said)
            self._failures.append(Failure(candidate, said))
            self._log(candidate, said)
            candidate = await self._next(candidates)

    async def _next(self, candidates: Sequence[Candidate]) -> Candidate:
        """Who is asked after the latest failure. Raises `errors.Refusal` when nobody is."""
        late = self._left() <= 0
        match plan.after(self._failures, candidates):
            case plan.Next(left) if not late:
                return left[0]
            case plan.Wait(candidate, seconds) if not late:
                await self._works.pause(seconds)
                return candidate
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
                raise _rejected(candidate, error) from error
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
            logger.warning("job %s is accepted, which cannot be written down yet: %s", job.id, error)
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


def _rejected(candidate: Candidate, declined: Declined) -> errors.Refusal:
    """The upstream's own words where a client may read them."""
    words = presentable(candidate, str(declined))
    if words is None:
        return verdict.rejected()
    return errors.InvalidRequest(f"The upstream provider rejected this request: {words}", code="upstream_rejected")
