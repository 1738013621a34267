"""Delivers an SSE answer: held back until the first meaningful frame, then byte for byte."""

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import bounds
from polyrelay.service import answers, verdict
from polyrelay.service.delivery import Host, Leaks, Observed
from polyrelay.wire import sse
from polyrelay.wire.spoken import EventReply


class StreamDelivery:
    """Before commit every defect is a fault, and another channel may answer unseen; after it, an honest end in-band."""

    __slots__ = ("__weakref__", "_counts", "_held", "_held_bytes", "_leaks", "_over", "_tap", "host")

    def __init__(self, host: Host, reply: EventReply, *, leaks: Leaks) -> None:
        self.host = host
        self._leaks = leaks
        self._tap = reply.tap(host.price)
        self._counts = reply.frame_bytes > bounds.SSE_FRAME_BYTES
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._over = False

    def observed(self, *, cut: bool = False) -> Observed:
        """Usage, finish reason and content bytes as far as the tap has seen them."""
        tap = self._tap
        return Observed(tap.cut() if cut else tap.usage, tap.finish, tap.content_bytes)

    @property
    def held_bytes(self) -> int:
        """See `room.Holder`."""
        return 0 if self._over else self._tap.held_bytes

    def data(self, chunk: bytes) -> None:
        """Pass frames on; keep the terminator back until the books are written."""
        if self._over:
            return
        tap = self._tap
        try:
            out = tap.feed(chunk)
        except sse.FrameTooLongError:
            self._break(Fault(FaultKind.OVERSIZE, "an SSE frame is larger than the bound"))
            return
        if self._counts and self.held_bytes > bounds.SSE_FRAME_BYTES and not self._fits():
            self._break(Fault(FaultKind.OVERSIZE, "too many long frames wait to be complete"))
            return
        if not self.host.committed:
            out = self._hold(out)
        if tap.error is not None and self.host.committed and self._leaks(tap.error):
            self._break(Fault(FaultKind.ERROR_FIRST, "an error frame names our key or address"))
            return
        if tap.terminator is not None and self.host.committed:
            self._over = True
            outcome = Outcome.COMPLETE if tap.error is None else Outcome.UPSTREAM_ERROR
            self.host.finished(self.observed(cut=tap.error is not None), out + tap.terminator, outcome)
        elif out:
            self.host.write(out)

    def ended(self) -> None:
        """The body ended without a whole `[DONE]` frame: complete only after a finish reason (M5: none is invented)."""
        if self._over:
            return
        tap = self._tap
        rest = tap.close()
        if not self.host.committed:
            self.host.failed(Fault(FaultKind.EMPTY, "the stream ended before a meaningful frame"))
        elif tap.error is not None:
            self.host.finished(self.observed(cut=True), tap.terminator or b"", Outcome.UPSTREAM_ERROR)
        elif tap.terminator is not None or (tap.finish is not None and not rest):
            self.host.finished(self.observed(), tap.terminator or b"", Outcome.COMPLETE)
        else:
            self._break(Fault(FaultKind.CUT, "the stream ended without a finish reason"))

    def failed(self, fault: Fault) -> None:
        """The upstream broke off; after its last event that costs nobody anything."""
        if self._over:
            return
        if self.host.committed and self._tap.final:
            self.ended()
        else:
            self._break(fault)

    def _fits(self) -> bool:
        return self.host.room.fits(self, self.host.settings.bounds.bytes_in_flight)

    def _break(self, fault: Fault) -> None:
        self._over = True
        if self.host.committed:
            outcome = Outcome.TRUNCATED if self._tap.error is None else Outcome.UPSTREAM_ERROR
            self.host.broken(self.observed(cut=True), verdict.broken_off(fault), outcome)
        else:
            self.host.failed(fault)

    def _hold(self, out: bytes) -> bytes:
        """Keep `out` until the tap has seen something meaningful; then return everything held, for writing."""
        tap = self._tap
        fault = self._defect()
        if fault is not None:
            self._over = True
            self.host.failed(fault)
            return b""
        self._held.append(out)
        self._held_bytes += len(out)
        if not tap.meaningful:
            if self._held_bytes > bounds.HELD_STREAM_BYTES:
                self._break(Fault(FaultKind.OVERSIZE, "too many bytes before a meaningful frame"))
            return b""
        if not self.host.commit(answers.event_stream()):
            self._over = True
            return b""
        held, self._held = b"".join(self._held), []
        return held

    def _defect(self) -> Fault | None:
        tap = self._tap
        if tap.meaningful:
            return None
        if tap.error is not None:
            return Fault(FaultKind.ERROR_FIRST, "the first frame is an error")
        if tap.garbled:
            return Fault(FaultKind.GARBLED, "the first frame is not JSON")
        if tap.terminator is not None:
            return Fault(FaultKind.EMPTY, "the stream has no meaningful frame")
        return None
