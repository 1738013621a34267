"""The port to the journals of this machine, as background chores see them. All of it may block: use a thread."""

from collections.abc import Iterator, Sequence
from typing import Protocol

Frames = Iterator[tuple[int, bytes]]
"""End offset and payload of each record."""


class Segment(Protocol):
    """One file of the worker's own journal."""

    @property
    def size(self) -> int:
        """Where the next record starts, in bytes."""
        ...

    def append(self, payload: bytes, *, room: int = 0, reserved: int = 0) -> int:
        """See `service.treasury.Journal`."""
        ...

    def make_room(self, size: int) -> None:
        """See `service.treasury.Journal`."""
        ...

    def read(self, offset: int) -> Frames:
        """Records from `offset` to the present end."""
        ...

    def sync(self) -> int:
        """Make what was appended outlive power loss; returns the offset up to which it does."""
        ...

    def remove(self) -> None:
        """Delete the file and let go of it."""
        ...

    def close(self) -> None:
        """Let go of the file: whoever adopts it may replay it."""
        ...


class Estate(Protocol):
    """The journal a dead worker left, adopted: nobody else reads it until it is closed."""

    @property
    def worker(self) -> str:
        """Whose it was."""
        ...

    def segments(self) -> Sequence[tuple[int, Frames]]:
        """Number and records of each segment, in order. Reading raises a `PolyrelayError` when one is damaged."""
        ...

    def remove(self) -> None:
        """Delete it: it is in the books."""
        ...

    def close(self) -> None:
        """Let go of it, and keep it."""
        ...


class Journals(Protocol):
    """The folder of journals."""

    def path(self, worker: str) -> str:
        """Where a worker's segments lie, without their numbers."""
        ...

    def create(self, worker: str, segment: int) -> Segment:
        """A new, empty, locked segment. Raises a `PolyrelayError`."""
        ...

    def has(self, worker: str) -> bool:
        """Whether any segment of a worker lies here, whoever holds it."""
        ...

    def estates(self) -> Iterator[Estate]:
        """Journals here whose owners are dead, each adopted as it is yielded."""
        ...
