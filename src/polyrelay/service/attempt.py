"""One upstream call on behalf of an exchange: reads the status line, then lets the right delivery take the body."""

from collections.abc import Callable
from typing import Protocol

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.routing.channel import Candidate
from polyrelay.service import secrecy, verdict
from polyrelay.service.delivery import Delivery, Host, Observed
from polyrelay.service.ports import Flight, HeaderList, Take
from polyrelay.service.stream import StreamDelivery
from polyrelay.service.unary import Rejection, UnaryDelivery

_OK = 200
_MEDIA = {True: b"text/event-stream", False: b"application/json"}


class Exchange(Host, Protocol):
    """The exchange an attempt works for."""

    def current(self, attempt: "Attempt") -> bool:
        """Whether `attempt` is still the one that counts."""
        ...

    def crashed(self, defect: Exception) -> None:
        """A defect of ours while handling a callback."""
        ...


class Drainer(Exchange, Protocol):
    """One that reads on after its client has left."""

    def reading(self, take: Take) -> Take:
        """What takes the pieces of the body instead of `take`, and passes them to it."""
        ...


class Attempt:
    """Implements the port `Sink`. `flight` is set right after the request was sent, before any callback."""

    __slots__ = (
        "_delivery",
        "_drainer",
        "_host",
        "_now",
        "_stream",
        "_strip_usage",
        "answered",
        "candidate",
        "data",
        "flight",
    )

    flight: Flight

    def __init__(
        self, host: Exchange, candidate: Candidate, *, stream: bool, strip_usage: bool, now: Callable[[], float]
    ) -> None:
        self._host = host
        self._stream = stream
        self._strip_usage = strip_usage
        self._now = now
        self._delivery: Delivery | None = None
        self._drainer: Drainer | None = None
        self.answered = False
        """Whether the upstream has begun to answer. A rejection is no answer."""
        self.candidate = candidate
        self.data: Take = _unexpected
        """The delivery's own, since it is called for every chunk: a cancelled flight calls it no more, and a defect in
        it is caught at the upstream's border and ends as a fault."""

    def observed(self) -> Observed:
        """What is known of the answer so far."""
        return self._delivery.observed() if self._delivery is not None else Observed()

    def drain(self, drainer: Drainer) -> None:
        """Go on for `drainer`, since the client has left."""
        self._host = self._drainer = drainer
        if self._delivery is not None:
            self._deliver(self._delivery)

    def head(self, status: int, headers: HeaderList) -> None:
        """Choose what becomes of the body."""
        if not self._host.current(self):
            return
        try:
            self._choose(status, headers)
        except Exception as defect:  # noqa: BLE001 - border: a defect of ours ends one exchange, not the process
            self._host.crashed(defect)

    def ended(self) -> None:
        """The body is complete."""
        if self._delivery is None or not self._host.current(self):
            return
        try:
            self._delivery.ended()
        except Exception as defect:  # noqa: BLE001 - border: a defect of ours ends one exchange, not the process
            self._host.crashed(defect)

    def failed(self, fault: Fault) -> None:
        """The upstream, the network or a deadline ended it."""
        if not self._host.current(self):
            return
        try:
            (self._delivery or self._host).failed(fault)
        except Exception as defect:  # noqa: BLE001 - border: a defect of ours ends one exchange, not the process
            self._host.crashed(defect)

    def _choose(self, status: int, headers: HeaderList) -> None:
        if status in verdict.REQUEST_IS_WRONG:
            self._deliver(Rejection(self._host, status, self._leaks))
        elif status != _OK:
            self._give_up(Fault(FaultKind.STATUS, "", status, verdict.retry_after(headers, self._now())))
        elif not _is_media(headers, _MEDIA[self._stream]):
            self._give_up(Fault(FaultKind.GARBLED, "the answer has the wrong media type", status))
        elif self._stream:
            self.answered = True
            self._deliver(StreamDelivery(self._host, strip_usage=self._strip_usage, leaks=self._leaks))
        else:
            self.answered = True
            self._deliver(UnaryDelivery(self._host))

    def _deliver(self, delivery: Delivery) -> None:
        self._delivery = delivery
        delivery.host = self._host
        self.data = delivery.data if self._drainer is None else self._drainer.reading(delivery.data)

    def _give_up(self, fault: Fault) -> None:
        self.flight.cancel()
        self._host.failed(fault)

    def _leaks(self, said: bytes) -> bool:
        return secrecy.leaks(self.candidate.channel, said)


def _unexpected(chunk: bytes) -> None:
    """Bytes before a head: there are none."""


def _is_media(headers: HeaderList, wanted: bytes) -> bool:
    """Whether the answer is `wanted`; one without a content type gets the benefit of the doubt."""
    for name, value in headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower() == wanted
    return True
