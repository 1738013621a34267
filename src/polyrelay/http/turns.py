"""The answering half of a connection: its requests one at a time, in the order they came."""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from polyrelay.http import cors, triage
from polyrelay.http.answer import Answer
from polyrelay.http.context import LaneContext, LaneSettings
from polyrelay.http.request import Request
from polyrelay.http.watch import Awaited
from polyrelay.service.ports import Inbound

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPScope

logger = logging.getLogger(__name__)

PIPELINED = 8
"""Requests that may wait behind the one being answered. Who sends more is answered that many, then closed."""


class Turns(HttpToolsProtocol):
    """uvicorn's protocol with our order of answers; an `answer.Line`. Reading is left to `FastLane`."""

    context: ClassVar[LaneContext]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.closing = self.context.draining
        self.deaf = False
        """What still comes is neither read nor answered."""
        self._current: Request | None = None
        self._answer: Answer | None = None
        self._waiting: deque[Request] = deque()
        self._advancing = False
        self._trusted: tuple[LaneSettings, bool] | None = None

    @property
    def is_answering(self) -> bool:
        """Whether an answer is owed."""
        return self._current is not None

    def next_turn(self) -> None:
        """Nothing is left to answer; the reading half knows what comes next."""
        raise NotImplementedError

    def overdue(self, awaited: Awaited) -> None:
        """What was awaited of the client did not come in time."""
        raise NotImplementedError

    # ── the order ────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, request: Request) -> None:
        """Serve `request` now or after those before it. The last one that may wait also closes the connection."""
        if self._current is None:
            self._serve(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= PIPELINED:
            request.keep_alive = False
            self.deaf = True

    def answered(self, *, close: bool) -> None:
        """The current answer is complete: close, or go on with the next request."""
        request, self._current = self._current, None
        answer, self._answer = self._answer, None
        if answer is not None and answer.exchange is not None:
            self.context.exchanges.discard(answer)
            answer.exchange = None
        if request is not None:
            self.let_go(request)
        self.server_state.total_requests += 1
        if close:
            self.hang_up(linger=request is not None and request.lingers)
        elif self._waiting:
            self._advance()
        elif not self._advancing:
            self.next_turn()

    def _advance(self) -> None:
        """Serve who waits, without recursion where answers come at once."""
        if self._advancing:
            return
        self._advancing = True
        while self._waiting and self._current is None:
            self._serve(self._waiting.popleft())
        self._advancing = False
        if self._current is None and not self.transport.is_closing():
            self.next_turn()

    def _drop_waiting(self) -> None:
        while self._waiting:
            self.let_go(self._waiting.popleft())

    def let_go(self, request: Request) -> None:
        """Forget the body of `request`. Forms count themselves, so the gauge is looked at when that is done."""
        held = request.let_go()
        self.context.bytes_in_flight -= held

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def hang_up(self, *, linger: bool = False) -> None:
        """Close once everything is sent.

        With `linger` only our side is closed and the client's bytes are dropped for a while: closing a socket with
        unread bytes resets it, and the client would lose the answer.
        """
        self.deaf = True
        self._drop_waiting()
        watch = self.context.watch
        watch.forget(self)
        if linger and not self.transport.is_closing():
            if self.transport.can_write_eof():
                self.transport.write_eof()
            watch.since(watch.lingers, self)
            return
        self.transport.close()
        if self.transport.get_write_buffer_size():
            watch.since(watch.flushes, self)
        elif self.scheme == "https":
            # A TLS transport waits for the client's close_notify, which an idle one may never send.
            watch.since(watch.lingers, self)

    def abandon(self) -> None:
        """The client is gone: tell the exchange, once, and let everything go."""
        self._drop_waiting()
        request, self._current = self._current, None
        answer, self._answer = self._answer, None
        if request is not None:
            self.let_go(request)
        if answer is not None:
            self.context.exchanges.discard(answer)
            answer.gone()

    def last_answer(self) -> None:
        """Close after what is being answered or read now. Relay answers look at `closing` themselves."""
        if self._current is not None and self._answer is None:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        """The client reads more slowly than its upstream writes."""
        super().pause_writing()
        if self._answer is not None and self._answer.exchange is not None:
            self._answer.exchange.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if self._answer is not None and self._answer.exchange is not None:
            self._answer.exchange.resume()

    # ── the answers ──────────────────────────────────────────────────────────────────────────────────────────────

    def _serve(self, request: Request) -> None:
        self._current = request
        if request.refusal is None and self._is_crowded(request):
            request.refusal = triage.overloaded()
        if request.refusal is not None:
            self._refuse(request)
        elif request.surface is None:
            self._run_asgi(request)
        elif request.method == b"OPTIONS":
            self._answer = Answer(self, request)
            identity = request.settings.relay.identify(request.head)
            self._answer.reply(204, [*cors.preflight(request.settings.cors, request.head), *identity], b"")
        else:
            self._open(request)

    def _open(self, request: Request) -> None:
        """Hand a relay request to the service."""
        answer = self._answer = Answer(self, request)
        arrival = request.arrival
        inbound = Inbound(
            request.surface or "",
            request.headers,
            request.take_body(),
            self.peer_of(request),
            request.arrived,
            request.query,
            None if arrival is None else arrival.form,
            None if arrival is None else arrival.upload,
        )
        try:
            exchange = request.settings.relay.open(inbound, answer)
        except Exception:  # the border to the service: a defect there costs one request, not the connection's state
            logger.exception("the service failed to open an exchange")
            answer.fail()
            return
        if exchange is not None and not answer.over:
            answer.exchange = exchange
            self.context.exchanges.add(answer)
            if self.flow.write_paused:
                exchange.pause()

    def _refuse(self, request: Request) -> None:
        """Answer the request's refusal in its surface's shape."""
        answer = self._answer = Answer(self, request)
        settings = request.settings
        if request.refusal is not None:
            surface = request.surface or settings.plain_surface
            settings.relay.refuse(surface, request.headers, request.refusal, answer)
        if not answer.over:
            answer.fail()

    def _is_crowded(self, request: Request) -> bool:
        """Whether `streams_in_flight`, or uvicorn's `limit_concurrency` by its own rule, leaves no room."""
        opened = len(self.context.exchanges)
        limit = self.limit_concurrency
        if limit is not None and (len(self.connections) >= limit or len(self.tasks) + opened >= limit):
            request.keep_alive = False
            return True
        return request.surface is not None and opened >= request.settings.bounds.streams_in_flight

    def _run_asgi(self, request: Request) -> None:
        """Let the ASGI application answer, in a task, its body already whole."""
        path = unquote(request.path.decode("ascii"))
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.0" if request.legacy else "1.1",
            "server": self.server,
            "client": (self.peer_of(request), self.client[1] if self.client else 0),
            "scheme": self.scheme or "http",
            "root_path": self.root_path,
            "headers": request.headers,
            "state": self.app_state.copy(),
            "method": request.method.decode("ascii"),
            "path": self.root_path + path,
            "raw_path": self.root_path.encode("ascii") + request.path,
            "query_string": request.query,
            "extensions": {},
        }
        self.cycle = self._cycle(request, self.scope)
        self._start_asgi_task(self.cycle, cast("ASGI3Application", self.app))

    def _cycle(self, request: Request, scope: "HTTPScope") -> RequestResponseCycle:
        cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=request.keep_alive and not request.legacy and not self.closing,
            on_response=self._asgi_answered,
        )
        cycle.body = bytearray(request.take_body())
        cycle.more_body = False
        cycle.message_event.set()
        return cycle

    def _asgi_answered(self) -> None:
        if self._current is not None:
            self.answered(close=self.transport.is_closing())

    # ── what answers need ────────────────────────────────────────────────────────────────────────────────────────

    def date_line(self) -> bytes:
        """`date` as uvicorn refreshes it every second."""
        return self.context.fixed_lines(self.server_state.default_headers)

    def peer_of(self, request: Request) -> str:
        """The client's address, after proxies that are trusted; whether this peer is one is found out once."""
        host = self.client[0] if self.client else ""
        settings = request.settings
        if self._trusted is None or self._trusted[0] is not settings:
            self._trusted = (settings, settings.forwarding.trusts(host))
        return settings.forwarding.client(host, request.headers) if self._trusted[1] else host
