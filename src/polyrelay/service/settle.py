"""Books one exchange exactly once: the ledger, the limits and the record."""

import logging
from collections.abc import Callable

from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.service.admit import BYTES_PER_TOKEN, Admitted
from polyrelay.service.delivery import Observed
from polyrelay.service.ports import Record
from polyrelay.service.world import World

logger = logging.getLogger(__name__)


def estimated(call: Call, delivered: int) -> Usage:
    """Usage from bytes: `call.input_bytes` in, `delivered` content bytes out, marked estimated."""
    return Usage(
        input_text=-(-call.input_bytes // BYTES_PER_TOKEN),
        output_text=-(-delivered // BYTES_PER_TOKEN),
        estimated=True,
    )


class Books:
    """The page of one exchange. `channel`, `attempts` and `first_token` (seconds) are kept up by the exchange."""

    __slots__ = ("_admitted", "_on_close", "_world", "attempts", "channel", "closed", "first_token")

    def __init__(self, world: World, admitted: Admitted, on_close: Callable[[], None]) -> None:
        self._world = world
        self._admitted = admitted
        self._on_close = on_close
        self.channel: str | None = None
        self.attempts = 0
        self.first_token: float | None = None
        self.closed = False

    def settle(self, observed: Observed, outcome: Outcome, *, status: int, error: str | None = None) -> bool:
        """Post what was used, stated or else estimated. False when it could not be written: then nothing may leave."""
        usage = observed.usage or estimated(self._admitted.request.call, observed.delivered)
        try:
            self._world.ledger.settle(self._admitted.hold, usage, outcome)
        except Exception:  # border: whatever keeps a charge from being written, the answer must not leave
            logger.exception("exchange %s could not be booked; its answer is cut", self._admitted.slip.exchange)
            self._close(usage, Outcome.TRUNCATED, status=status, finish=observed.finish, error="not_booked")
            return False
        self._close(usage, outcome, status=status, finish=observed.finish, error=error)
        return True

    def void(self, outcome: Outcome, *, status: int, error: str | None) -> None:
        """Nothing was delivered: no charge."""
        self._world.ledger.void(self._admitted.hold)
        self._close(None, outcome, status=status, finish=None, error=error)

    def _close(
        self, usage: Usage | None, outcome: Outcome, *, status: int, finish: str | None, error: str | None
    ) -> None:
        self.closed = True
        admitted, slip = self._admitted, self._admitted.slip
        admitted.lease.release(usage.total_tokens if usage is not None else 0)
        self._world.records.add(
            Record(
                exchange=slip.exchange,
                label=slip.label,
                surface=admitted.surface,
                account=admitted.holder.account,
                key=admitted.holder.key_id,
                model=admitted.request.call.model,
                channel=self.channel,
                status=status,
                outcome=outcome,
                attempts=self.attempts,
                seconds=self._world.clock.monotonic() - slip.arrived,
                first_token=self.first_token,
                usage=usage,
                finish=finish,
                error=error,
                billing=admitted.request.call.billing,
            )
        )
        self._on_close()
