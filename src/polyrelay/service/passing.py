"""Delivers an answer that means nothing to the relay, such as speech: byte for byte, from the first one on."""

from collections import deque

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.service import verdict
from polyrelay.service.answers import Headers
from polyrelay.service.delivery import Host, Observed
from polyrelay.wire.spoken import MEASURED_BYTES, BytesReply

_BINARY = b"application/octet-stream"


class PassingDelivery:
    """The latest byte stays back until another follows it: the last one leaves after the books are written."""

    __slots__ = ("_head", "_held", "_media_type", "_reply", "_size", "_tail", "_tail_bytes", "host")

    def __init__(self, host: Host, reply: BytesReply, media_type: bytes) -> None:
        """`media_type` as the upstream named it, empty when it did not."""
        self.host = host
        self._reply = reply
        self._media_type = media_type
        self._held = b""
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._size = 0

    def observed(self, *, cut: bool = False) -> Observed:
        """What the bytes so far come to; nothing before the first one."""
        if not self._size:
            return Observed()
        tail = b"".join(self._tail)[-MEASURED_BYTES:]
        measure = self._reply.cut if cut else self._reply.measure
        return Observed(measure(self._head, tail, self._size), delivered=self._size)

    def data(self, chunk: bytes) -> None:
        """Pass on all but the last byte."""
        if not chunk:
            return
        if not self.host.committed and not self.host.commit(self._headers()):
            return
        passed, self._held = self._held + chunk[:-1], chunk[-1:]
        if passed:
            self.host.write(passed)
        self._size += len(chunk)
        if len(self._head) < MEASURED_BYTES:
            self._head += chunk[: MEASURED_BYTES - len(self._head)]
        self._keep(chunk)

    def ended(self) -> None:
        """All of it was there."""
        if self.host.committed:
            self.host.finished(self.observed(), self._held, Outcome.COMPLETE)
        else:
            self.host.failed(Fault(FaultKind.EMPTY, "the answer has no content"))

    def failed(self, fault: Fault) -> None:
        """The upstream broke off."""
        if self.host.committed:
            self.host.broken(self.observed(cut=True), verdict.broken_off(fault), Outcome.TRUNCATED)
        else:
            self.host.failed(fault)

    def _keep(self, chunk: bytes) -> None:
        """The latest pieces, as many as the measured bytes lie in."""
        self._tail.append(chunk)
        self._tail_bytes += len(chunk)
        while self._tail_bytes - len(self._tail[0]) >= MEASURED_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def _headers(self) -> Headers:
        return [(b"content-type", self._media_type or _BINARY)]
