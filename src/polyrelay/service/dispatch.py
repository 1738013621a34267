"""One open exchange: funds are reserved, candidates are tried until one commits, its answer is seen to an honest end.

Whatever happens, the exchange is booked exactly once and the client hears exactly one ending (M2, M5). The last bytes
leave when the books say that what was used is written down.

Who pays for a client that leaves: before its upstream began to answer (the head of a 200), or while the vendor was
rejecting the request, nobody; after it, the prompt and the output delivered so far, by estimate, unless the usage was
stated. On a channel that drains, what the answer turns out to have used.

Whatever else cuts an answer that has begun, the upstream or the relay itself, is not the client's doing: where a unit
measures the whole of an answer (a text to be said, an image), no more of it is charged than came.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeGuard, cast

from polyrelay.exchange.faults import Fault
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors, money
from polyrelay.kernel.money import Nanos
from polyrelay.routing import plan
from polyrelay.routing.channel import Candidate
from polyrelay.routing.plan import Failure
from polyrelay.service import answers, verdict
from polyrelay.service.admit import Admitted
from polyrelay.service.answers import Headers
from polyrelay.service.attempt import Attempt
from polyrelay.service.delivery import Observed, Price
from polyrelay.service.drain import Drain
from polyrelay.service.line import Entry
from polyrelay.service.ports import Client, Hold, Order, Take, Timer, Wait
from polyrelay.service.room import Room
from polyrelay.service.settle import CLIENT_CLOSED, Books
from polyrelay.service.world import Snapshot, World
from polyrelay.settings.root import Settings
from polyrelay.wire.spoken import Tongue

logger = logging.getLogger(__name__)


class Dispatch:
    """Implements the ports `Exchange` and `Funding`, and hears its attempt on the upstream's side."""

    __slots__ = (
        "_admitted",
        "_attempt",
        "_books",
        "_charge",
        "_client",
        "_drain",
        "_drains",
        "_ending",
        "_failures",
        "_may_leave",
        "_paused",
        "_snapshot",
        "_started",
        "_timer",
        "_tongue",
        "_wait",
        "_world",
        "committed",
        "write",
    )

    def __init__(
        self,
        world: World,
        snapshot: Snapshot,
        admitted: Admitted,
        client: Client,
        on_close: Callable[[], None],
        drains: set[Drain],
    ) -> None:
        self._world = world
        self._snapshot = snapshot
        self._admitted = admitted
        self._client = client
        self._tongue: Tongue = admitted.surface.tongue
        self._books = Books(world, admitted, on_close)
        self._drains = drains
        self._drain: Drain | None = None
        self._wait: Wait | None = None
        self._attempt: Attempt | None = None
        self._failures: list[Failure] = []
        self._started = False
        self._paused = False
        self._timer: Timer | None = None
        self._ending: Callable[[], None] | None = None
        self._charge: Nanos | None = None
        self._may_leave = False
        self.committed = False
        self.write: Take = client.write
        """Body bytes for the client: its own `write`, since it is called for every chunk."""

    @property
    def settings(self) -> Settings:
        """The configuration this exchange began with."""
        return self._snapshot.settings

    @property
    def room(self) -> Room:
        """See `delivery.Host`."""
        return self._world.room

    def start(self) -> None:
        """Reserve and send the first attempt on its way, or wait for funds.

        Raises what the ledger raises when it refuses at once: then nothing is open, and nothing was answered.
        """
        admitted, call = self._admitted, self._admitted.request.call
        try:
            order = Order(admitted.slip.exchange, admitted.holder, call, admitted.surface.name)
            reserved = self._world.ledger.reserve(order, self)
        except BaseException:
            self._books.abandon()
            raise
        if self.settings.answers.keep_alive_comment_seconds and call.stream:
            self._arm_comment()
        if _is_hold(reserved):
            self._begin(reserved)
        else:
            self._wait = cast("Wait", reserved)

    # ── the ledger's side ──

    def funded(self, hold: Hold) -> None:
        """What was waited for is there. A head that left meanwhile could not say how far it reaches: a comment does."""
        self._wait = None
        if self._started and hold.clamped and hold.cap is not None:
            self._client.write(b": %b: %b\n\n" % answers.clamped(hold.cap))
        self._begin(hold)

    def unfunded(self, refusal: errors.Refusal) -> None:
        """It is not to be had."""
        self._wait = None
        self._refuse(refusal, Outcome.REFUSED)

    # ── the client's side ──

    def client_gone(self) -> None:
        """Book what was delivered so far, now or once the upstream's answer has been read on."""
        if self._books.closed or self._drain is not None:
            self._ending = None
            return
        self._stop_waiting()
        if self._attempt is not None and self._attempt.candidate.channel.drains:
            self._read_on(self._attempt)
            return
        attempt = self._drop_attempt()
        if attempt is None or not attempt.answered:
            self._void(Outcome.CLIENT_GONE, status=CLIENT_CLOSED, error="client_gone")
            return
        self._disarm()
        self._books.settle(
            attempt.observed(),
            Outcome.CLIENT_GONE,
            self._leave,
            status=200 if self.committed else CLIENT_CLOSED,
            error="client_gone",
        )

    def pause(self) -> None:
        """Stop reading from the upstream until the client has caught up."""
        self._paused = True
        if self._attempt is not None:
            self._attempt.flight.pause()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._attempt is not None:
            self._attempt.flight.resume()

    def shut(self) -> None:
        """End now, honestly: the process is going away."""
        if self._drain is not None:
            self._drain.stop()
        elif self._books.closed:
            self._cut_ending()
        else:
            self._shut()

    def _shut(self) -> None:
        self._stop_waiting()
        refusal = errors.Draining("The relay is shutting down; retry the request.", retry_after=1.0)
        attempt = self._drop_attempt()
        if self.committed and attempt is not None:
            self.broken(attempt.observed(cut=True), refusal, Outcome.TRUNCATED)
        else:
            self._refuse(refusal, Outcome.REFUSED)

    # ── the attempt's side ──

    def current(self, attempt: Attempt) -> bool:
        """Whether `attempt` is still the one that counts."""
        return self._attempt is attempt and not self._books.closed

    @property
    def price(self) -> Price | None:
        """Set when the client asked for its charge in the answer."""
        return self._price if self._admitted.asked_cost else None

    def commit(self, headers: Headers) -> bool:
        """From here on the client has this attempt's bytes: no other may follow (M6). False when the books refuse."""
        try:
            self._books.sent()
        except Exception as defect:  # noqa: BLE001 - border: whatever keeps it from being written, nothing may leave
            self._unwritten(defect)
            return False
        self.committed = True
        self._disarm()
        if not self._started:
            self._started = True
            self._client.start(200, headers + self._common_headers())
        return True

    def failed(self, fault: Fault) -> None:
        """The attempt failed before commit: the next one, or the end."""
        attempt = self._drop_attempt()
        if attempt is None:
            return
        self._failures.append(Failure(attempt.candidate, fault))
        self._log_fault(attempt.candidate, fault)
        match plan.after(self._failures, self._admitted.candidates):
            case plan.Next(candidates):
                self._approach(candidates)
            case plan.Wait(candidate, seconds):
                self._world.timers.call_later(seconds, lambda: self._launch(candidate))
            case plan.Stop():
                self._refuse(verdict.refusal(self._failures), Outcome.UPSTREAM_ERROR)

    def answered(self, headers: Headers, body: bytes, observed: Observed) -> None:
        """A whole unary answer: book it, then hand it over."""
        common = self._common_headers()
        self._settle(observed, Outcome.COMPLETE, partial(self._reply, headers + common, body))

    def rejected(self, status: int, headers: Headers, body: bytes) -> None:
        """The vendor blames the request: its own words, and no charge."""
        common = self._common_headers()
        self._void(Outcome.UPSTREAM_ERROR, status=status, error="upstream_rejected")
        if self._started:
            self._finish(b"data: " + b" ".join(body.splitlines()) + b"\n\n", close=True)
        else:
            self._client.reply(status, [*headers, (b"x-should-retry", b"false"), *common], body)

    def finished(self, observed: Observed, tail: bytes, outcome: Outcome) -> None:
        """A streamed answer is over: book it, then let `tail`, its last bytes, go."""
        self._settle(observed, outcome, partial(self._finish, tail, close=outcome is not Outcome.COMPLETE))

    def broken(self, observed: Observed, refusal: errors.Refusal, outcome: Outcome) -> None:
        """A committed answer broke off: book what was delivered; say so in-band, or cut a body that cannot say it."""
        self._drop_attempt()
        in_band = self._admitted.request.call.stream
        ending = partial(self._finish, self._tongue.frame(refusal), close=True) if in_band else self._client.cut
        self._settle(observed, outcome, ending, error=refusal.code)

    def crashed(self, defect: Exception) -> None:
        """A defect of ours: logged with its trace, one honest end, nothing of the inside shown."""
        logger.error("exchange %s failed inside the relay", self._admitted.slip.exchange, exc_info=defect)
        attempt = self._drop_attempt()
        if self._books.closed:
            self._ending = None
            self._client.cut()
        elif self.committed and attempt is not None:
            observed = attempt.observed(cut=True)
            self._settle(observed, Outcome.TRUNCATED, self._client.cut, error="internal_error")
        else:
            self._refuse(errors.InternalFault("The relay failed to serve this request."), Outcome.REFUSED)

    # ── inside ──

    def _begin(self, hold: Hold) -> None:
        self._books.begin(hold)
        self._approach(self._admitted.candidates)

    def _approach(self, candidates: Sequence[Candidate]) -> None:
        """Go to the first of `candidates`; or, if that takes only so many calls at once, to the first that is free."""
        books = self._books
        if books.place is not None:
            books.place.leave()
            books.place = None
        if not candidates[0].channel.concurrency:
            self._launch(candidates[0])
            return
        books.place = Entry(self._world.lines, candidates, self._launch)
        try:
            books.place.seek()
        except errors.Refusal as refusal:
            self._refuse(refusal, Outcome.REFUSED)

    def _launch(self, candidate: Candidate) -> None:
        if self._books.closed:
            return
        try:
            self._attempt = self._send(candidate)
        except errors.Refusal as refusal:
            self._refuse(refusal, Outcome.REFUSED)
        except Exception as defect:  # noqa: BLE001 - border: a defect of ours ends one exchange, and gives all back
            self.crashed(defect)

    def _send(self, candidate: Candidate) -> Attempt:
        request, call = self._admitted.request, self._admitted.request.call
        endpoint = self._snapshot.endpoints[candidate]
        operation = endpoint.serving(request.operations)
        if operation is None:
            raise errors.InternalFault("a channel was chosen that does not offer the call")
        sent = request.outbound(operation, endpoint, candidate.channel.models[call.model], self._books.hold.cap)
        attempt = Attempt(self, candidate, sent.reply, self._tongue, self._world.clock.wall)
        self._books.channel = candidate.channel
        self._books.attempts += 1
        attempt.flight = self._world.upstream.send(endpoint.request(sent, self._admitted.passed_headers), attempt)
        if self._paused:
            attempt.flight.pause()
        return attempt

    def _drop_attempt(self) -> Attempt | None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.flight.cancel()
        return attempt

    def _stop_waiting(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _read_on(self, attempt: Attempt) -> None:
        self._disarm()
        self._attempt = None
        self._drain = Drain(self._world, self.settings, self._books, attempt, self._drains, committed=self.committed)

    def _unwritten(self, defect: Exception) -> None:
        """The first bytes may not leave: nothing was delivered, and no other candidate would fare better."""
        logger.error("exchange %s could not be noted as sent", self._admitted.slip.exchange, exc_info=defect)
        self._drop_attempt()
        away = errors.BooksAway("The relay cannot keep its books right now; retry later.", retry_after=1.0)
        refusal = defect if isinstance(defect, errors.Refusal) else away
        self._refuse(refusal, Outcome.REFUSED)

    def _price(self, usage: Usage) -> bytes:
        return money.show(self._world.ledger.price(self._books.hold, usage)).encode("ascii")

    def _common_headers(self, *, named: bool = True) -> Headers:
        """What every answer carries; not `named` while it is open which channel will answer."""
        headers = self._admitted.slip.headers(self._world.clock.monotonic())
        headers += self._admitted.lease.headers()
        books = self._books
        if books.held and books.hold.clamped and books.hold.cap is not None:
            headers.append(answers.clamped(books.hold.cap))
        if named and self.settings.answers.reveal_channel and books.channel is not None:
            headers.append((b"x-polyrelay-channel", books.channel.name.encode()))
        return headers

    def _refuse(self, refusal: errors.Refusal, outcome: Outcome) -> None:
        common = self._common_headers()
        self._void(outcome, status=refusal.status, error=refusal.code)
        if self._started:
            self._finish(self._tongue.frame(refusal), close=True)
            return
        status, headers, body = self._tongue.render(refusal)
        self._client.reply(status, [*headers, *common], body)

    def _settle(
        self, observed: Observed, outcome: Outcome, ending: Callable[[], None], *, error: str | None = None
    ) -> None:
        """Book, and make `ending` as soon as the books allow it; the client hears a cut when they cannot be written.

        A paused flight would never end by itself, and the client's pauses are of no concern any more.
        """
        self._disarm()
        self._ending = ending
        self._charge = self._books.settle(observed, outcome, self._leave, status=200, error=error)
        if self._paused:
            self._drop_attempt()
        self._attempt = None
        if self._charge is None:
            self._cut_ending()
        elif self._may_leave:
            self._end()

    def _leave(self) -> None:
        """The books allow the ending: made at once if they have returned, so that the charge is known."""
        self._may_leave = True
        if self._charge is not None:
            self._end()

    def _end(self) -> None:
        """Make the ending, unless the client has left or the process had to stop since."""
        ending, self._ending = self._ending, None
        if ending is not None:
            ending()

    def _cut_ending(self) -> None:
        if self._ending is not None:
            self._ending = None
            self._client.cut()

    def _reply(self, headers: Headers, body: bytes) -> None:
        if self._started:
            self._finish(body, close=False)
            return
        if self._charge is not None:
            headers.append(answers.cost(self._charge))
        self._client.reply(200, headers, body)

    def _finish(self, last: bytes, *, close: bool) -> None:
        if last:
            self._client.write(last)
        self._client.finish(close=close)

    def _void(self, outcome: Outcome, *, status: int, error: str | None) -> None:
        self._disarm()
        self._books.void(outcome, status=status, error=error)

    # ── keep-alive comments ──

    def _arm_comment(self) -> None:
        pace = self.settings.answers.keep_alive_comment_seconds
        self._timer = self._world.timers.call_later(pace, self._comment)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _comment(self) -> None:
        """Keep an idle path open. A comment is no content: another candidate may still answer."""
        if not self._started:
            self._started = True
            self._client.start(200, answers.event_stream() + self._common_headers(named=False))
        self._client.write(answers.COMMENT)
        self._arm_comment()

    def _log_fault(self, candidate: Candidate, fault: Fault) -> None:
        logger.warning(
            "exchange %s: channel %s, credential %s failed before commit: %s",
            self._admitted.slip.exchange,
            candidate.channel.name,
            candidate.credential.name,
            " ".join(filter(None, (fault.kind.value, str(fault.status or ""), fault.detail))),
        )


def _is_hold(reserved: Hold | Wait) -> TypeGuard[Hold]:
    """By what only a hold has; asking a protocol whether it is implemented takes ten times as long."""
    return hasattr(reserved, "cap")
