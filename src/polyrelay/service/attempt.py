"""One upstream call on behalf of an exchange: reads the status line, then lets the right delivery take the body."""

from collections.abc import Callable
from typing import Protocol

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.routing.channel import Candidate
from polyrelay.service import secrecy, verdict
from polyrelay.service.delivery import Delivery, Host, Observed
from polyrelay.service.passing import PassingDelivery
from polyrelay.service.ports import Flight, HeaderList, Take
from polyrelay.service.stream import StreamDelivery
from polyrelay.service.unary import Rejection, UnaryDelivery
from polyrelay.wire.spoken import AnyReply, EventReply, Tongue, WholeReply

_OK = 200


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
        "_reply",
        "_tongue",
        "answered",
        "candidate",
        "data",
        "flight",
    )

    flight: Flight

    def __init__(
        self, host: Exchange, candidate: Candidate, reply: AnyReply, tongue: Tongue, now: Callable[[], float]
    ) -> None:
        """`tongue` is the client's, `now` gives Unix seconds."""
        self._host = host
        self._reply = reply
        self._tongue = tongue
        self._now = now
        self._delivery: Delivery | None = None
        self._drainer: Drainer | None = None
        self.answered = False
        """Whether the upstream has begun to answer. A rejection is no answer."""
        self.candidate = candidate
        self.data: Take = _unexpected
        """The delivery's own, since it is called for every chunk: a cancelled flight calls it no more, and a defect in
        it is caught at the upstream's border and ends as a fault."""

    def observed(self, *, cut: bool = False) -> Observed:
        """What is known of the answer so far; `cut` when it ends here, and not by the client's doing."""
        return self._delivery.observed(cut=cut) if self._delivery is not None else Observed()

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
        reply = self._reply
        if status in verdict.REQUEST_IS_WRONG or status in reply.rejections:
            self._deliver(Rejection(self._host, status, reply, self._tongue, self._leaks))
            return
        if status != _OK:
            self._give_up(Fault(FaultKind.STATUS, "", status, verdict.retry_after(headers, self._now())))
            return
        media_type = _media_type(headers)
        if isinstance(reply, EventReply) and not _is_among(media_type, reply.media):
            reply = reply.whole or reply
        if not _is_among(media_type, reply.media):
            self._give_up(Fault(FaultKind.GARBLED, "the answer has the wrong media type", status))
            return
        self.answered = True
        self._deliver(self._delivery_of(reply, media_type, headers))

    def _delivery_of(self, reply: AnyReply, media_type: bytes, headers: HeaderList) -> Delivery:
        if isinstance(reply, EventReply):
            return StreamDelivery(self._host, reply, leaks=self._leaks)
        if isinstance(reply, WholeReply):
            passed = [(name, value) for name, value in headers if name in reply.passed]
            return UnaryDelivery(self._host, reply, media_type, passed)
        return PassingDelivery(self._host, reply, media_type)

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


def _media_type(headers: HeaderList) -> bytes:
    """As the upstream wrote it, parameters and all; empty when it did not."""
    for name, value in headers:
        if name == b"content-type":
            return value
    return b""


def _is_among(media_type: bytes, wanted: frozenset[bytes]) -> bool:
    """Whether it is one that is wanted, or of a family that is; one that is not named gets the benefit of the doubt."""
    essence = media_type.partition(b";")[0].strip().lower()
    if not wanted or not essence or essence in wanted:
        return True
    family, slash, _ = essence.partition(b"/")
    return family + slash in wanted
