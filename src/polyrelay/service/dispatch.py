"""One open exchange: candidates are tried until one commits, then its answer is seen to an honest end.

Whatever happens, the exchange is booked exactly once and the client hears exactly one ending (M2, M5). The books are
written before the last bytes leave.
"""

import logging
from collections.abc import Callable

from polyrelay.exchange.faults import Fault
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import errors
from polyrelay.routing import plan
from polyrelay.routing.channel import Candidate
from polyrelay.routing.plan import Failure
from polyrelay.service import answers, verdict
from polyrelay.service.admit import Admitted
from polyrelay.service.answers import Headers
from polyrelay.service.attempt import Attempt
from polyrelay.service.delivery import Observed
from polyrelay.service.ports import Client, Take, Timer
from polyrelay.service.settle import Books
from polyrelay.service.world import Snapshot, World
from polyrelay.settings.root import Settings
from polyrelay.wire.openai_chat import errors as wire_errors

logger = logging.getLogger(__name__)

_COMMENT = b": keep-alive\n\n"
CLIENT_CLOSED = 499
"""Status in records of an exchange whose client left before an answer; nginx's number for the same."""


class Dispatch:
    """Implements the port `Exchange` for the client's side and hears its attempt on the upstream's side."""

    __slots__ = (
        "_admitted",
        "_attempt",
        "_books",
        "_client",
        "_failures",
        "_paused",
        "_snapshot",
        "_started",
        "_timer",
        "_world",
        "committed",
        "write",
    )

    def __init__(
        self, world: World, snapshot: Snapshot, admitted: Admitted, client: Client, on_close: Callable[[], None]
    ) -> None:
        self._world = world
        self._snapshot = snapshot
        self._admitted = admitted
        self._client = client
        self._books = Books(world, admitted, on_close)
        self._attempt: Attempt | None = None
        self._failures: list[Failure] = []
        self._started = False
        self._paused = False
        self._timer: Timer | None = None
        self.committed = False
        self.write: Take = client.write
        """Body bytes for the client: its own `write`, since it is called for every chunk."""

    @property
    def settings(self) -> Settings:
        """The configuration this exchange began with."""
        return self._snapshot.settings

    def start(self) -> None:
        """Send the first attempt on its way."""
        if self.settings.answers.keep_alive_comment_seconds and self._admitted.request.call.stream:
            self._arm_comment()
        self._launch(self._admitted.candidates[0])

    # ── the client's side ──

    def client_gone(self) -> None:
        """Cancel the upstream and book what was delivered so far."""
        if self._books.closed:
            return
        attempt = self._drop_attempt()
        if attempt is None or not attempt.answered:
            self._void(Outcome.CLIENT_GONE, status=CLIENT_CLOSED, error="client_gone")
        else:
            self._settle(attempt.observed(), Outcome.CLIENT_GONE, error="client_gone")

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
        if self._books.closed:
            return
        refusal = errors.Draining("The relay is shutting down; retry the request.", retry_after=1.0)
        attempt = self._drop_attempt()
        if self.committed and attempt is not None:
            self.broken(attempt.observed(), refusal, Outcome.TRUNCATED)
        else:
            self._refuse(refusal, Outcome.REFUSED)

    # ── the attempt's side ──

    def current(self, attempt: Attempt) -> bool:
        """Whether `attempt` is still the one that counts."""
        return self._attempt is attempt and not self._books.closed

    def commit(self, headers: Headers) -> None:
        """From here on the client has this attempt's bytes: no other may follow (M6)."""
        self.committed = True
        self._books.first_token = self._world.clock.monotonic() - self._admitted.slip.arrived
        self._disarm()
        if not self._started:
            self._started = True
            self._client.start(200, headers + self._common_headers())

    def failed(self, fault: Fault) -> None:
        """The attempt failed before commit: the next one, or the end."""
        attempt = self._drop_attempt()
        if attempt is None:
            return
        self._failures.append(Failure(attempt.candidate, fault))
        self._log_fault(attempt.candidate, fault)
        match plan.after(self._failures, self._admitted.candidates):
            case plan.Next(candidate):
                self._launch(candidate)
            case plan.Wait(candidate, seconds):
                self._world.timers.call_later(seconds, lambda: self._launch(candidate))
            case plan.Stop():
                self._refuse(verdict.refusal(self._failures), Outcome.UPSTREAM_ERROR)

    def answered(self, headers: Headers, body: bytes, observed: Observed) -> None:
        """A whole unary answer: book it, then hand it over."""
        common = self._common_headers()
        if self._settle(observed, Outcome.COMPLETE):
            self._attempt = None
            self._client.reply(200, headers + common, body)

    def rejected(self, status: int, headers: Headers, body: bytes) -> None:
        """The vendor blames the request: its own words, and no charge."""
        common = self._common_headers()
        self._void(Outcome.UPSTREAM_ERROR, status=status, error="upstream_rejected")
        if self._started:
            self._end_in_band(b"data: " + b" ".join(body.splitlines()) + b"\n\n")
        else:
            self._client.reply(status, [*headers, (b"x-should-retry", b"false"), *common], body)

    def finished(self, observed: Observed, tail: bytes, outcome: Outcome) -> None:
        """A streamed answer is over: book it, then let `tail`, its last bytes, go."""
        if not self._settle(observed, outcome):
            return
        if self._paused:
            self._drop_attempt()
        self._attempt = None
        if tail:
            self._client.write(tail)
        self._client.finish(close=outcome is not Outcome.COMPLETE)

    def broken(self, observed: Observed, refusal: errors.Refusal, outcome: Outcome) -> None:
        """A committed answer broke off: book what was delivered; say so in-band, or cut a body that cannot say it."""
        if not self._settle(observed, outcome, error=refusal.code):
            return
        if self._admitted.request.call.stream:
            self._end_in_band(wire_errors.frame(refusal))
        else:
            self._client.cut()

    def crashed(self, defect: Exception) -> None:
        """A defect of ours: logged with its trace, one honest end, nothing of the inside shown."""
        logger.error("exchange %s failed inside the relay", self._admitted.slip.exchange, exc_info=defect)
        attempt = self._drop_attempt()
        if self._books.closed:
            self._client.cut()
        elif self.committed and attempt is not None:
            self._settle(attempt.observed(), Outcome.TRUNCATED, error="internal_error")
            self._client.cut()
        else:
            self._refuse(errors.InternalFault("The relay failed to serve this request."), Outcome.REFUSED)

    # ── inside ──

    def _launch(self, candidate: Candidate) -> None:
        if self._books.closed:
            return
        try:
            self._attempt = self._send(candidate)
        except Exception as defect:  # noqa: BLE001 - border: a defect of ours ends one exchange, and gives all back
            self.crashed(defect)

    def _send(self, candidate: Candidate) -> Attempt:
        request, call = self._admitted.request, self._admitted.request.call
        endpoint = self._snapshot.endpoints[candidate]
        upstream_model = candidate.channel.models[call.model]
        body = request.splice(
            model=upstream_model if upstream_model != call.model else None,
            ask_usage=call.stream and not request.asked_usage and endpoint.takes_stream_options,
        )
        attempt = Attempt(
            self, candidate, stream=call.stream, strip_usage=not request.asked_usage, now=self._world.clock.wall
        )
        self._books.channel = candidate.channel.name
        self._books.attempts += 1
        attempt.flight = self._world.upstream.send(endpoint.request(self._admitted.passed_headers, body), attempt)
        if self._paused:
            attempt.flight.pause()
        return attempt

    def _drop_attempt(self) -> Attempt | None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.flight.cancel()
        return attempt

    def _common_headers(self, *, named: bool = True) -> Headers:
        """What every answer carries; not `named` while it is open which channel will answer."""
        headers = self._admitted.slip.headers(self._world.clock.monotonic())
        headers += self._admitted.lease.headers()
        if named and self.settings.answers.reveal_channel and self._books.channel is not None:
            headers.append((b"x-polyrelay-channel", self._books.channel.encode()))
        return headers

    def _refuse(self, refusal: errors.Refusal, outcome: Outcome) -> None:
        common = self._common_headers()
        self._void(outcome, status=refusal.status, error=refusal.code)
        if self._started:
            self._end_in_band(wire_errors.frame(refusal))
            return
        status, headers, body = wire_errors.render(refusal)
        self._client.reply(status, [*headers, *common], body)

    def _end_in_band(self, frame: bytes) -> None:
        self._client.write(frame)
        self._client.finish(close=True)

    def _settle(self, observed: Observed, outcome: Outcome, error: str | None = None) -> bool:
        self._disarm()
        if self._books.settle(observed, outcome, status=200, error=error):
            return True
        self._client.cut()
        return False

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
        self._client.write(_COMMENT)
        self._arm_comment()

    def _log_fault(self, candidate: Candidate, fault: Fault) -> None:
        logger.warning(
            "exchange %s: channel %s, credential %s failed before commit: %s",
            self._admitted.slip.exchange,
            candidate.channel.name,
            candidate.credential.name,
            " ".join(filter(None, (fault.kind.value, str(fault.status or ""), fault.detail))),
        )
