"""The ledger's twin, without money: for tests and trials. It keeps the order of the calls, and asks for no funds."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.kernel.money import Nanos
from polyrelay.service.ports import Funding, Hold, Order, Record

ENDED_KEPT: Final = 4096
"""Ended exchanges remembered to recognise a repeated settle or void: some seconds of a busy relay, in 2 MB."""

FREE: Final = Nanos(0)


class LedgerMisuse(AssertionError):
    """The relay broke the order of the calls: a defect, never a client's doing."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a hold ended; `usage` and `outcome` are None when it was voided."""

    usage: Usage | None = None
    outcome: Outcome | None = None


class MemoryHold(msgspec.Struct, frozen=True, gc=False):
    """Implements the port `Hold`."""

    exchange: ExchangeId
    cap: int | None = None
    clamped: bool = False


class MemoryWait:
    """Implements the port `Wait`, and its end: `fund` or `refuse`, once, unless it was cancelled."""

    def __init__(self, ledger: "MemoryLedger", order: Order, funding: Funding) -> None:
        self._ledger = ledger
        self._funding: Funding | None = funding
        self.order = order

    @property
    def over(self) -> bool:
        """Funded, refused or cancelled."""
        return self._funding is None

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._funding = None
        self._ledger.waits.discard(self)

    def fund(self, *, cap: int | None = None, clamped: bool = False) -> None:
        """Give it its hold. Raises `LedgerMisuse` when nobody waits."""
        funding = self._ended()
        funding.funded(self._ledger.open(MemoryHold(self.order.exchange, cap, clamped)))

    def refuse(self, refusal: errors.Refusal) -> None:
        """Tell it that there are no funds. Raises `LedgerMisuse` when nobody waits."""
        self._ended().unfunded(refusal)

    def _ended(self) -> Funding:
        funding = self._funding
        if funding is None:
            raise LedgerMisuse(f"nobody waits for {self.order.exchange}")
        self.cancel()
        return funding


class MemoryLedger:
    """Implements the port `Ledger`: each reserve is followed by at most one `sent` and by one settle or void.

    `waiting` makes reserves wait in `waits`; `cap` and `clamped` are those of the holds given at once; with `patient`
    the `then` of a settle is kept in `undurable` for whoever calls it. Whatever was used costs nothing.
    """

    def __init__(self, kept: int = ENDED_KEPT) -> None:
        self._kept = kept
        self._live: dict[ExchangeId, Hold] = {}
        self._sent: set[ExchangeId] = set()
        self._ended: OrderedDict[ExchangeId, Settlement] = OrderedDict()
        self.waiting = False
        self.waits: set[MemoryWait] = set()
        self.cap: int | None = None
        self.clamped = False
        self.patient = False
        self.undurable: deque[Callable[[], None]] = deque()
        self.refused: deque[Record] = deque(maxlen=kept)

    @property
    def live(self) -> tuple[Hold, ...]:
        """Holds that were neither settled nor voided, oldest first."""
        return tuple(self._live.values())

    def settlement(self, exchange: ExchangeId) -> Settlement | None:
        """How an exchange ended; None while it is live, and when it is unknown or forgotten."""
        return self._ended.get(exchange)

    def reserve(self, order: Order, funding: Funding) -> MemoryHold | MemoryWait:
        """Open a hold, or wait. Raises `LedgerMisuse` for an exchange that has one, had one or waits for one."""
        if self.waits and any(wait.order.exchange == order.exchange for wait in self.waits):
            raise LedgerMisuse(f"{order.exchange} waits already")
        if self.waiting:
            wait = MemoryWait(self, order, funding)
            self.waits.add(wait)
            return wait
        return self.open(MemoryHold(order.exchange, self.cap, self.clamped))

    def open(self, hold: MemoryHold) -> MemoryHold:
        """Make `hold` live. Raises `LedgerMisuse` for an exchange that has one or had one."""
        if hold.exchange in self._live or hold.exchange in self._ended:
            raise LedgerMisuse(f"{hold.exchange} is reserved twice")
        self._live[hold.exchange] = hold
        return hold

    def sent(self, hold: Hold, channel: str | None) -> None:
        """Note it. Raises `LedgerMisuse` for a hold that is not live, or the second time."""
        del channel
        if hold.exchange not in self._live or hold.exchange in self._sent:
            raise LedgerMisuse(f"{hold.exchange} is not live, or was noted as sent before")
        self._sent.add(hold.exchange)

    def price(self, hold: Hold, usage: Usage) -> Nanos:
        """Nothing."""
        del hold, usage
        return FREE

    def settle(self, hold: Hold, record: Record, then: Callable[[], None]) -> Nanos:
        """Post. Raises `LedgerMisuse` for an unknown or voided hold, no usage, or another end than the first time."""
        if record.usage is None:
            raise LedgerMisuse(f"{hold.exchange} is settled without usage")
        self._end(hold, Settlement(record.usage, record.outcome))
        if self.patient:
            self.undurable.append(then)
        else:
            then()
        return FREE

    def refuse(self, record: Record, principal: Principal) -> None:
        """Remember the record, as the books would."""
        del principal
        self.refused.append(record)

    def void(self, hold: Hold, record: Record) -> None:
        """Give back. Raises `LedgerMisuse` for an unknown or settled hold."""
        del record
        self._end(hold, Settlement())

    def durable(self) -> None:
        """Let go of everything that waited for it."""
        while self.undurable:
            self.undurable.popleft()()

    def _end(self, hold: Hold, settlement: Settlement) -> None:
        before = self._ended.get(hold.exchange)
        if before is not None:
            if before != settlement:
                raise LedgerMisuse(f"{hold.exchange} has ended as {before}, and now as {settlement}")
            return
        if self._live.pop(hold.exchange, None) is None:
            raise LedgerMisuse(f"{hold.exchange} was never reserved, or ended too long ago")
        self._sent.discard(hold.exchange)
        self._ended[hold.exchange] = settlement
        if len(self._ended) > self._kept:
            self._ended.popitem(last=False)
