"""Goes between one worker and the bank: brings what exchanges wait for, posts the journal, keeps the lease.

One task does all of it, so that bank and purses never disagree about what is under way. While the bank is away,
exchanges live on what is escrowed, and the journal keeps what they cost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from polyrelay.background.settler import Settler
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.metering import estimate
from polyrelay.service import waiting as verdicts
from polyrelay.service.bank import Bank, BankAway, Enrolment, LeaseLost, Want
from polyrelay.service.journals import Journals
from polyrelay.service.treasury import Treasury, books_away
from polyrelay.service.waiting import Waiting

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.025
"""Between rounds while somebody waits for funds."""

POST_SECONDS = 0.1
"""Between rounds while there is something to post: a busy worker fills a batch, and balances look alive."""

QUIET_SECONDS = 0.5
"""Between rounds when nothing is to be done but to look for recalls."""

EAR_SECONDS = 0.05
"""How often a worker that rests listens for the bell, which costs no more than to look at a number."""

RENEWALS = 3
"""Renewals in the time of one lease, so that two may fail."""

STOCK_SECONDS = 1.0
"""Between looks at how fast purses are spent."""

MARGIN = 0.1
"""Part of the lease that is not used: our clock and the database's may not run alike."""


@dataclass(frozen=True, slots=True)
class Host:
    """Who the worker is to the books: `machine` and `pid` for people, `lease` in seconds."""

    machine: str
    pid: int
    lease: float


@dataclass(frozen=True, slots=True)
class Bell:
    """How workers of one machine call each other: `rung` is a number that changes with every `ring`."""

    rung: Callable[[], int]
    ring: Callable[[], object]


class Teller:
    """The bank's side of a `Treasury`. Anything may raise `BankAway` inside a round; the next one makes up for it."""

    def __init__(self, treasury: Treasury, bank: Bank, settler: Settler, clock: Clock, host: Host, bell: Bell) -> None:
        self._treasury = treasury
        self._bank = bank
        self._settler = settler
        self._clock = clock
        self._host = host
        self._bell = bell
        self._awake = asyncio.Event()
        self._worker = ""
        self._doubt = False
        self._away = False
        self._failing = False
        self._backlog = False
        self._stopping = False
        self._renew_at = 0.0
        self._since = 0.0
        self._listened_at = 0.0
        self._stocked_at = 0.0
        self._heard = 0
        self._woken_by = 0

    def wake(self) -> None:
        """Somebody waits for funds."""
        self._awake.set()

    async def open(self, worker: str, journals: Journals) -> None:
        """Begin as `worker`, with an empty journal. Raises `BankAway`, or what the journal raises."""
        segment = await asyncio.to_thread(journals.create, worker, 0)
        began = self._clock.monotonic()
        try:
            enrolment = Enrolment(worker, self._host.machine, journals.path(worker), self._host.pid)
            await self._bank.enrol(enrolment, self._host.lease)
        except BaseException:
            segment.remove()
            raise
        self._worker = worker
        self._settler.open(worker, segment)
        self._leased(began)

    async def run(self) -> None:
        """Rounds, until `stop`. Nobody waits for a round that takes long, as when the bank does not answer."""
        while not self._stopping:
            await self._rest()
            under_way = asyncio.ensure_future(self.round())
            while not (await asyncio.wait({under_way}, timeout=TICK_SECONDS))[0]:
                self._make_do()
            await under_way

    def stop(self) -> None:
        """Let `run` end after the round it is in: a round is never broken off."""
        self._stopping = True
        self._awake.set()

    async def round(self) -> None:
        """Everything that is due now. Never raises. A part that fails does not keep the others from their turn."""
        was_failing, self._failing, self._backlog = self._failing, False, False
        try:
            for part in (
                self._renew,
                self._settler.resolve,
                self._recount,
                self._fund,
                self._stock,
                self._post,
                self._give_back,
                self._listen,
                self._settler.turn_page,
            ):
                await self._try(part, quiet=was_failing)
        except BankAway as error:
            if not self._away:
                logger.warning("the books cannot be reached, going on with what is escrowed: %s", error)
            self._away = True
        except LeaseLost as error:
            logger.warning("%s", error)
            self._renew_at = 0.0
        else:
            if (self._away or was_failing) and not self._failing:
                logger.warning("the books are in order again")
            self._away = False
            self._treasury.starving = self._treasury.starving and self._failing
        self._treasury.unjam()
        self._make_do()

    async def _try(self, part: Callable[[], Awaitable[None]], *, quiet: bool) -> None:
        try:
            await part()
        except (BankAway, LeaseLost):
            raise
        except Exception:  # border: a defect must not end the rounds, which other exchanges live on
            if not quiet:
                logger.exception("a part of the books' round failed; it is tried again")
            self._failing = True

    async def close(self) -> None:
        """Post what is left and end the worker; for when no exchange is open any more. Never raises."""
        try:
            await self._settler.close()
        except PolyrelayError as error:
            logger.warning("the journal stays for the next start to adopt: %s", error)

    # ── the parts of a round ──

    async def _rest(self) -> None:
        """Until something is to be done, or a sibling rings."""
        until = self._clock.monotonic() + self._pause()
        while not self._awake.is_set() and self._bell.rung() == self._woken_by:
            left = until - self._clock.monotonic()
            if left <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), min(left, EAR_SECONDS))
        self._awake.clear()
        self._woken_by = self._bell.rung()

    def _pause(self) -> float:
        if self._backlog:
            return 0.0
        if len(self._treasury.queue):
            return TICK_SECONDS
        return POST_SECONDS if self._treasury.unposted else QUIET_SECONDS

    async def _post(self) -> None:
        self._backlog = await self._settler.post()

    async def _recount(self) -> None:
        """After an answer of the bank went missing: what it did shows in the slices. What no purse is for goes back."""
        if not self._doubt:
            return
        slices = await self._bank.slices(self._worker)
        purses = self._treasury.purses
        strays = [(meter, amount) for meter, amount in slices.items() if purses.get(meter) is None]
        for purse in self._treasury.purses:
            surplus = slices.get(purse.meter.id, 0) - purse.own
            if surplus < 0:
                logger.error("%s: %d nanos less in escrow than this worker spends", purse.meter.id, -surplus)
            purse.free = max(0, purse.free + surplus)
        await self._bank.give_back(self._worker, strays)
        self._doubt = False

    async def _renew(self) -> None:
        began = self._clock.monotonic()
        if began < self._renew_at:
            return
        try:
            await self._bank.renew(self._worker, self._host.lease)
        except LeaseLost:
            self._treasury.lease_until = 0.0
            raise
        self._leased(began)

    def _leased(self, began: float) -> None:
        """The lease counts from before it was asked for, by our own clock."""
        self._treasury.lease_until = began + self._host.lease * (1 - MARGIN)
        self._renew_at = began + self._host.lease / RENEWALS

    async def _fund(self) -> None:
        """Ask for what the purses lack, and tell each that waits what became of it."""
        queue = self._treasury.queue
        if not len(queue):
            return
        asked, wants = list(queue), queue.wants()
        if wants:
            await self._take(wants)
        now, recalls = self._clock.monotonic(), set[str]()
        for waiting in asked:
            if waiting not in queue:
                continue
            verdict = verdicts.judge(waiting, now)
            recalls.update(verdict.recall)
            self._carry_out(waiting, verdict)
        if recalls:
            await self._bank.recall(sorted(recalls))
            self._bell.ring()

    async def _stock(self) -> None:
        """Set apart for the time ahead what was spent in the time before: the bank may be away for a while."""
        now = self._clock.monotonic()
        elapsed = now - self._stocked_at
        if elapsed >= STOCK_SECONDS:
            self._stocked_at = now
            await self._take(self._treasury.purses.stock(elapsed))

    async def _take(self, wants: Sequence[Want]) -> None:
        if not wants:
            return
        self._doubt = True
        taken = await self._bank.take(self._worker, wants)
        self._doubt = False
        for want, got in zip(wants, taken, strict=True):
            purse = self._treasury.purses.get(want.meter.id)
            if purse is not None:
                verdicts.note(purse, want, got)

    def _carry_out(self, waiting: Waiting, verdict: verdicts.Verdict) -> None:
        if verdict.full:
            self._treasury.fund(waiting, waiting.bound.amount, None)
        elif verdict.clamp:
            call, quote = waiting.order.call, waiting.pin.quote
            cap = estimate.clamp(call, quote, verdict.clamp) or 1
            self._treasury.fund(waiting, estimate.cost(call, quote, cap), cap)
        elif verdict.refusal is not None:
            waiting.cancel()
            waiting.funding.unfunded(verdict.refusal)

    async def _give_back(self) -> None:
        amounts = self._treasury.purses.sweep(self._clock.monotonic(), self._clock.wall())
        if amounts:
            self._doubt = True
            await self._bank.give_back(self._worker, amounts)
            self._doubt = False

    async def _listen(self) -> None:
        """Give back what others recall: at once when one of this machine rings, soon for those of others."""
        rung, now = self._bell.rung(), self._clock.monotonic()
        if rung == self._heard and now < self._listened_at + QUIET_SECONDS:
            return
        self._heard, self._listened_at = rung, now
        self._since, meters = await self._bank.recalled(self._since)
        self._treasury.purses.recall(meters)
        await self._give_back()

    def _make_do(self) -> None:
        """While the bank does not answer: fund whom the purses cover, and refuse those who waited for it too long."""
        queue, now = self._treasury.queue, self._clock.monotonic()
        for waiting in queue:
            if waiting not in queue:
                continue
            if waiting.covered and now < self._treasury.lease_until:
                self._treasury.fund(waiting, waiting.bound.amount, None)
            elif now - waiting.since > verdicts.AWAY_SECONDS:
                waiting.cancel()
                self._treasury.starving = True
                waiting.funding.unfunded(books_away())
