"""A worker's journal: an append-only file of opaque records that `kill -9` at any instant cannot corrupt.

    file   [frame][frame]...[frame] zeros allocated ahead
           0                       ^ size      ^ allocated        size + reserved <= allocated

A record whose `append` has returned outlives the process, because the kernel has it; `sync` makes it outlive the
machine. Space is allocated before it is needed: a record that opens an obligation (a hold) reserves the room of those
that end it (sent, settle, void), so a full disk refuses new obligations and never the end of an old one.

Who holds the file's `flock` owns the journal. The kernel drops it with the process, and whoever takes it next may
replay the file and remove it. The lock belongs to the open file: make a journal after forking, never before.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Self

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.storage import folder
from polyrelay.storage.journaling import frames
from polyrelay.storage.journaling.frames import Frame

Sync = Literal["off", "interval", "always"]
"""What survives power loss: `off` whatever the kernel has written, `interval` all but the last moments,
`always` every record that somebody waited for until `durable` reached it."""

STEP = 1 << 20
"""Bytes allocated at a time: some thousand exchanges for one system call."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class JournalError(PolyrelayError):
    """The journal's file could not be made, written, synced or read. The message names it."""


class JournalFull(JournalError):
    """No space for a record and what it reserves. Nothing was written, and reserved records still have their room."""


class JournalDamaged(JournalError):
    """A frame is broken and others follow it, so this is no torn end: records may be missing. Nobody may guess on."""

    def __init__(self, path: Path, offset: int) -> None:
        super().__init__(f"{path} is damaged at byte {offset}, with whole records behind it")
        self.path = path
        self.offset = offset


def framed(size: int) -> int:
    """The bytes that a record of `size` bytes takes in the file: what to reserve for it."""
    return frames.OVERHEAD + size


class _Held:
    """An open journal file whose lock is ours until `close`."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock; anybody may adopt the file now. Further calls do nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def remove(self) -> None:
        """Delete the file, then give up the lock. For when every record has been dealt with."""
        with _told(self.path, "remove"):
            self.path.unlink(missing_ok=True)
        self.close()


class Journal(_Held):
    """The owner's end. `append` belongs to one thread; `sync` and `read` may run in another, but not past `close`."""

    __slots__ = ("_allocated", "_durable", "_end", "_forgotten", "_reserved", "_step", "_sync")

    def __init__(self, path: Path, fd: int, *, sync: Sync, step: int) -> None:
        """An empty file, locked. Use `create`."""
        super().__init__(path, fd)
        self._sync = sync
        self._step = step
        self._end = self._allocated = self._reserved = self._durable = 0
        self._forgotten = False

    @classmethod
    def create(cls, path: Path, *, sync: Sync, step: int = STEP) -> Self:
        """A new journal in a folder that exists; `step` in bytes.

        Raises:
            JournalFull: no space for the first step.
            JournalError: the file exists or cannot be made, or an adopter took it the moment it appeared; another
                name will do.
        """
        with _told(path, "make"):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, folder.FILE_MODE)
        if not _lock(fd, path):
            os.close(fd)
            raise JournalError(f"{path} was adopted while it was made")
        journal = cls(path, fd, sync=sync, step=step)
        try:
            journal._allocate(step)
            if sync != "off":
                _sync_folder(path)
        except BaseException:
            journal.remove()
            raise
        return journal

    @property
    def size(self) -> int:
        """The logical end: bytes of all records, where the next one starts."""
        return self._end

    @property
    def reserved(self) -> int:
        """Bytes kept for records to come."""
        return self._reserved

    @property
    def durable(self) -> int:
        """The offset up to which records are known to outlive power loss (with `off`: were asked to)."""
        return self._durable

    def append(self, payload: bytes, *, room: int = 0, reserved: int = 0) -> int:
        """Write one record and return its end offset; `durable` reaches it at some later `sync`.

        `room` bytes are kept for later records (sums of `framed`). `reserved` are bytes so kept which this record takes
        or gives back: with those, a record that is no larger always has its space.

        Raises:
            ValueError: the payload is larger than `frames.PAYLOAD_MAX`, or `reserved` more than is reserved.
            JournalFull: no space for the record and `room`.
            JournalError: the write failed.

        After any of them the journal is as before. A failed write is tried once more; what it left is overwritten by
        the next record, never followed by one.
        """
        start = self._end
        end = start + frames.OVERHEAD + len(payload)
        kept = self._reserved + room - reserved
        if kept < room or len(payload) > frames.PAYLOAD_MAX:
            raise ValueError(f"a record of {len(payload)} bytes takes {reserved} of {self._reserved} reserved")
        if end + kept > self._allocated:
            self._allocate(end + kept)
        frame = frames.pack(payload, end)
        try:
            if os.pwrite(self._fd, frame, start) != len(frame):
                raise _cut_short()
        except OSError:
            with _told(self.path, "write"):
                _write(self._fd, frame, start)
        self._end = end
        self._reserved = kept
        return end

    def read(self, offset: int) -> Iterator[Frame]:
        """End offset and payload of each record from `offset` to the `size` of this moment.

        Raises:
            JournalDamaged: a record of ours is no longer what was written.
            JournalError: the file cannot be read.
        """
        return _scan(self._fd, self.path, offset, self._end, frames.BUFFER)

    def make_room(self, size: int) -> None:
        """Allocate space for `size` bytes beyond what is reserved, if there is none. Raises as `append` does."""
        needed = self._end + self._reserved + size
        if needed > self._allocated:
            self._allocate(needed)

    def sync(self) -> int:
        """Make what has been appended before this call outlive power loss; returns the new `durable`. Takes
        milliseconds: call it off the event loop. One call serves everybody who waits for an offset up to its result.

        Raises:
            JournalError: the disk failed. From then on every call raises: the kernel reports lost pages once and
                forgets them, so only a new journal can be trusted.
        """
        end = self._end
        if self._forgotten:
            raise JournalError(f"{self.path} was not synced once, and cannot be since")
        if self._sync != "off" and end > self._durable:
            with _told(self.path, "sync"):
                self._flush()
        self._durable = max(self._durable, end)
        return self._durable

    def _flush(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:
            self._forgotten = True
            raise

    def _allocate(self, needed: int) -> None:
        """Space for at least `needed` bytes in whole steps, beyond what there is."""
        size = -(-(needed - self._allocated) // self._step) * self._step
        with _told(self.path, "extend"):
            try:
                os.posix_fallocate(self._fd, self._allocated, size)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                _write(self._fd, bytes(size), self._allocated)
        self._allocated += size


class Adopted(_Held):
    """Another worker's journal, now ours to replay and remove. It is never appended to."""

    __slots__ = ()

    def rename(self, suffix: str) -> Path:
        """Add `suffix` to the file's name; its new path."""
        with _told(self.path, "rename"):
            return self.path.rename(self.path.with_name(self.path.name + suffix))

    def read(self, offset: int = 0) -> Iterator[Frame]:
        """End offset and payload of each record from `offset`, to the last one that is whole.

        Raises:
            JournalDamaged: there is damage before the last record.
            JournalError: the file cannot be read.
        """
        return _scan(self._fd, self.path, offset, None, frames.BUFFER)


def adopt(path: Path) -> Adopted | None:
    """Take over a journal whose owner is dead; None when somebody holds it or it is gone. Raises `JournalError`."""
    with _told(path, "open"):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
    if _lock(fd, path):
        return Adopted(path, fd)
    os.close(fd)
    return None


def read_from(path: Path, offset: int = 0, *, buffer: int = frames.BUFFER) -> Iterator[Frame]:
    """What an onlooker sees: end offset and payload of each whole record from `offset`, while others may be appending.

    Raises:
        JournalDamaged: there is damage before the last record.
        JournalError: the file is absent or cannot be read.
    """
    with _told(path, "open"):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield from _scan(fd, path, offset, None, buffer)
    finally:
        os.close(fd)


def _scan(fd: int, path: Path, offset: int, end: int | None, buffer: int) -> Iterator[Frame]:
    with _told(path, "read"):
        damage = yield from frames.scan(partial(os.pread, fd), offset, end=end, buffer=buffer)
    if damage is not None:
        raise JournalDamaged(path, damage)


def _lock(fd: int, path: Path) -> bool:
    """Whether the lock is ours now and `fd` still the file at `path`, which its last owner may have removed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _write(fd: int, data: bytes, offset: int) -> None:
    """All of `data`, or OSError: what a short write could not place finds no space."""
    if os.pwrite(fd, data, offset) != len(data):
        raise _cut_short()


def _cut_short() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_folder(path: Path) -> None:
    """Make the file's name outlive power loss."""
    with _told(path.parent, "sync"):
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextmanager
def _told(path: Path, action: str) -> Iterator[None]:
    """The operating system's refusals, in the journal's words."""
    try:
        yield
    except OSError as error:
        kind = JournalFull if error.errno in _FULL else JournalError
        raise kind(f"cannot {action} {path}: {error.strerror}") from error
