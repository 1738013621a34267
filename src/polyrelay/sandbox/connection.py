"""One client connection: requests parsed from its bytes, one answer at a time, in order."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

import httptools

from polyrelay.sandbox import faults, framing, refusals
from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.control import PREFIX
from polyrelay.sandbox.desk import Desk
from polyrelay.sandbox.framing import Ending, Plan, Reply
from polyrelay.sandbox.pacer import Pacer
from polyrelay.sandbox.playback import Playback, reset
from polyrelay.sandbox.records import Header, Record, Ring
from polyrelay.sandbox.script import Script

_LOG = logging.getLogger(__name__)
MOST_BODY_BYTES = 256 * 1024 * 1024
"""Far above any real request; a bound all the same."""
MOST_PIPELINED = 64
_EXPECTATION = (b"expect", b"100-continue")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Hub:
    """What all connections of one sandbox share."""

    loop: asyncio.AbstractEventLoop
    pacer: Pacer
    desk: Desk
    ring: Ring
    open: set["Connection"] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """Serves HTTP/1.0 and 1.1 with keep-alive and pipelining."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._number = 0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Arrived, Record]] = deque()
        self._playing: Playback | None = None
        self._making: tuple[asyncio.Future[Plan], Record] | None = None
        self._doomed = False
        self._path = b""
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._body_size = 0

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        self._transport = cast("asyncio.Transport", transport)
        ring = self._hub.ring
        ring.connections_total += 1
        ring.connections_open += 1
        self._number = ring.connections_total
        self._hub.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the transport's signature
        """The client or the sandbox closed it."""
        self._transport = None
        ring = self._hub.ring
        ring.connections_open -= 1
        self._hub.open.discard(self)
        self._waiting.clear()
        if self._playing is not None:
            self._playing.abandon()
            self._over()
        elif self._making is not None:
            record = self._making[1]
            record.outcome, record.ended_at = "client_left", time.monotonic_ns()
            self._making = None
            ring.exchanges_active -= 1

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a request that is no HTTP is answered with 400 and the end of the connection."""
        if self._doomed:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = httptools.HttpRequestParser(self)
            self.data_received(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._reject(400, "The sandbox could not parse this as HTTP.")

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self._playing is not None:
            self._playing.hold()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._playing is not None:
            self._playing.resume()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # --- the parser's side

    def on_message_begin(self) -> None:
        """A request line begins."""
        self._path = b""
        self._headers = []
        self._body = []
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, as it was written."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Let a client that waits for permission send its body."""
        for name, value in self._headers:
            if len(name) == len(b"expect") and (name.lower(), value.lower()) == _EXPECTATION and self._transport:
                self._transport.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body_size += len(data)
        if self._body_size > MOST_BODY_BYTES:
            self._reject(413, "The sandbox takes at most 256 MiB.")
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """The request is whole: answer it now, or after those before it."""
        parser, body = self._parser, self._body
        legacy = parser.get_http_version() == "1.0"
        arrived = Arrived(
            method=parser.get_method(),
            path=self._path,
            headers=self._headers,
            body=body[0] if len(body) == 1 else b"".join(body),
            legacy=legacy,
            closing=legacy or not parser.should_keep_alive(),
        )
        self._waiting.append((arrived, self._note(arrived)))
        if self._playing is None and self._making is None:
            self._answer()
        elif len(self._waiting) > MOST_PIPELINED:
            self.abort()

    # --- answers

    def _note(self, arrived: Arrived) -> Record:
        now = time.monotonic_ns()
        if arrived.path.startswith(PREFIX):
            return Record(0, self._number, b"", b"", [], now, 0, None)
        return self._hub.ring.note(self._number, arrived.method, arrived.path, arrived.headers, arrived.body, now)

    def _answer(self) -> None:
        hub = self._hub
        while self._waiting and self._playing is None and self._making is None and self._transport is not None:
            arrived, record = self._waiting.popleft()
            plan = hub.desk.plan(arrived)
            hub.ring.exchanges_active += 1
            if isinstance(plan, Plan):
                self._play(plan, record)
            else:
                future = hub.loop.run_in_executor(None, plan)
                self._making = future, record
                future.add_done_callback(self._made)

    def _made(self, made: "asyncio.Future[Plan]") -> None:
        """The plan that was made elsewhere; a mistake in making it is answered with 500 and logged."""
        if self._making is None:
            return
        _, record = self._making
        self._making = None
        error = made.exception()
        if error is not None:
            _LOG.error("sandbox: an answer could not be made", exc_info=error)
        self._play(_BROKEN if error is not None else made.result(), record)

    def _play(self, plan: Plan, record: Record) -> None:
        if self._transport is not None:
            hub = self._hub
            self._playing = Playback(plan, record, self._transport, hub.loop, hub.pacer, self._finished)
            self._playing.start()

    def _finished(self, ending: Ending) -> None:
        self._over()
        if self._transport is None:
            return
        if ending is Ending.RESET:
            reset(self._transport)
        elif ending is Ending.CLOSE:
            self._waiting.clear()
            self._transport.close()
        else:
            self._doomed = ending is Ending.DROP
            if self._waiting:
                self._hub.loop.call_soon(self._answer)

    def _over(self) -> None:
        if self._playing is not None:
            self._playing = None
            self._hub.ring.exchanges_active -= 1

    def _reject(self, status: int, message: str) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._playing is None and self._making is None:
            reply = Reply(status, (faults.JSON,), [refusals.body(message)])
            self._transport.write(framing.plan(reply, Script(), closing=True).whole or b"")
        self._transport.close()


_BROKEN = framing.plan(
    Reply(500, (faults.JSON,), [refusals.body("The sandbox has a mistake; see its log.", kind="server_error")]),
    Script(),
)
