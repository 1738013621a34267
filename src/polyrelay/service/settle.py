"""Books one exchange exactly once: the ledger, the limits and the record."""

import logging
from collections.abc import Callable

import msgspec

from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.money import Nanos
from polyrelay.routing.channel import Channel
from polyrelay.service.admit import Admitted
from polyrelay.service.delivery import Observed
from polyrelay.service.line import Entry
from polyrelay.service.ports import Hold, Record
from polyrelay.service.world import World

logger = logging.getLogger(__name__)


CLIENT_CLOSED = 499
"""Status in records of an exchange whose client left before an answer; nginx's number for the same."""


class Books:
    """The page of one exchange. `channel`, `attempts`, `first_token` (seconds) and `place` are kept up by the exchange;
    what it has or waits for in a line is given back when the page is closed.
    """

    __slots__ = (
        "_admitted",
        "_on_close",
        "_sent",
        "_world",
        "attempts",
        "channel",
        "closed",
        "first_token",
        "held",
        "hold",
        "place",
    )

    hold: Hold
    """Set by `begin`; there is none while `held` is false."""

    def __init__(self, world: World, admitted: Admitted, on_close: Callable[[], None]) -> None:
        self._world = world
        self._admitted = admitted
        self._on_close = on_close
        self._sent = False
        self.held = False
        self.channel: Channel | None = None
        self.attempts = 0
        self.first_token: float | None = None
        self.place: Entry | None = None
        self.closed = False

    def begin(self, hold: Hold) -> None:
        """The funds are there."""
        self.hold = hold
        self.held = True

    def sent(self) -> None:
        """The first bytes of an answer are about to leave. Raises when that cannot be written: then they may not."""
        self._world.ledger.sent(self.hold, self.channel.name if self.channel is not None else None)
        self._sent = True
        self.first_token = self._world.clock.monotonic() - self._admitted.slip.arrived

    def settle(
        self, observed: Observed, outcome: Outcome, then: Callable[[], None], *, status: int, error: str | None = None
    ) -> Nanos | None:
        """Post what was used, stated or else estimated; returns the charge.

        `then` is called when the last bytes may leave, before or after this returns. None when it could not be written:
        nothing may leave, and of an answer that has not begun to leave the funds are given back.
        """
        usage = observed.usage
        if usage is None:
            usage = self._admitted.request.unstated(observed.delivered, self.hold.cap)
        record = self._record(usage, outcome, status=status, finish=observed.finish, error=error)
        try:
            charge = self._world.ledger.settle(self.hold, record, then)
        except Exception:  # border: whatever keeps a charge from being written, the answer must not leave
            logger.exception("exchange %s could not be booked; its answer is cut", record.exchange)
            record = msgspec.structs.replace(record, outcome=Outcome.TRUNCATED, error="not_booked")
            if not self._sent:
                self._give_back(record)
            self._close(record)
            return None
        self._close(record)
        return charge

    def void(self, outcome: Outcome, *, status: int, error: str | None) -> None:
        """Nothing was delivered: no charge. A hold, if there is one, is given back."""
        record = self._record(None, outcome, status=status, finish=None, error=error)
        if self.held:
            self._give_back(record)
        else:
            self._world.ledger.refuse(record, self._admitted.holder)
        self._close(record)

    def abandon(self) -> None:
        """Funds were refused at once. Whoever opened the exchange answers, and records it."""
        self.closed = True
        self._admitted.lease.release(0)
        self._on_close()

    def _give_back(self, record: Record) -> None:
        try:
            self._world.ledger.void(self.hold, record)
        except Exception:  # border: the hold stays until its journal is recovered; the exchange ends all the same
            logger.exception("the funds held for exchange %s could not be given back", record.exchange)

    def _close(self, record: Record) -> None:
        self.closed = True
        self._admitted.lease.release(record.usage.total_tokens if record.usage is not None else 0)
        self._world.records.add(record)
        self._on_close()
        if self.place is not None:
            self.place.leave()

    def _record(
        self, usage: Usage | None, outcome: Outcome, *, status: int, finish: str | None, error: str | None
    ) -> Record:
        admitted, slip, channel = self._admitted, self._admitted.slip, self.channel
        return Record(
            exchange=slip.exchange,
            label=slip.label,
            surface=admitted.surface.name,
            account=admitted.holder.account,
            key=admitted.holder.key_id,
            model=admitted.request.call.model,
            channel=channel.name if channel is not None else None,
            status=status,
            outcome=outcome,
            attempts=self.attempts,
            seconds=self._world.clock.monotonic() - slip.arrived,
            first_token=self.first_token,
            usage=usage,
            finish=finish,
            error=error,
            billing=admitted.request.call.billing,
            provider=channel.provider if channel is not None else None,
        )
