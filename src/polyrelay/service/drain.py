"""Reads an answer on after its client has left, to learn what it really used: channels with `client_gone = "drain"`."""

import logging

from polyrelay.exchange.faults import Fault
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import errors
from polyrelay.service.answers import Headers
from polyrelay.service.attempt import Attempt
from polyrelay.service.delivery import Observed
from polyrelay.service.ports import Take
from polyrelay.service.settle import CLIENT_CLOSED, Books
from polyrelay.service.world import World
from polyrelay.settings.root import Settings

logger = logging.getLogger(__name__)


class Drain:
    """Takes an attempt over from its exchange, and books it once: when it ends, or a bound in bytes or time is reached.

    Stated usage is charged as it is. Without any, the prompt and what had been delivered when the client left are, by
    estimate; nothing when the upstream had not begun to answer, or failed before anything had been delivered.
    """

    __slots__ = (
        "_attempt",
        "_books",
        "_delivered",
        "_drains",
        "_left",
        "_take",
        "_timer",
        "committed",
        "room",
        "settings",
    )

    price = None

    def __init__(
        self, world: World, settings: Settings, books: Books, attempt: Attempt, drains: "set[Drain]", *, committed: bool
    ) -> None:
        """`committed`: bytes had been sent to the client. `drains` are all that are open; it enters and leaves them."""
        self.settings = settings
        self.room = world.room
        self.committed = committed
        self._books = books
        self._attempt = attempt
        self._delivered = attempt.observed().delivered if committed else None
        self._left = settings.bounds.drained_bytes
        self._take: Take = _nothing
        self._drains = drains
        drains.add(self)
        self._timer = world.timers.call_later(settings.bounds.drained_seconds, self.stop)
        attempt.drain(self)
        attempt.flight.resume()

    def stop(self) -> None:
        """A bound is reached, or the process goes away: book what is known."""
        self._attempt.flight.cancel()
        self._end(self._attempt.observed(), free=not self._attempt.answered)

    # ── the attempt's side ──

    def reading(self, take: Take) -> Take:
        """Count what `take` is given."""
        self._take = take
        return self._read

    def current(self, attempt: Attempt) -> bool:
        """Whether it is still open; there is but one attempt."""
        return attempt is self._attempt and not self._books.closed

    def commit(self, headers: Headers) -> bool:
        """Nobody gets anything."""
        del headers
        self.committed = True
        return True

    @property
    def write(self) -> Take:
        """Drops what it is given."""
        return _nothing

    def failed(self, fault: Fault) -> None:
        """The upstream failed before it said anything of use; nobody waits for another."""
        del fault
        self._end(Observed(), free=True)

    def answered(self, headers: Headers, body: bytes, observed: Observed) -> None:
        """A whole unary answer."""
        del headers, body
        self._end(observed)

    def rejected(self, status: int, headers: Headers, body: bytes) -> None:
        """The vendor blames the request."""
        del status, headers, body
        self._end(Observed(), free=True)

    def finished(self, observed: Observed, tail: bytes, outcome: Outcome) -> None:
        """A stream is over."""
        del tail
        self._end(observed, free=outcome is not Outcome.COMPLETE and self._delivered is None)

    def broken(self, observed: Observed, refusal: errors.Refusal, outcome: Outcome) -> None:
        """A stream broke off."""
        del refusal, outcome
        self._attempt.flight.cancel()
        self._end(observed, free=self._delivered is None)

    def crashed(self, defect: Exception) -> None:
        """A defect of ours: logged with its trace, and booked as far as it was understood."""
        logger.error("an exchange failed inside the relay after its client had left", exc_info=defect)
        self.stop()

    # ── inside ──

    def _read(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            self.stop()
        else:
            self._take(chunk)

    def _end(self, observed: Observed, *, free: bool = False) -> None:
        if self._books.closed:
            return
        self._timer.cancel()
        self._drains.discard(self)
        status = CLIENT_CLOSED if self._delivered is None else 200
        if free:
            self._books.void(Outcome.CLIENT_GONE, status=status, error="client_gone")
            return
        known = Observed(observed.usage, observed.finish, self._delivered or 0)
        self._books.settle(known, Outcome.CLIENT_GONE, _leave, status=status, error="client_gone")


def _nothing(data: bytes) -> None:
    """Nobody is there to read it."""


def _leave() -> None:
    """Nothing waits for the books."""
