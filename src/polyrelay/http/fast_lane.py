"""The seam to uvicorn: an HTTP/1 protocol that serves relay routes itself and leaves the rest to the ASGI application.

Every request is read whole, within bounds, and served in the order it came: a POST relay route by the service, without
scope, cycle or task; any other by the task that uvicorn would have made. Bytes are read at all times, so that a leaving
client is noticed; what a client may send ahead of its answers is bounded instead.
"""

import asyncio
import logging
import time
from typing import Any, ClassVar

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from polyrelay.http import triage
from polyrelay.http.context import LaneContext
from polyrelay.http.request import Request
from polyrelay.http.spool import Arrival
from polyrelay.http.turns import Turns
from polyrelay.http.watch import Awaited
from polyrelay.kernel import errors

logger = logging.getLogger(__name__)

FRAMING_RATIO = 8
"""Most bytes on the wire for a byte of chunked body: one-byte chunks take six."""

FLOOD = 1024 * 1024
"""Bytes that may come, besides one body, on a connection whose bytes nobody reads any more."""

LONG_READ = 64 * 1024
"""Bytes of one read after which a connection lets the others have their turn. libuv would read up to 32 times 256 KiB
in a row from a client that sends as fast."""

_IDLE, _HEAD, _BODY = range(3)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _StopParsingError(Exception):
    """Ends the parser's run: nothing more of this connection is read."""


def protocol(context: LaneContext) -> type[asyncio.Protocol]:
    """The class to hand to uvicorn as `http=`."""
    return type("FastLane", (FastLane,), {"context": context})


class FastLane(Turns):
    """One connection: bytes in, whole requests out, which `Turns` answers. `watch.Watched` for the sweep."""

    context: ClassVar[LaneContext]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._phase = _IDLE
        self._fed = 0
        """Bytes since the request began, as far as it began with a read of its own; 0 for the rest of a read."""
        self._arrived = 0.0
        self._method = b""
        self._reading: Request | None = None
        self._upgrading = False

    # ── the connection ───────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; it has `keep_alive_seconds` to begin a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(self.context.settings.bounds.write_buffer_bytes)
        watch = self.context.watch
        watch.attend(self.loop)
        watch.since(watch.idles, self)

    def eof_received(self) -> None:
        """The client has closed its side: whatever it still waited for, it counts as gone."""
        self._leave()
        self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self._leave()
        self.context.watch.forget(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: finish what has begun, close what is idle."""
        self.closing = True
        if self._phase == _IDLE and not self.is_answering:
            self.hang_up()
        else:
            self.last_answer()

    def overdue(self, awaited: Awaited) -> None:
        """The sweep found that the client took too long."""
        if awaited is Awaited.HEAD:
            self._refuse_unread(errors.BodyTooSlow("The request's headers did not arrive in time."))
        elif awaited is Awaited.BODY:
            self._refuse_unread(errors.BodyTooSlow("The request's body did not arrive in time."))
        else:
            self.transport.abort()

    def next_turn(self) -> None:
        """All that has come is answered: invite a body that was held back meanwhile, or wait for another request."""
        if self._phase == _IDLE:
            watch = self.context.watch
            watch.since(watch.idles, self)
        elif self._reading is not None and self._reading.expecting:
            self._reading.expecting = False
            self.transport.write(_CONTINUE)

    def _leave(self) -> None:
        self._stop_reading()
        self.abandon()

    def _stop_reading(self) -> None:
        """Nothing more is read on this connection, and what is half read is dropped."""
        self.deaf = True
        self._phase = _IDLE
        self._fed = 0
        if self._reading is not None:
            self.let_go(self._reading)
            self._reading = None

    def _refuse_unread(self, refusal: errors.Refusal) -> None:
        """Refuse the request that is half read, in its turn, and close: where the next one begins is not known."""
        request = self._reading or Request(self.context.settings)
        self._stop_reading()
        self.context.watch.forget(self)
        request.refusal = refusal
        request.keep_alive = False
        request.lingers = True
        self.take(request)

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """Feed the parser, whose callbacks do the rest; then see that an unfinished request stays within bounds."""
        if self._phase == _IDLE and not self.deaf:
            self._fed = 0
        self._fed += len(data)
        if self.deaf:
            self._let_flood_go()
            return
        rest: bytes | None = data
        while rest is not None:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._after_upgrade(rest[upgrade.args[0] :])
                continue
            except httptools.HttpParserError as error:
                self._stumble(error)
                return
            rest = None
        if self._phase != _IDLE:
            self._check_unfinished()
            if len(data) >= LONG_READ:
                self._let_others_have_a_turn()

    def _after_upgrade(self, rest: bytes) -> bytes | None:
        """Follow an `Upgrade` to WebSocket; for any other, what the parser has to read again and go on with."""
        self._upgrading = False
        if self._should_upgrade():
            self._hand_over()
            return None
        return self._without_upgrade() + rest

    def _stumble(self, error: httptools.HttpParserError) -> None:
        """The parser stopped: because we told it to, because of the client, or because of a defect of ours."""
        if isinstance(error.__context__, _StopParsingError):
            return
        if isinstance(error, httptools.HttpParserCallbackError):
            logger.error("a request could not be read", exc_info=error)
            self._refuse_unread(errors.InternalFault("Internal error."))
        else:
            self._refuse_unread(triage.bad_request(f"Invalid HTTP request: {error}."))

    def _without_upgrade(self) -> bytes:
        """The head again, for a new parser: llhttp takes what follows an Upgrade for another protocol's bytes.

        Java's HTTP client offers h2c on every POST; RFC 9110 section 7.8 lets us ignore that.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] not in (b"upgrade", b"connection")]
        asked = b",".join([value.lower() for name, value in self.headers if name == b"connection"])
        if b"close" in [token.strip() for token in asked.split(b",")]:
            lines.append(b"connection: close\r\n")
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (self._method, self.url, b"".join(lines))

    def _hand_over(self) -> None:
        """Give the connection to uvicorn's WebSocket protocol, unless an answer is still owed on it."""
        if self.is_answering or self.closing:
            self._refuse_unread(triage.bad_request("An upgrade cannot follow unanswered requests."))
            return
        self._stop_reading()
        self.context.watch.forget(self)
        self.scope = {"method": self._method.decode("ascii"), "headers": self.headers}  # type: ignore[typeddict-item]
        self.handle_websocket_upgrade()

    def _check_unfinished(self) -> None:
        """Bound what the parser holds of an unfinished head, and how much framing a body may have."""
        settings = self.context.settings
        watch = self.context.watch
        if self._reading is None:
            watch.since(watch.heads, self)
            if self._fed > settings.bounds.header_bytes:
                self._refuse_unread(triage.headers_too_large(settings))
        else:
            watch.since(watch.bodies if self._reading.boundary is None else watch.uploads, self)
            if self._fed > 2 * settings.bounds.header_bytes + FRAMING_RATIO * self._reading.received:
                self._refuse_unread(triage.bad_request("Too much chunk framing or trailers."))

    def _let_others_have_a_turn(self) -> None:
        """Read on in the loop's next turn, in the middle of a long body: no answer is awaited there."""
        if not self.transport.is_closing():
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _let_flood_go(self) -> None:
        """Bytes that nobody reads: drop a client that floods."""
        if self._fed > self.context.settings.bounds.body_bytes + FLOOD:
            self._leave()
            self.transport.abort()

    # ── the parser's callbacks ───────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """First byte of a request."""
        if self.deaf:
            raise _StopParsingError
        self._phase = _HEAD
        self.url = b""
        self.headers = []
        self._arrived = time.monotonic()
        self.context.watch.idles.pop(self, None)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line; trailers are not headers and are dropped (RFC 9110 section 6.5.1)."""
        if self._phase == _HEAD:
            self.headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        """Decide what the request is and whether its body is wanted."""
        parser = self.parser
        headers = self.headers
        method = self._method = parser.get_method()
        version = parser.get_http_version()
        head = dict(headers)
        self.context.watch.heads.pop(self, None)
        request = Request(self.context.settings, method, self.url, headers, head, self._arrived)
        refusal = triage.malformed(method, version, headers, head) or self._fault_of_size()
        if refusal is None and parser.should_upgrade():
            self._upgrading = True
            return
        request.legacy = version == "1.0"
        request.keep_alive = parser.should_keep_alive()
        self._reading = request
        self._phase = _BODY
        if refusal is not None:
            self._refuse_and_stop(refusal)
        self._admit(request)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        request = self._reading
        if request is None:
            return
        request.received += len(body)
        if request.refusal is not None:
            return
        context = self.context
        bounds = request.settings.bounds
        if request.arrival is not None:
            self._spool(request, request.arrival, body)
        else:
            context.bytes_in_flight += len(body)
            request.add(body)
            if request.held > bounds.body_bytes:
                self._refuse_and_stop(triage.body_too_large(request))
        if context.bytes_in_flight > bounds.bytes_in_flight:
            self._refuse_and_stop(triage.overloaded())

    def on_message_complete(self) -> None:
        """The request is whole: it may take its turn."""
        request = self._reading
        if self._upgrading or request is None:
            return
        self._reading = None
        self._phase = _IDLE
        self._fed = 0
        self.context.watch.bodies.pop(self, None)
        if request.arrival is not None:
            self._complete(request, request.arrival)
        self.deaf = not request.keep_alive
        self.take(request)

    # ── what to do with a request ────────────────────────────────────────────────────────────────────────────────

    def _admit(self, request: Request) -> None:
        """Find out who serves the request; send `100 Continue` when the body is wanted and waited for."""
        if not self.url.startswith(b"/"):
            request.path, request.query = triage.absolute(self.url)
        triage.route(request, self.context)
        if triage.is_costly(request):
            self._screen(request)
        if request.boundary is not None and request.refusal is None:
            bounds = request.settings.bounds
            request.arrival = Arrival(request.boundary, bounds, self.context.spool, self.context)

    def _screen(self, request: Request) -> None:
        """Look at the key before a long body is read, or asked for."""
        if request.refusal is None and request.surface is not None and request.method == b"POST":
            peer = self.peer_of(request)
            request.refusal = request.settings.relay.screen(request.surface, request.headers, peer)
        if request.refusal is not None:
            self._refuse_and_stop(request.refusal)
        elif triage.awaits_continue(request):
            request.expecting = self.is_answering
            if not request.expecting:
                self.transport.write(_CONTINUE)

    def _spool(self, request: Request, arrival: Arrival, piece: bytes) -> None:
        """Keep a piece of a form, unless it is none or too long."""
        if request.received > request.settings.bounds.upload_bytes:
            self._refuse_and_stop(triage.body_too_large(request))
        try:
            arrival.add(piece)
        except errors.Refusal as refusal:
            # Its frames hold the request, which is going to hold the refusal.
            self._refuse_and_stop(refusal.with_traceback(None))

    def _complete(self, request: Request, arrival: Arrival) -> None:
        """The whole form has come. One that is none is refused, and the connection kept."""
        self.context.watch.uploads.pop(self, None)
        try:
            arrival.finish()
        except errors.Refusal as refusal:
            request.refusal = refusal.with_traceback(None)
            self.let_go(request)

    def _fault_of_size(self) -> errors.Refusal | None:
        """Whether the head is too long. Counted only when more than the bound has come, or several requests."""
        settings = self.context.settings
        bound = settings.bounds.header_bytes
        if (self._fed > bound or self._fed == 0) and triage.header_size(self.url, self.headers) > bound:
            return triage.headers_too_large(settings)
        return None

    def _refuse_and_stop(self, refusal: errors.Refusal) -> None:
        """Refuse from within the parser."""
        self._refuse_unread(refusal)
        raise _StopParsingError
