"""What a container is read from: any piece of a file, within a budget, so that no bytes make a parser work long."""

from collections.abc import Callable

Read = Callable[[int, int], bytes]
"""Up to so many bytes at an offset; fewer or none where there are no more or they are not at hand."""

BUDGET_BYTES = 384 * 1024
"""Read of one file at most, whatever it says of itself."""

LEAST_COST = 128
"""What a read costs the budget at least: walking a file in tiny steps ends as well, after 3 072 of them."""


class Media:
    """A file of `size` bytes. When the budget is used up it has no more bytes."""

    __slots__ = ("_left", "_read", "_tail", "size", "whole")

    def __init__(self, read: Read, size: int, tail: int = BUDGET_BYTES, *, whole: bool = True) -> None:
        """`tail` is how much of the end is at hand. Not `whole`: it broke off, and what its head says of all of it is
        no matter.
        """
        self._read = read
        self._left = BUDGET_BYTES
        self._tail = tail
        self.size = size
        self.whole = whole

    def read(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes at `offset`."""
        if self._left <= 0 or not 0 <= offset < self.size:
            return b""
        size = min(size, self._left, self.size - offset)
        self._left -= max(size, LEAST_COST)
        return self._read(size, offset)

    def tail(self, size: int) -> bytes:
        """The last `size` bytes, or as many as there are at hand."""
        return self.read(size, max(self.size - min(size, self._tail), 0))


def windows(head: bytes, tail: bytes, size: int) -> Read:
    """Reads what is known of a stream of `size` bytes: its beginning and its end, which may overlap."""
    gap = size - len(head) - len(tail)
    known = head + tail[-gap:] if gap < 0 else head
    if gap <= 0:
        known += tail if gap == 0 else b""
        return lambda count, offset: known[offset : offset + count]
    start = size - len(tail)

    def read(count: int, offset: int) -> bytes:
        if offset >= start:
            return tail[offset - start : offset - start + count]
        return head[offset : offset + count]

    return read


def big(data: bytes, start: int, size: int) -> int:
    """The unsigned big-endian integer of `size` bytes at `start`."""
    return int.from_bytes(data[start : start + size], "big")


def little(data: bytes, start: int, size: int) -> int:
    """The unsigned little-endian integer of `size` bytes at `start`."""
    return int.from_bytes(data[start : start + size], "little")


def ratio(count: int, rate: float) -> float | None:
    """`count` units at `rate` a second, in seconds; None for a rate of 0."""
    return count / rate if rate > 0 else None
