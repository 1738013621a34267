"""A child process pinned to a core, its output in a file; it is ended by its own id, and never outlives the run."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from machine import family, pinned

_STOP_SECONDS = 8.0
_POLL_SECONDS = 0.004


class Failed(Exception):
    """A process did not do what the benchmark needs of it; the message ends with its last words."""


class Process:
    """One server under our hand."""

    def __init__(
        self, name: str, command: list[str], *, core: int, folder: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.spawned = time.perf_counter()
        with self.log.open("wb") as output:
            self._child = subprocess.Popen(
                pinned(core, command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=folder,
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """The process and its descendants."""
        return family(self._child.pid)

    def check(self) -> None:
        """Raise `Failed` if the process has ended."""
        if self._child.poll() is not None:
            raise Failed(f"{self.name} ended with {self._child.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-600:].strip()

    def wait_port(self, port: int, seconds: float) -> float:
        """Wait until it accepts connections; seconds since it was spawned. Raises `Failed` when it takes too long."""
        while time.perf_counter() - self.spawned < seconds:
            self.check()
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return time.perf_counter() - self.spawned
            time.sleep(_POLL_SECONDS)
        raise Failed(f"{self.name} did not listen within {seconds:.0f} s: {self.last_words()}")

    def wait_words(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait until its log matches; raises `Failed` when it takes too long."""
        while time.perf_counter() - self.spawned < seconds:
            self.check()
            if found := re.search(pattern, self.log.read_text(errors="replace")):
                return found
            time.sleep(_POLL_SECONDS)
        raise Failed(f"{self.name} did not say {pattern!r} within {seconds:.0f} s: {self.last_words()}")

    def stop(self) -> None:
        """End it, politely first; its process group is its own, so nothing else is hit."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(_STOP_SECONDS)
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
