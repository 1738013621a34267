"""Numbers that every process of one data folder sees at once: what has changed since I last looked?

A file in the data folder, mapped into memory: reading a number is one load, without a system call or a lock. It holds
nothing worth keeping, so it is no part of a backup; and it must be removed, not overwritten, while the relay is down.
"""

import fcntl
import functools
import mmap
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from polyrelay.kernel.errors import ConfigurationError

FILE = "generation"

_MODE = 0o600
_BYTES = mmap.PAGESIZE

_SLOTS: Mapping[str, int] = {"keys": 0, "recall": 8}
"""Which eight-byte word a name has. Words are 64 bytes apart, a cache line, so that one's bumps leave the other alone;
a slot that was ever released keeps its place, because several versions may share a folder during an upgrade."""

_MASK = 2**64 - 1


class Generation:
    """Named 64-bit numbers shared by the processes of one machine. They only grow, from 0.

    `keys` is bumped by whoever changes what a key may do, after the change is committed; `recall` by a worker that
    wants the others to return idle escrow. Who follows a number reads it before what it speaks of, and remembers that
    reading only once the rest was read: then no change is missed.
    """

    def __init__(self, descriptor: int) -> None:
        """Takes `descriptor`, of a file of at least one page, over."""
        self._descriptor = descriptor
        self._writing = threading.Lock()
        self._map = mmap.mmap(descriptor, _BYTES)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("Q")

    @classmethod
    def open(cls, folder: Path) -> "Generation":
        """The numbers of a data folder, made when absent.

        Raises:
            ConfigurationError: the file cannot be made or opened for writing.
        """
        path = folder / FILE
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _MODE)
            try:
                _grow(descriptor)
                return cls(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}. The relay must be able to write it.") from error

    def read(self, name: str) -> int:
        """The number now. Raises KeyError for a name that is none of ours."""
        return self._words[_SLOTS[name]]

    def reader(self, name: str) -> Callable[[], int]:
        """`read` for one name, for the request path: half its cost. Not to be called after `close`."""
        return functools.partial(self._words.__getitem__, _SLOTS[name])

    def bump(self, name: str) -> int:
        """Add one, whatever other processes and threads do at the same time; the new number. Takes about 2 us.

        Readers never wait: the word is aligned, so its store is one instruction.
        """
        slot = _SLOTS[name]
        with self._writing:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                number = (self._words[slot] + 1) & _MASK
                self._words[slot] = number
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return number

    def close(self) -> None:
        """Let go of the file."""
        self._words.release()
        self._bytes.release()
        self._map.close()
        os.close(self._descriptor)


def _grow(descriptor: int) -> None:
    """Give a new file its size. Several processes may do so at once: a file never shrinks, and new bytes are 0."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        if os.fstat(descriptor).st_size < _BYTES:
            os.ftruncate(descriptor, _BYTES)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
