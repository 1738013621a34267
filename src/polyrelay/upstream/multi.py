"""libcurl's multi handle on an event loop (libcurl-multi(3), the multi-socket interface)."""

import asyncio
import select
from collections.abc import Callable, ValuesView
from typing import Final, Protocol

import pycurl

from polyrelay.exchange.faults import Fault

MAX_IDLE_CONNECTIONS: Final = 512
"""Connections kept; beyond it the one idle longest is closed. Below the usual 1024 descriptors of a process."""

MAX_STREAMS: Final = 100
"""HTTP/2 streams on one connection: what servers commonly allow, and RFC 9113 section 6.5.2 asks for at least."""

EVENTS: Final = 256
"""Ready sockets handled before the loop gets its turn."""

_TO_EPOLL: Final = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
_READABLE: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR


class Transfer(Protocol):
    """What the multi handle carries."""

    @property
    def curl(self) -> pycurl.Curl:
        """Its easy handle."""
        ...

    def expire(self, now: float) -> None:
        """The loop's clock is at `now`: look at the deadlines."""
        ...

    def abandon(self, fault: Fault) -> None:
        """End with `fault`."""
        ...

    def finished(self, number: int, message: str) -> None:
        """The end, by libcurl: 0, or an error number. It has been removed already."""
        ...


class Multi:
    """Drives any number of transfers without a task or a future for any of them.

    All sockets of libcurl sit in one epoll set, and the loop watches that: a transfer costs two system calls to watch
    and forget its socket, where a loop's own reader costs six, and sockets ready together are handled in one turn.

    libcurl forbids adding and removing handles inside its callbacks, so such work goes through `later`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transfers: dict[pycurl.Curl, Transfer] = {}
        self._running = 0
        self._watched: set[int] = set()
        self._work: list[Callable[[], None]] = []
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._due: float | None = None
        self._closed = False
        self._epoll = select.epoll()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAXCONNECTS, MAX_IDLE_CONNECTIONS)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, MAX_STREAMS)
        # No bound per host: `streams_in_flight` bounds what is open, and a request queued here would look like a
        # slow upstream.
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 0)
        loop.add_reader(self._epoll.fileno(), self._ready)

    @property
    def transfers(self) -> ValuesView[Transfer]:
        """Those under way."""
        return self._transfers.values()

    def later(self, work: Callable[[], None]) -> None:
        """Do `work` outside libcurl, before the loop waits for anything."""
        self._work.append(work)
        self._wake()

    def settle(self) -> None:
        """Do the work that waits, now. Only outside libcurl."""
        while self._work:
            work, self._work = self._work, []
            for step in work:
                step()

    def add(self, transfer: Transfer) -> None:
        """Start it. Only within `later` work or `finished`. Raises pycurl.error."""
        self._multi.add_handle(transfer.curl)
        self._transfers[transfer.curl] = transfer

    def remove(self, transfer: Transfer) -> None:
        """Stop it: its connection is closed, or its stream reset. Only outside libcurl. Idempotent."""
        if self._transfers.pop(transfer.curl, None) is not None:
            self._multi.remove_handle(transfer.curl)

    def unpause(self, transfer: Transfer) -> None:
        """Let it receive again. libcurl may call its callbacks before this returns. Only outside libcurl."""
        transfer.curl.pause(pycurl.PAUSE_CONT)
        self._due = self._loop.time()
        self._wake()

    def close(self) -> None:
        """Close every connection. Transfers must have been removed, and their handles are closed after this."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._epoll.fileno())
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        self._work.clear()
        self._multi.close()
        self._epoll.close()

    # ── called by libcurl ────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        """CURLMOPT_SOCKETFUNCTION. libcurl says POLL_REMOVE before it closes a socket it had us watch."""
        if self._closed:
            return
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(fd)
            self._epoll.unregister(fd)
        elif fd not in self._watched:
            self._watched.add(fd)
            self._epoll.register(fd, _TO_EPOLL.get(what, 0))
        else:
            self._epoll.modify(fd, _TO_EPOLL.get(what, 0))

    def _set_timer(self, milliseconds: int) -> None:
        """CURLMOPT_TIMERFUNCTION: one timer, -1 for none.

        A timer that was set earlier than needed stays and looks again when it fires, for libcurl moves its own
        several times a request.
        """
        if self._closed:
            return
        if milliseconds < 0:
            self._due = None
            return
        self._due = self._loop.time() + milliseconds / 1000
        if milliseconds == 0:
            self._wake()
        elif self._timer is None or self._timer_at > self._due:
            self._arm()

    # ── called by the loop ───────────────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        if self._turn is None and not self._closed:
            self._turn = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        self.settle()
        if self._closed:
            return
        if self._due is not None and self._due <= self._loop.time():
            self._due = None
            self._act(pycurl.SOCKET_TIMEOUT, 0)
            self._reap()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        assert self._due is not None  # noqa: S101 - for the type checker
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self._loop.time():
            self._arm()
        else:
            self._take_turn()

    def _ready(self) -> None:
        for fd, events in self._epoll.poll(0, EVENTS):
            mask = pycurl.CSELECT_IN if events & _READABLE else 0
            if events & select.EPOLLOUT:
                mask |= pycurl.CSELECT_OUT
            self._act(fd, mask)
        self._reap()

    def _act(self, fd: int, mask: int) -> None:
        _, running = self._multi.socket_action(fd, mask)
        self._running = running

    def _reap(self) -> None:
        """Hand out what has finished: libcurl counts fewer running than were added."""
        while self._running != len(self._transfers):
            queued, done, broken = self._multi.info_read()
            for curl in done:
                self._finish(curl, 0, "")
            for curl, number, message in broken:
                self._finish(curl, number, message)
            if not queued:
                return

    def _finish(self, curl: pycurl.Curl, number: int, message: str) -> None:
        transfer = self._transfers.pop(curl, None)
        if transfer is not None:
            self._multi.remove_handle(curl)
            transfer.finished(number, message)
