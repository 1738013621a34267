"""The in-memory twin of the HTTP client: answers written down beforehand, no loop, no clock, no socket."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.upload import Stream, Upload
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.ports import HeaderList, Sink

UNWRITTEN: Final = Fault(FaultKind.CONNECT, "no answer was written down for this request")
"""What a request gets that the script does not foresee."""

RELEASED: Final = Fault(FaultKind.CONNECT, "the upload was released before it was sent")
"""What a request gets whose body nobody holds any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets: a head unless `status` is None, then `chunks`, then `fault` or a proper end.

    With `hangs` nothing follows the chunks, as of an upstream that has stalled.
    """

    status: int | None = 200
    headers: HeaderList = ()
    chunks: tuple[bytes, ...] = ()
    fault: Fault | None = None
    hangs: bool = False


class RecordedFlight:
    """One request that was sent to the twin. Holds its upload until it is over."""

    __slots__ = ("_answer", "_parts", "_paused", "_sink", "_upload")

    def __init__(self, answer: Answer, sink: Sink, upload: Upload | None) -> None:
        self._answer = answer
        self._sink: Sink | None = sink
        self._upload = upload
        self._paused = False
        self._parts = self._play()

    def cancel(self) -> None:
        """Drop it; the sink hears nothing more."""
        self._leave()

    def pause(self) -> None:
        """Stop reading from the upstream."""
        self._paused = True

    def resume(self) -> None:
        """Go on reading."""
        self._paused = False

    @property
    def over(self) -> bool:
        """Ended, failed or cancelled."""
        return self._sink is None

    def step(self) -> bool:
        """Make the next call of the sink; False when there is none to make now."""
        if self._sink is None or self._paused:
            return False
        return next(self._parts, False)

    def _play(self) -> Iterator[bool]:
        answer = self._answer
        if answer.status is not None and self._sink is not None:
            self._sink.head(answer.status, list(answer.headers))
            yield True
        for chunk in answer.chunks:
            if self._sink is not None:
                self._sink.data(chunk)
            yield True
        if not answer.hangs:
            sink = self._leave()
            if sink is not None:
                end = sink.ended if answer.fault is None else partial(sink.failed, answer.fault)
                end()
            yield True

    def _leave(self) -> Sink | None:
        """Be over; returns who is to be told."""
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.release()
        sink, self._sink = self._sink, None
        return sink


class RecordedUpstream:
    """Plays `answers` in the order requests come. Nothing is delivered before `step` or `deliver`.

    A sink that raises is not shielded here: the test that provoked it should see it.
    """

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self.requests: list[OutboundRequest] = []
        """Everything that was sent."""
        self.bodies: list[bytes] = []
        """The bodies of `requests`, streams read whole; one that was released is left out."""
        self._answers = deque(answers)
        self._flights: list[RecordedFlight] = []

    @property
    def active(self) -> int:
        """Requests under way."""
        return sum(not flight.over for flight in self._flights)

    def script(self, *answers: Answer) -> None:
        """Write more answers down."""
        self._answers.extend(answers)

    def send(self, request: OutboundRequest, sink: Sink) -> RecordedFlight:
        """Start a request. Never raises and never calls the sink before it has returned."""
        answer = self._answers.popleft() if self._answers else Answer(status=None, fault=UNWRITTEN)
        self.requests.append(request)
        upload = request.body.upload if isinstance(request.body, Stream) else None
        if upload is not None and upload.released:
            answer, upload = Answer(status=None, fault=RELEASED), None
        else:
            self.bodies.append(_read(request.body))
        if upload is not None:
            upload.retain()
        flight = RecordedFlight(answer, sink, upload)
        self._flights.append(flight)
        return flight

    def step(self) -> bool:
        """One call of every sink that can have one, oldest request first; False when there was none."""
        self._flights = [flight for flight in self._flights if not flight.over]
        moved = [flight.step() for flight in self._flights]
        return any(moved)

    def deliver(self) -> None:
        """Step until nothing moves: all is over, paused or hanging."""
        while self.step():
            pass


def _read(body: bytes | Stream) -> bytes:
    return body if isinstance(body, bytes) else body.read(body.size, 0)
