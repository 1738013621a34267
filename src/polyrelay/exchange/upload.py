"""A body that is not held as one value: what came in, wherever it lies, and what goes out, cut from it."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

import msgspec

from polyrelay.kernel.errors import PolyrelayError


class ReleasedError(PolyrelayError):
    """An upload was used after everyone had let go of it: a defect."""


def _nothing() -> None:
    """Nothing has to be closed."""


class Upload:
    """The `size` bytes of a body, readable at any place and any number of times while somebody holds it.

    Who makes it holds it; who needs it for longer than the one it came from says `retain`, and everyone says `release`
    once. The last release closes it: storage and memory are given back.
    """

    __slots__ = ("_close", "_holders", "_read", "size")

    def __init__(self, size: int, read: Callable[[int, int], bytes], close: Callable[[], None] = _nothing) -> None:
        """`read(size, offset)` gives at most `size` bytes, none only at the end, and may raise OSError."""
        self.size = size
        self._read = read
        self._close = close
        self._holders = 1

    @property
    def released(self) -> bool:
        """Whether everyone has let go."""
        return not self._holders

    def read(self, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset` on; none only at the end. Raises OSError, `ReleasedError`."""
        if not self._holders:
            raise ReleasedError("an upload was read after its release")
        return self._read(size, offset)

    def retain(self) -> None:
        """Hold it too. Raises `ReleasedError`."""
        if not self._holders:
            raise ReleasedError("an upload was retained after its release")
        self._holders += 1

    def release(self) -> None:
        """Let go. Raises `ReleasedError` when nobody holds it any more."""
        if not self._holders:
            raise ReleasedError("an upload was released once too often")
        self._holders -= 1
        if not self._holders:
            self._close()


def in_memory(data: bytes | bytearray, close: Callable[[], None] = _nothing) -> Upload:
    """An upload of bytes at hand, which must not change any more."""
    view = memoryview(data)
    return Upload(len(data), lambda size, offset: bytes(view[offset : offset + size]), close)


class Span(msgspec.Struct, frozen=True, gc=False):
    """The bytes of an upload from `start` to before `end`."""

    start: int
    end: int


Segment = bytes | Span
"""Bytes of ours, or a run of the client's own."""


class Stream:
    """An outgoing body of `size` bytes: runs of `upload` and bytes of ours, one after the other."""

    __slots__ = ("_ends", "_segments", "size", "upload")

    def __init__(self, segments: Sequence[Segment], upload: Upload) -> None:
        self.upload = upload
        self._segments = tuple(segments)
        self._ends = tuple(accumulate(map(_length, self._segments)))
        self.size = self._ends[-1] if self._ends else 0

    def read(self, size: int, offset: int) -> bytes:
        """Exactly `size` bytes from `offset` on, fewer only at the end. Raises OSError, `ReleasedError`."""
        pieces: list[bytes] = []
        missing = min(size, self.size - offset)
        while missing > 0:
            piece = self._piece(missing, offset)
            if not piece:
                raise OSError("an upload is shorter than it was")
            pieces.append(piece)
            offset += len(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, size: int, offset: int) -> bytes:
        """What one segment has, at most `size` bytes from `offset` on."""
        index = bisect_right(self._ends, offset)
        segment = self._segments[index]
        begun = offset - (self._ends[index] - _length(segment))
        if isinstance(segment, bytes):
            return segment[begun : begun + size]
        start = segment.start + begun
        return self.upload.read(min(size, segment.end - start), start)


def _length(segment: Segment) -> int:
    return len(segment) if isinstance(segment, bytes) else segment.end - segment.start
