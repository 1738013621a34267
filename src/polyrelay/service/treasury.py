"""The ledger of one worker: reserving and settling are arithmetic on its purses and a line in its journal.

    reserve   purse.free -> purse.held, journal Held       before the upstream is called
    settle    journal Settled, purse.held -> unposted      before the last bytes leave; the rest goes back to free
    void      journal Voided, purse.held -> free

Nothing here waits. What the purses lack is written down as wants; `background.teller` carries those to the bank, brings
back what it gave, and posts the journal.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import ExchangeId
from polyrelay.kernel.money import Nanos
from polyrelay.ledger import entries
from polyrelay.metering import estimate, rate
from polyrelay.metering.book import Unpriced
from polyrelay.metering.rate import BadUsage
from polyrelay.service import facts
from polyrelay.service.ports import Funding, Order, Record, Wait
from polyrelay.service.pricing import Pin, Pricing, not_priced
from polyrelay.service.purses import Payer, Purses
from polyrelay.service.waiting import Queue, Waiting

logger = logging.getLogger(__name__)

REFUSALS_PER_SECOND = 50
"""Records of refusals that a worker keeps each second; the log has all of them."""

BOOKS_RETRY_SECONDS = 5.0
"""When to ask again while the books are away."""


class Journal(Protocol):
    """Where entries go. Raises a `PolyrelayError` when one cannot be written; then nothing was."""

    def append(self, payload: bytes, *, room: int = 0, reserved: int = 0) -> int:
        """Write a record; returns the offset at which it ends. `room` is kept for later records, `reserved` used up."""
        ...

    def make_room(self, size: int) -> None:
        """See that `size` more bytes can be written or kept."""
        ...


class Reserved(msgspec.Struct, eq=False, gc=False):
    """A hold: implements the port `Hold`, and what the treasury must remember to end it.

    `room` is what it has reserved in the journal, in bytes; `sent` whether bytes of an answer may have left, through
    which `channel`; `charged` what it was charged in the end, None while live; `voided` whether it was given back.
    """

    exchange: ExchangeId
    order: Order
    payer: Payer
    pin: Pin
    amount: int
    cap: int | None
    room: int = 0
    sent: bool = False
    channel: str | None = None
    charged: Nanos | None = None
    voided: bool = False

    @property
    def clamped(self) -> bool:
        """Whether `cap` is less than what was asked for."""
        return self.cap is not None


class Treasury:
    """Implements the port `Ledger`. One per process; belongs to the event loop's thread.

    `wake` is called when the bank has to be asked. `lease_until` is monotonic seconds: after it nothing is reserved, as
    the slices may be in suspense. With `patient` a settle is final only once `durable` reaches it (fsync = always).
    """

    def __init__(
        self,
        pricing: Pricing,
        purses: Purses,
        clock: Clock,
        *,
        wake: Callable[[], None],
        unsynced: Callable[[], None] | None = None,
    ) -> None:
        self.pricing = pricing
        self.purses = purses
        self.queue = Queue()
        self.lease_until = 0.0
        self.jammed: str | None = None
        """Why the journal takes no holds; None while it does."""
        self.starving = False
        """Whether requests are refused for want of a bank that answers."""
        self.unposted = 0
        """Exchanges ended in the journal and not yet posted."""
        self.unpaid = 0
        """Exchanges since the start whose price is zero: a price that was set so, as others are refused."""
        self._clock = clock
        self._wake = wake
        self._unsynced = unsynced
        self._journal: Journal | None = None
        self._numbers = 0
        self._refusing = 0
        self._refused = 0
        self._live: dict[ExchangeId, Reserved] = {}
        self._undurable: deque[tuple[Journal, int, Callable[[], None]]] = deque()

    def __len__(self) -> int:
        """Holds that are live."""
        return len(self._live)

    # ── the port ──

    def reserve(self, order: Order, funding: Funding) -> Reserved | Wait:
        """Set the upper bound aside. See the port; raises `errors.NotPriced`, `BooksAway`, `Overloaded`."""
        instant, now = self._clock.monotonic(), self._clock.wall()
        if instant >= self.lease_until:
            raise books_away()
        principal, call = order.principal, order.call
        payer = self.purses.payer(principal, now)
        pin = self.pricing.pin(call.model, principal.group, now)
        try:
            bound = estimate.bound(call, pin.quote)
        except Unpriced as error:
            raise not_priced(call.model) from error
        amount = bound.amount
        for purse in payer.purses:
            if purse.free < amount or purse.waiting:
                break
        else:
            return self._hold(Reserved(order.exchange, order, payer, pin, amount, None), instant, now)
        waiting = Waiting(self.queue, order, funding, payer, pin, bound, instant)
        self._wake()
        return waiting

    def sent(self, hold: Reserved, channel: str | None) -> None:
        """Note that bytes are about to leave. Raises `PolyrelayError` when that cannot be written."""
        if hold.sent:
            return
        hold.channel = facts.name(channel)
        self._state_sent(hold)
        hold.sent = True

    def price(self, hold: Reserved, usage: Usage) -> Nanos:
        """What `usage` will be charged. What has no price costs the hold: it was bounded by what was asked for."""
        try:
            return rate.amount(usage, hold.pin.quote)
        except (Unpriced, BadUsage) as error:
            logger.error("exchange %s is charged its hold: %s", hold.exchange, error)  # noqa: TRY400 - data, no defect
            return Nanos(hold.amount)

    def settle(self, hold: Reserved, record: Record, then: Callable[[], None]) -> Nanos:
        """Charge `record.usage`. Raises `PolyrelayError` when it cannot be written; then the hold is still live."""
        if hold.voided:
            raise errors.InternalFault("settled after its funds were given back")
        if hold.charged is not None:
            then()
            return hold.charged
        if record.usage is None:
            raise errors.InternalFault("settled without usage")
        due = self.price(hold, record.usage)
        covered: int = due
        if due > hold.amount:
            covered = hold.amount + min(due - hold.amount, *[purse.free for purse in hold.payer.purses])
        entry = entries.Settled(
            hold.exchange,
            self._clock.wall(),
            hold.payer.number or self._payer_number(hold.payer),
            hold.pin.number or self._quote_number(hold.pin),
            hold.amount,
            covered,
            due - covered,
            record.usage,
            facts.of(record),
        )
        end = self._end(hold, entry)
        self._release(hold, covered)
        hold.charged = due
        if self._unsynced is not None:
            self._undurable.append((self._written(), end, then))
            self._unsynced()
        else:
            then()
        return due

    def void(self, hold: Reserved, record: Record) -> None:
        """Give everything back. Never raises: what could not be written is made up for at recovery."""
        if hold.charged is not None:
            return
        hold.charged, hold.voided = Nanos(0), True
        try:
            number = self._payer_number(hold.payer)
            self._end(hold, entries.Voided(hold.exchange, self._clock.wall(), number, facts.of(record)))
        except PolyrelayError:
            logger.exception("the end of exchange %s could not be written down", hold.exchange)
        self._release(hold, 0)

    def refuse(self, record: Record, principal: Principal) -> None:
        """Keep a record of a request that never had a hold: at most some each second, since refusing is cheap and
        being refused is too. Never raises.
        """
        now = self._clock.wall()
        second = int(now)
        if second != self._refusing:
            self._refusing, self._refused = second, 0
        self._refused += 1
        if self._refused > REFUSALS_PER_SECOND or self._journal is None:
            return
        try:
            number = self._payer_number(self.purses.payer(principal, now))
            self._journal.append(entries.encode(entries.Voided(record.exchange, now, number, facts.of(record))))
        except PolyrelayError as error:
            logger.debug("refusal %s is not recorded: %s", record.exchange, error)
        else:
            self.unposted += 1

    # ── the teller's side ──

    def unjam(self) -> None:
        """Take holds again once the journal has room: of a relay that is not ready, no request would find that out."""
        if self.jammed is None or self._journal is None:
            return
        with suppress(PolyrelayError):
            self._journal.make_room(2 * entries.SETTLE_ROOM)
            self.jammed = None

    def open_segment(self, journal: Journal) -> None:
        """Write to `journal` from now on. Live holds are stated again, so that it can be read without its forerunner.

        Raises `PolyrelayError` when they do not fit; then the treasury keeps the journal it has, and live holds what
        they stated and reserved there.
        """
        before, self._journal = self._journal, journal
        stated = [(hold, hold.room, hold.payer.number, hold.pin.number) for hold in self._live.values()]
        self._forget_numbers()
        try:
            for hold in self._live.values():
                self._state(hold, self._clock.wall())
        except PolyrelayError:
            self._journal = before
            self._forget_numbers()
            for hold, room, payer, quote in stated:
                hold.room, hold.payer.number, hold.pin.number = room, payer, quote
            raise

    def close(self) -> None:
        """Reserve no more and write no more: the journal is about to be closed."""
        self.lease_until = 0.0
        self._journal = None

    def durable(self, journal: Journal, offset: int) -> None:
        """`journal` outlives power loss up to `offset`: let go of what waited for that."""
        waiting = self._undurable
        while waiting and waiting[0][0] is journal and waiting[0][1] <= offset:
            waiting.popleft()[2]()

    def fund(self, waiting: Waiting, amount: int, cap: int | None) -> None:
        """Reserve `amount`, which its purses have, for one that waited; `cap` when that is less than it asked for."""
        waiting.cancel()
        try:
            order = waiting.order
            hold = Reserved(order.exchange, order, waiting.payer, waiting.pin, amount, cap)
            self._hold(hold, self._clock.monotonic(), self._clock.wall())
        except errors.Refusal as refusal:
            waiting.funding.unfunded(refusal)
        else:
            waiting.funding.funded(hold)

    def posted(self, amounts: Sequence[tuple[str, int]], count: int) -> None:
        """`count` exchanges were posted, which took so many nanos from the slices of these meters."""
        self.unposted -= count
        for meter, amount in amounts:
            purse = self.purses.get(meter)
            if purse is not None:
                purse.unposted -= amount

    # ── inside ──

    def _hold(self, hold: Reserved, instant: float, now: float) -> Reserved:
        """Write it down and set its funds aside, at `instant` (monotonic seconds) and `now` (Unix seconds)."""
        try:
            self._state(hold, now)
        except PolyrelayError as error:
            self._jam(error)
            raise errors.Overloaded("The relay cannot keep its books right now; retry later.") from error
        self.jammed = None
        amount = hold.amount
        for purse in hold.payer.purses:
            purse.free -= amount
            purse.held += amount
            purse.used_at = instant
        if not amount:
            self.unpaid += 1
        self._live[hold.exchange] = hold
        return hold

    def _state(self, hold: Reserved, now: float) -> None:
        """Write the hold down, and reserve the room of what will follow."""
        order = hold.order
        entry = entries.Held(
            hold.exchange,
            now,
            hold.payer.number or self._payer_number(hold.payer),
            hold.pin.number or self._quote_number(hold.pin),
            hold.amount,
            order.call.input_bytes - order.call.references.inline_bytes,
            order.surface,
            order.call.model,
        )
        self._written().append(entries.encode(entry), room=entries.SETTLE_ROOM)
        hold.room = entries.SETTLE_ROOM
        if hold.sent:
            self._state_sent(hold)

    def _state_sent(self, hold: Reserved) -> None:
        """Write down that bytes leave, in the room of the hold."""
        payload = entries.encode(entries.Sent(hold.exchange, hold.channel))
        taken = entries.FRAME_ROOM + len(payload)
        self._written().append(payload, reserved=taken)
        hold.room -= taken

    def _end(self, hold: Reserved, entry: entries.Settled | entries.Voided) -> int:
        """Write the end of a hold down, in its room. Returns the journal's offset."""
        offset = self._written().append(entries.encode(entry), reserved=hold.room)
        hold.room = 0
        self.unposted += 1
        return offset

    def _release(self, hold: Reserved, spent: int) -> None:
        for purse in hold.payer.purses:
            purse.held -= hold.amount
            purse.free += hold.amount - spent
            purse.unposted += spent
            purse.spent += spent
        del self._live[hold.exchange]

    def _forget_numbers(self) -> None:
        """Nothing is stated in the segment that is written now."""
        self.purses.new_segment()
        self.pricing.new_segment()
        for user in (*self._live.values(), *self.queue):
            user.payer.number = user.pin.number = 0

    def _payer_number(self, payer: Payer) -> int:
        """The payer's number in this segment, stated there first if need be."""
        if not payer.number:
            principal, number = payer.principal, self._numbers + 1
            entry = entries.Payer(
                number,
                principal.account_id,
                principal.project_id,
                principal.key_id,
                principal.group,
                tuple(purse.meter.id for purse in payer.purses),
            )
            self._written().append(entries.encode(entry))
            self._numbers = payer.number = number
        return payer.number

    def _quote_number(self, pin: Pin) -> int:
        """The quote's number in this segment, stated there first if need be."""
        if not pin.number:
            number = self._numbers + 1
            entry = entries.Pinned(number, pin.document(), pin.quote.multiplier, pin.quote.window)
            self._written().append(entries.encode(entry))
            self._numbers = pin.number = number
        return pin.number

    def _written(self) -> Journal:
        if self._journal is None:
            raise books_away()
        return self._journal

    def _jam(self, error: PolyrelayError) -> None:
        if self.jammed is None:
            logger.error("no more requests are taken: %s", error)
        self.jammed = str(error)


def books_away() -> errors.Refusal:
    """The refusal while nothing may be spent because the books cannot be reached."""
    return errors.BooksAway("The relay cannot reach its books right now; retry later.", retry_after=BOOKS_RETRY_SECONDS)
