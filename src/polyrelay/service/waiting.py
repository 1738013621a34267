"""Exchanges whose hold the worker's purses do not cover: what they want of the bank, and what they are told.

One that waits is funded in full as soon as its purses have it. When a meter cannot cover it even if everything in
flight came back, or nothing came back in time, it is shortened to what there is (policy `clamp`), and else refused:
for good when the meter is exhausted, for a moment when others hold the funds.
"""

from collections.abc import Iterator

from polyrelay.kernel import errors
from polyrelay.ledger import escrow
from polyrelay.ledger.meters import Meter
from polyrelay.metering import estimate
from polyrelay.metering.estimate import Bound
from polyrelay.service.bank import Taken, Want
from polyrelay.service.ports import Funding, Order
from polyrelay.service.pricing import Pin
from polyrelay.service.purses import Payer, Purse

PATIENCE_SECONDS = 0.3
"""How long one waits for funds that others hold idle or that are being settled; they come back within two ticks."""

RECALL_SECONDS = 0.1
"""How long one waits that will be shortened anyway, for what siblings hold idle: they hear the bell in half of that."""

AWAY_SECONDS = 2.0
"""How long one waits for a bank that does not answer."""

FLOOR_TOKENS = 256
"""The shortest answer that `clamp` makes of a longer one: below it a refusal serves the caller better."""

RETRY_SECONDS = 1.0
"""Advice when funds are held by requests in flight: nobody knows when an answer ends, so ask again soon."""

CUSHION = 16
"""Holds like the wanted one that a slice is to last for, far from the limit."""


class Waiting:
    """One that waits: implements the port `Wait`. `floor` is the least that is of use to it, in nanos."""

    __slots__ = ("_queue", "bound", "floor", "funding", "late", "order", "payer", "pin", "recalled", "since")

    def __init__(
        self, queue: "Queue", order: Order, funding: Funding, payer: Payer, pin: Pin, bound: Bound, now: float
    ) -> None:
        self.order = order
        self.funding = funding
        self.payer = payer
        self.pin = pin
        self.bound = bound
        self.since = now
        self.late = False
        self.recalled = False
        self.floor: int = bound.amount
        if order.principal.hold_policy == "clamp" and order.call.capped and bound.output > FLOOR_TOKENS:
            self.floor = estimate.cost(order.call, pin.quote, FLOOR_TOKENS)
        self._queue = queue
        queue.add(self)

    def cancel(self) -> None:
        """Wait no more."""
        self._queue.drop(self)

    @property
    def covered(self) -> bool:
        """Whether its purses have all that it asked for."""
        return all(purse.free >= self.bound.amount for purse in self.payer.purses)


class Queue:
    """Those that wait, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[Waiting, None] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting))

    def __contains__(self, waiting: Waiting) -> bool:
        """Whether it waits still."""
        return waiting in self._waiting

    def add(self, waiting: Waiting) -> None:
        """Let it wait, and its purses know."""
        self._waiting[waiting] = None
        for purse in waiting.payer.purses:
            purse.waiting += 1

    def drop(self, waiting: Waiting) -> None:
        """Forget it. Again is no error."""
        if waiting in self._waiting:
            del self._waiting[waiting]
            for purse in waiting.payer.purses:
                purse.waiting -= 1

    def wants(self) -> list[Want]:
        """What the purses lack for all that wait: at least enough for the most modest one of each purse."""
        needs: dict[Purse, tuple[int, int]] = {}
        for waiting in self._waiting:
            amount = waiting.bound.amount
            need = waiting.floor if waiting.late else amount
            for purse in waiting.payer.purses:
                least, total = needs.get(purse, (need, 0))
                needs[purse] = min(least, need), total + amount
        return [
            Want(purse.meter, max(least - purse.free, 1), total - purse.free, CUSHION * total)
            for purse, (least, total) in needs.items()
            if total > purse.free
        ]


def note(purse: Purse, want: Want, taken: Taken) -> None:
    """Put what the bank gave into the purse, and remember how the meter stands."""
    purse.free += taken.amount
    purse.left = taken.left
    purse.escrowed = taken.escrowed
    purse.tight = escrow.tight(want.most, taken.left)


class Verdict:
    """What becomes of one that waits, now. Exactly one of the fields is set, or none: it goes on waiting."""

    __slots__ = ("clamp", "full", "recall", "refusal")

    def __init__(
        self,
        *,
        full: bool = False,
        clamp: int = 0,
        refusal: errors.Refusal | None = None,
        recall: tuple[str, ...] = (),
    ) -> None:
        self.full = full
        self.clamp = clamp
        self.refusal = refusal
        self.recall = recall


def judge(waiting: Waiting, now: float) -> Verdict:
    """The verdict after the bank was asked for it, at `now` (monotonic seconds). Marks it late when its patience is
    over.
    """
    lacking = [purse for purse in waiting.payer.purses if purse.free < waiting.bound.amount]
    if not lacking:
        return Verdict(full=True)
    for purse in lacking:
        if purse.left + purse.escrowed < waiting.floor:
            return Verdict(refusal=exhausted(purse.meter))
    if waiting.late:
        affordable = min(purse.free for purse in waiting.payer.purses)
        if affordable >= waiting.floor and waiting.floor < waiting.bound.amount:
            return Verdict(clamp=affordable)
        short = next(purse for purse in lacking if purse.free < waiting.floor or purse is lacking[-1])
        return Verdict(refusal=in_flight(short.meter))
    elsewhere = tuple(purse.meter.id for purse in lacking if purse.escrowed > purse.own)
    hopeless = any(purse.left + purse.escrowed < waiting.bound.amount for purse in lacking)
    patience = PATIENCE_SECONDS if not hopeless else RECALL_SECONDS if elsewhere else 0.0
    waiting.late = now - waiting.since >= patience
    if waiting.recalled:
        return Verdict()
    waiting.recalled = True
    return Verdict(recall=elsewhere)


def exhausted(meter: Meter) -> errors.Refusal:
    """The refusal when nothing in flight can make it fit."""
    return errors.InsufficientQuota(
        f"You exceeded your current quota: {meter} does not cover this request. Add funds, raise the limit, or ask for "
        "less output."
    )


def in_flight(meter: Meter) -> errors.Refusal:
    """The refusal when the funds are there, but held."""
    return errors.FundsInFlight(
        f"What is left of {meter} is held by requests in flight. Retry when they have ended.", retry_after=RETRY_SECONDS
    )
