"""Delivers an answer that is one body, and the rejections that vendors send instead."""

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import bounds
from polyrelay.service import verdict
from polyrelay.service.answers import Headers
from polyrelay.service.delivery import Host, Leaks, Observed
from polyrelay.wire import disclosure
from polyrelay.wire.spoken import JSON, AnyReply, Tongue, WholeReply

_TAIL_BYTES = 64 * 1024
_JSON: Headers = [(b"content-type", JSON)]


class UnaryDelivery:
    """Buffers up to the bound `unary_bytes`, so that a bad answer can still fail over; streams what is larger."""

    __slots__ = (
        "__weakref__",
        "_bound",
        "_chunks",
        "_media_type",
        "_own_headers",
        "_passed",
        "_reply",
        "_size",
        "_tail",
        "host",
    )

    def __init__(self, host: Host, reply: WholeReply, media_type: bytes, passed: Headers) -> None:
        """`media_type` as the upstream named it, empty when it did not; `passed` are headers of its that travel on."""
        self.host = host
        self._reply = reply
        self._media_type = media_type
        self._own_headers = [*passed, *reply.headers()]
        self._bound = max(host.settings.bounds.unary_bytes, reply.kept_bytes)
        self._chunks: list[bytes] = []
        self._size = 0
        self._passed = 0
        self._tail = b""

    def observed(self, *, cut: bool = False) -> Observed:
        """Content bytes passed on so far; nothing while the answer is still buffered."""
        return Observed(self._reply.cut() if cut else None, delivered=self._passed)

    @property
    def held_bytes(self) -> int:
        """See `room.Holder`."""
        return self._size - self._passed if self._chunks else 0

    def data(self, chunk: bytes) -> None:
        """Buffer, or pass on all but the latest piece: the last byte leaves after the books are written."""
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._size <= self._bound:
            if self._size > bounds.SSE_FRAME_BYTES and not self._fits():
                self._chunks.clear()
                self.host.failed(Fault(FaultKind.OVERSIZE, "too many long answers wait to be complete"))
            return
        if self._reply.rewritten:
            self.host.failed(Fault(FaultKind.OVERSIZE, "an answer that is no stream is larger than a frame may be"))
            return
        if not self.host.committed and not self.host.commit(self._headers()):
            return
        passed, self._chunks = b"".join(self._chunks[:-1]), self._chunks[-1:]
        self._tail = (self._tail + passed)[-_TAIL_BYTES:]
        if passed:
            self._passed += len(passed)
            self.host.write(passed)

    def ended(self) -> None:
        """Judge and hand over."""
        body = b"".join(self._chunks)
        if self.host.committed:
            usage = self._reply.observe_tail((self._tail + body)[-_TAIL_BYTES:])
            self.host.finished(Observed(usage, delivered=self._size), body, Outcome.COMPLETE)
            return
        seen = self._reply.observe(body)
        if seen.empty:
            self.host.failed(Fault(FaultKind.EMPTY, "the answer has no content"))
        elif seen.garbled:
            self.host.failed(Fault(FaultKind.GARBLED, "the answer is not what the protocol says"))
        elif seen.error:
            self.host.failed(Fault(FaultKind.ERROR_FIRST, "a 200 whose body is an error"))
        else:
            price = self.host.price
            cost = price(seen.usage) if price is not None and seen.usage is not None else None
            observed = Observed(seen.usage, seen.finish, seen.content_bytes)
            self.host.answered(self._headers(), self._reply.rendered(body, cost), observed)

    def failed(self, fault: Fault) -> None:
        """The upstream broke off."""
        if self.host.committed:
            self.host.broken(self.observed(cut=True), verdict.broken_off(fault), Outcome.TRUNCATED)
        else:
            self.host.failed(fault)

    def _fits(self) -> bool:
        return self.host.room.fits(self, self.host.settings.bounds.bytes_in_flight)

    def _headers(self) -> Headers:
        return [(b"content-type", self._reply.media_type(self._media_type)), *self._own_headers]


class Rejection:
    """A 4xx that blames the request: passed on as the vendor wrote it, if it is in the protocol's shape; of another
    protocol, its words without names and addresses.
    """

    __slots__ = ("_chunks", "_leaks", "_reply", "_size", "_status", "_tongue", "host")

    def __init__(self, host: Host, status: int, reply: AnyReply, tongue: Tongue, leaks: Leaks) -> None:
        self.host = host
        self._status = status
        self._reply = reply
        self._tongue = tongue
        self._leaks = leaks
        self._chunks: list[bytes] = []
        self._size = 0

    def observed(self, *, cut: bool = False) -> Observed:
        """Nothing: a rejection is not content."""
        del cut
        return Observed()

    def data(self, chunk: bytes) -> None:
        """Collect, up to the bound; an error that large is nobody's protocol."""
        self._size += len(chunk)
        if self._size <= bounds.ERROR_BODY_BYTES:
            self._chunks.append(chunk)

    def ended(self) -> None:
        """Pass it on, or say in our words that the vendor refused; or leave it to another channel."""
        body = b"".join(self._chunks)
        if not self._reply.blames(self._status, body):
            self.host.failed(Fault(FaultKind.STATUS, "", self._status))
            return
        self.host.rejected(self._status, list(_JSON), self._told(body))

    def _told(self, body: bytes) -> bytes:
        """What the client gets: the vendor's bytes, else its words, else that it refused."""
        words = None
        if self._size <= bounds.ERROR_BODY_BYTES and not self._leaks(body):
            if self._tongue.is_native(body):
                return body
            words = self._reply.words(body)
        return self._tongue.render(verdict.rejected(words and disclosure.reason(words)))[2]

    def failed(self, fault: Fault) -> None:
        """The upstream broke off while saying no."""
        self.host.failed(fault)
