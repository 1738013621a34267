"""The parent of all workers. It never accepts a connection: it holds the socket, and replaces who dies."""

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from polyrelay.background.supervision.tether import Order
from polyrelay.background.supervision.worker import Command, Greeting, Worker, ending

logger = logging.getLogger(__name__)

START_FAILURES = 5
"""Starts of one worker that fail in a row before the whole relay gives up, if nobody serves: about 4 s of waiting."""

ABORT_SECONDS = 3.0
"""How long a worker that is told to abort may take; one whose loop is stuck is killed then."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Supervisor:
    """SIGTERM or SIGINT drains every worker, a second one aborts them, SIGHUP makes them read their configuration.

    While one worker serves, another that cannot start is tried again for ever, at growing intervals: a configuration
    file that was broken since must not end those who hold a good one.
    """

    def __init__(self, workers: int, command: Command, greet: Greeting, listener: socket.socket) -> None:
        """`listener` is bound, and inherited by every worker under the same file descriptor."""
        self._workers = [Worker(index) for index in range(workers)]
        self._command = command
        self._greet = greet
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._announced = False
        self._stopping = False
        self._kill_at: float | None = None
        self._code = 0

    def run(self, ready: Callable[[Sequence[int]], None]) -> int:
        """Work until told to stop and all workers have ended, from the main thread; the exit code.

        `ready` is called once, with the workers' process ids, when all of them take requests.
        """
        with _woken() as wake, self._selector:
            self._selector.register(wake, selectors.EVENT_READ, lambda: self._signalled(wake.recv(64)))
            self._start_due()
            while any(worker.pid or worker.due is not None for worker in self._workers):
                for key, _ in self._selector.select(self._patience()):
                    key.data()
                self._reap()
                self._announce(ready)
                self._kill_late()
                self._start_due()
        return self._code

    # ── workers ──

    def _start_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.due is None or worker.due > now:
                continue
            try:
                line = worker.start(self._command, self._greet, self._listener.fileno())
            except OSError as error:
                self._fell(worker, 1, f"could not be started: {error.strerror}")
                continue
            self._selector.register(line, selectors.EVENT_READ, partial(self._heard, worker))
            logger.info("worker %d started, pid %d", worker.index, worker.pid)

    def _heard(self, worker: Worker) -> None:
        served = worker.serving
        if not worker.heard(time.monotonic()):
            self._hang_up(worker)
        elif worker.serving and not served:
            logger.info("worker %d serves, pid %d", worker.index, worker.pid)

    def _hang_up(self, worker: Worker) -> None:
        if worker.line is not None:
            self._selector.unregister(worker.line)
            worker.line.close()
            worker.line = None

    def _reap(self) -> None:
        for worker in self._workers:
            pid, code = worker.pid, worker.ended()
            if code is not None:
                self._hang_up(worker)
                self._fell(worker, code, f"(pid {pid}) {ending(code)}")

    def _fell(self, worker: Worker, code: int, how: str) -> None:
        pause = worker.fell(time.monotonic())
        if self._stopping:
            worker.due = None
            logger.log(logging.WARNING if code else logging.INFO, "worker %d %s", worker.index, how)
        elif worker.failures >= START_FAILURES and not self._carried():
            logger.error("worker %d %s, %d times in a row: giving up", worker.index, how, worker.failures)
            self._code = code if code > 0 else 1
            self._stop()
        else:
            when = f"in {pause:.2g} s" if pause else "at once"
            logger.warning("worker %d %s; it is replaced %s", worker.index, how, when)

    def _carried(self) -> bool:
        """Whether the relay has begun to serve and some worker still does."""
        return self._announced and any(worker.serving for worker in self._workers)

    def _announce(self, ready: Callable[[Sequence[int]], None]) -> None:
        if not self._announced and all(worker.serving for worker in self._workers):
            self._announced = True
            ready([worker.pid for worker in self._workers])

    # ── signals ──

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGHUP:
                self._tell(Order.RELOAD)
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._stop()

    def _stop(self) -> None:
        if self._stopping:
            logger.warning("a second signal: not waiting for anyone")
            self._tell(Order.ABORT)
            self._kill_at = time.monotonic() + ABORT_SECONDS
            return
        self._stopping = True
        self._listener.close()
        for worker in self._workers:
            worker.due = None
        self._tell(Order.DRAIN)

    def _tell(self, order: Order) -> None:
        for worker in self._workers:
            worker.order(order)

    def _kill_late(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            for worker in self._workers:
                worker.kill()

    def _patience(self) -> float | None:
        """Seconds until something is due; None when only an event can change anything."""
        moments = [worker.due for worker in self._workers if worker.due is not None]
        if self._kill_at is not None:
            moments.append(self._kill_at)
        return max(min(moments) - time.monotonic(), 0.0) if moments else None


@contextmanager
def _woken() -> Iterator[socket.socket]:
    """A socket that receives the number of each of SIGNALS as one byte, instead of what they would do."""
    receiving, sending = socket.socketpair()
    with receiving, sending:
        receiving.setblocking(False)
        sending.setblocking(False)
        handlers = {number: signal.signal(number, lambda _number, _frame: None) for number in SIGNALS}
        before = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        try:
            yield receiving
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
