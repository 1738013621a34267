"""One easy handle and the request it carries."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import pycurl

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Channel
from polyrelay.service.ports import Sink
from polyrelay.upstream import coding, faults, headers, options
from polyrelay.upstream.multi import Multi
from polyrelay.upstream.sending import Sending

ABORT: Final = -1
"""What a callback returns to end its transfer."""

TRANSPORT_LINES: Final = ("Expect:", "Accept-Encoding: identity")
"""No wait for `100 Continue`, and no content coding, since bytes are passed on as they come."""

_log = logging.getLogger(__name__)


class CurlFlight:
    """The service's hold on one request. It outlives the transfer, which goes on to carry other requests."""

    __slots__ = ("transfer",)

    def __init__(self, transfer: "Transfer | None") -> None:
        self.transfer = transfer

    def cancel(self) -> None:
        """Drop it; the sink hears nothing more."""
        if self.transfer is not None:
            self.transfer.cancel()

    def pause(self) -> None:
        """Stop reading from the upstream."""
        if self.transfer is not None:
            self.transfer.pause()

    def resume(self) -> None:
        """Go on reading."""
        if self.transfer is not None:
            self.transfer.resume()


class Transfer:
    """An easy handle of one channel and credential, carrying one request after the other.

    A request ends by libcurl (`finished`), by a deadline (`expire`), by the service (`cancel`) or by what its answer
    is (`_refuse`). All but the last call of the sink happen inside libcurl's callbacks, where no handle may be removed:
    such an end is noted in `_verdict` or by an empty `_sink`, the callback aborts, and `_end` does it right after.
    """

    __slots__ = (
        "_clock",
        "_decoder",
        "_field_lines",
        "_fixed_lines",
        "_flight",
        "_fresh",
        "_held",
        "_lines",
        "_moved",
        "_multi",
        "_paused",
        "_release",
        "_request",
        "_sending",
        "_sink",
        "_started",
        "_status",
        "_streaming",
        "_timeouts",
        "_url",
        "_verdict",
        "curl",
    )

    def __init__(
        self, multi: Multi, clock: Callable[[], float], channel: Channel, release: Callable[["Transfer"], None]
    ) -> None:
        """A transfer for `channel` that calls `release` when it is free again.

        `clock` gives the loop's seconds. Raises pycurl.error or ValueError for a channel libcurl cannot serve.
        """
        self.curl = pycurl.Curl()
        self._multi = multi
        self._clock = clock
        self._release = release
        self._timeouts = channel.timeouts
        self._url = ""
        self._fixed_lines: tuple[str, ...] | None = None
        self._field_lines: tuple[str, ...] | None = None
        self._flight: CurlFlight | None = None
        self._sink: Sink | None = None
        self._request: OutboundRequest | None = None
        self._fresh = False
        self._lines: list[bytes] = []
        self._reset()
        options.configure(self.curl, channel)
        self._sending = Sending(self.curl)
        self.curl.setopt(pycurl.READFUNCTION, self._on_read)
        self.curl.setopt(pycurl.SEEKFUNCTION, self._sending.seek)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        # Lines are only gathered, without a call of ours for each; they are read when the body begins or all is over.
        self.curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def _reset(self) -> None:
        """Forget the answer to an earlier request."""
        self._lines.clear()
        self._status = 0
        self._decoder: coding.Decoder | None = None
        self._verdict: Fault | None = None
        self._streaming = False
        self._paused = False
        self._held = False

    # ── the service's side ───────────────────────────────────────────────────────────────────────────────────────

    def begin(self, request: OutboundRequest, sink: Sink) -> CurlFlight:
        """Send `request` as soon as the caller has returned to the loop."""
        self._sending.begin(request)
        self._flight = flight = CurlFlight(self)
        self._request = request
        self._sink = sink
        self._started = self._moved = self._clock()
        self._multi.later(self._start)
        return flight

    def cancel(self) -> None:
        """Tell the sink nothing more, and close the connection or reset the stream."""
        self._sink = None
        self._multi.later(partial(self._end, self._flight))

    def pause(self) -> None:
        """Hold the next chunk back. One that is being delivered is delivered whole."""
        self._paused = True

    def resume(self) -> None:
        """Go on, but not before the caller has returned to the loop: libcurl delivers at once what it has."""
        if self._paused:
            self._paused = False
            self._multi.later(partial(self._go_on, self._flight))

    # ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def finished(self, number: int, message: str) -> None:
        """The end, by libcurl: 0, or an error number."""
        if self._verdict is None and self._sink is not None:
            if number and self._is_stale(number):
                self._send_again()
                return
            if not self._status:
                self._read_head()
            self._verdict = self._verdict or self._judge(number, message)
        self._close()

    def expire(self, now: float) -> None:
        """End it if a deadline has passed at `now`. Only outside libcurl."""
        limits = self._timeouts
        if now - self._started >= limits.total:
            self._overdue(FaultKind.TOTAL, limits.total)
        elif self._paused:
            return
        elif self._streaming:
            if now - self._moved >= limits.idle:
                self._overdue(FaultKind.IDLE, limits.idle)
        elif now - self._moved >= limits.first_byte:
            kind = FaultKind.FIRST_BYTE if self._was_sent() else FaultKind.CONNECT
            self._overdue(kind, limits.first_byte)

    def abandon(self, fault: Fault) -> None:
        """End it with `fault`. Only outside libcurl."""
        self._verdict = fault
        self._end(self._flight)

    def _overdue(self, kind: FaultKind, seconds: float) -> None:
        self.abandon(Fault(kind, f"{kind.value} deadline of {seconds:g} s", status=self._status or None))

    def _end(self, flight: CurlFlight | None) -> None:
        """Remove it from libcurl and close, unless it has gone on to another request. Only outside libcurl."""
        if flight is not None and flight is self._flight:
            self._multi.remove(self)
            self._close()

    def _close(self) -> None:
        """Become free, then say how it ended: the sink may start another request from its last call."""
        sink, flight, verdict, request = self._sink, self._flight, self._verdict, self._request
        self._sink = self._flight = self._request = None
        if flight is not None:
            flight.transfer = None
        if request is not None:
            self._sending.end(request)
        if self._fresh:
            self._fresh = False
            self.curl.setopt(pycurl.FRESH_CONNECT, 0)
        self._reset()
        self._release(self)
        if sink is not None:
            tell_end(sink, verdict)

    def _judge(self, number: int, message: str) -> Fault | None:
        """What libcurl's result means; None for a complete answer."""
        status = self._status or None
        if number:
            return faults.from_curl(number, message, connected=self._was_sent(), status=status)
        if status is None:
            return Fault(FaultKind.CUT, "the answer ends within its head")
        if self._decoder is not None and not self._decoder.complete:
            return Fault(FaultKind.CUT, "the coded body ends early", status=status)
        return None

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self) -> None:
        request = self._request
        if self._sink is None or request is None:
            return
        try:
            self._prepare(request)
            self._multi.add(self)
        except (pycurl.error, ValueError, TypeError) as error:
            # The message could quote the header that was refused.
            self.abandon(Fault(FaultKind.CONNECT, f"not sendable: {type(error).__name__}"))

    def _prepare(self, request: OutboundRequest) -> None:
        """Set what differs from the request before. Raises pycurl.error, ValueError, TypeError."""
        curl = self.curl
        if request.url != self._url:
            self._url = ""
            curl.setopt(pycurl.URL, request.url)
            self._url = request.url
        if request.headers != self._field_lines or request.fixed_headers != self._fixed_lines:
            self._field_lines = None
            curl.setopt(pycurl.HTTPHEADER, _lines_of(request))
            self._field_lines, self._fixed_lines = request.headers, request.fixed_headers
        self._sending.prepare(request)

    def _is_stale(self, number: int) -> bool:
        """Whether a pooled connection was found closed, and the request may be sent once more on a new one.

        A server may close an idle connection at the very moment a request is written to it. libcurl notices most such
        cases and sends again by itself; it gives up after five dead connections in a row, and at a write that fails
        half-way. RFC 9112 section 9.3.1 defers to RFC 9110 section 9.2.2: a POST may be repeated when the client can
        tell that it was never applied. An old connection that fails before a single line of an answer is as close to
        that as a client can see. It is no proof, so it is done once, and never on a connection made for the request;
        and nothing has been committed to our client, so that a failover may repeat the request just as well (M6).
        """
        return (
            number in faults.STALE
            and not (self._fresh or self._lines or self._status)
            and self.curl.getinfo(pycurl.NUM_CONNECTS) == 0
        )

    def _send_again(self) -> None:
        self._fresh = True
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)
        self._multi.later(self._start)

    def _on_read(self, size: int) -> bytes | int:
        """CURLOPT_READFUNCTION, called whenever the connection has taken what was given before: that is progress."""
        self._moved = self._clock()
        try:
            return self._sending.read(size)
        except Exception:  # noqa: BLE001 - the border to libcurl, where nothing may raise
            _log.exception("an upload cannot be read; its upstream request is dropped")
            self._verdict = Fault(FaultKind.CUT, "the upload could not be read")
            return int(pycurl.READFUNC_ABORT)

    def _was_sent(self) -> bool:
        """A connection was there, and the request was on its way."""
        return bool(self.curl.getinfo(pycurl.REQUEST_SIZE) > 0)

    # ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_head(self) -> int | None:
        """Tell the sink of the final head. Returns ABORT when the answer is not wanted."""
        try:
            head = headers.parse(self._lines)
            if head is None:
                return None
            self._status, fields = head
            fields = self._decoded(fields)
            if self._sink is not None:
                self._sink.head(self._status, fields)
        except faults.Unacceptable as reason:
            return self._refuse(reason.kind, str(reason))
        except Exception:  # noqa: BLE001 - the border to libcurl, where nothing may raise
            return self._blame_sink()
        return None if self._sink is not None else ABORT

    def _decoded(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Prepare for a coded body, and take back what its head says of the coding. Raises Unacceptable."""
        for name, value in fields:
            if name == b"content-encoding" and value.lower() not in {b"", b"identity"}:
                if self._decoder is not None:
                    raise faults.Unacceptable(FaultKind.GARBLED, "two content-encoding fields")
                self._decoder = coding.Decoder(value)
        if self._decoder is None:
            return fields
        return [field for field in fields if field[0] not in {b"content-encoding", b"content-length"}]

    def _on_body(self, chunk: bytes) -> int | None:
        """CURLOPT_WRITEFUNCTION. A chunk that is held back comes again after `_go_on`."""
        sink = self._sink
        if sink is None or self._verdict is not None:
            return ABORT
        if self._paused:
            self._held = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self._moved = self._clock()
        self._streaming = True
        if not self._status and self._read_head() == ABORT:
            return ABORT
        try:
            if self._decoder is None:
                sink.data(chunk)
            else:
                self._decode(self._decoder, chunk)
        except faults.Unacceptable as reason:
            return self._refuse(reason.kind, str(reason))
        except Exception:  # noqa: BLE001 - the border to libcurl, where nothing may raise
            return self._blame_sink()
        return self._heed_sink()

    def _decode(self, decoder: coding.Decoder, chunk: bytes) -> None:
        """Pass on what `chunk` decodes to. Raises Unacceptable."""
        for piece in decoder.decode(chunk):
            if self._sink is None:
                return
            self._sink.data(piece)

    def _heed_sink(self) -> int | None:
        """Do what the sink asked for while it was given data."""
        if self._sink is None:
            return ABORT
        if self._paused:
            self._held = True
            self.curl.pause(pycurl.PAUSE_RECV)
        return None

    def _go_on(self, flight: CurlFlight | None) -> None:
        """Undo a pause. Only outside libcurl."""
        if flight is not self._flight or self._sink is None or self._paused:
            return
        self._moved = self._clock()
        if not self._held:
            return
        self._held = False
        try:
            self._multi.unpause(self)
        except pycurl.error as error:
            self._verdict = self._verdict or Fault(FaultKind.CUT, f"after a pause: curl {error.args[0]}")
            self._end(flight)

    def _refuse(self, kind: FaultKind, detail: str) -> int:
        """End it for what the answer is. Called inside libcurl; returns what makes the callback abort."""
        self._verdict = Fault(kind, detail, status=self._status or None)
        self._multi.later(partial(self._end, self._flight))
        return ABORT

    def _blame_sink(self) -> int:
        """Our own defect: it must not reach libcurl or stop the loop, and the sink is still owed its last call."""
        _log.exception("a sink raised; its upstream request is dropped")
        return self._refuse(FaultKind.CUT, "the relay failed to handle the answer")


def tell_end(sink: Sink, fault: Fault | None) -> None:
    """The sink's last call."""
    try:
        if fault is None:
            sink.ended()
        else:
            sink.failed(fault)
    except Exception:  # noqa: BLE001 - the border to the loop; there is nobody left to tell
        _log.exception("a sink raised at the end of its upstream request")


def _lines_of(request: OutboundRequest) -> Sequence[str]:
    """All header lines. Raises ValueError for one that would become two."""
    lines = [*request.fixed_headers, *request.headers, *TRANSPORT_LINES]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a line break in a header line")
    return lines
