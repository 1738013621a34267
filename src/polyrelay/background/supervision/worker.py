"""One worker as its supervisor sees it: a process, the line to it, and how its starts went."""

import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

from polyrelay.background.supervision.tether import READY, Order, greeting

Command = Callable[[int], Sequence[str]]
"""The command line of a worker, given the file descriptor of its tether."""

Greeting = Callable[[int], bytes]
"""What the worker with an index is told first."""

STEADY_SECONDS = 5.0
"""A worker that served this long is replaced at once; one that died sooner may do so again, and waits."""

FIRST_DELAY = 0.25
LONGEST_DELAY = 15.0
"""Seconds before the start after a failure; they double with each failure in a row."""


def delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY) if failures else 0.0


def ending(code: int) -> str:
    """A return code in words, as `subprocess` counts them."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


class Worker:
    """A place among the workers, filled by one process after another. Times are monotonic seconds."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.due: float | None = 0.0
        """When to start a process; None while there is one."""
        self.failures = 0
        """Processes in a row that never served, or died soon."""
        self.line: socket.socket | None = None
        """Our end of the tether; whoever closes it sets None."""
        self._process: subprocess.Popen[bytes] | None = None
        self._serving_since: float | None = None

    @property
    def pid(self) -> int:
        """Of the living process; 0 without one."""
        return self._process.pid if self._process is not None else 0

    @property
    def serving(self) -> bool:
        """Whether the process takes requests."""
        return self._serving_since is not None

    def start(self, command: Command, greet: Greeting, listener: int) -> socket.socket:
        """Start a fresh interpreter that inherits `listener` and a tether; returns our end of that.

        It leads a process group of its own: ^C on a terminal is the supervisor's to interpret, not every worker's.

        Raises:
            OSError: no process could be made.
        """
        self.due = None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.send(greeting(greet(self.index)))
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                    command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(listener, theirs.fileno()),
                    process_group=0,
                )
            except OSError:
                ours.close()
                raise
        self.line = ours
        return ours

    def heard(self, now: float) -> bool:
        """Read what the worker said; False once it has closed its end."""
        said = b""
        with suppress(OSError):
            said = self.line.recv(64) if self.line is not None else b""
        if READY in said:
            self._serving_since = now
        return bool(said)

    def order(self, order: Order) -> None:
        """Tell the process, if there is one."""
        if self.line is not None:
            with suppress(OSError):  # it has just died, which SIGCHLD tells
                self.line.send(order.value)

    def kill(self) -> None:
        """End the process without asking it."""
        if self._process is not None:
            self._process.kill()

    def ended(self) -> int | None:
        """The return code of a process that has ended since the last call, else None."""
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            self._process = None
        return code

    def fell(self, now: float) -> float:
        """Take note that the process died, or could not be made; seconds until the next start."""
        steady = self._serving_since is not None and now - self._serving_since >= STEADY_SECONDS
        self.failures = 0 if steady else self.failures + 1
        self._serving_since = None
        pause = delay(self.failures)
        self.due = now + pause
        return pause
