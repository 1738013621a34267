"""Long pieces of answers that wait in memory to be complete, of all exchanges together: images, which may be as long as
a request, and leave only when the last byte of them is there.
"""

from typing import Protocol
from weakref import WeakSet


class Holder(Protocol):
    """One answer."""

    @property
    def held_bytes(self) -> int:
        """What of it waits."""
        ...


class Room:
    """One per process. Who goes away in whatever manner is not counted any more: nobody has to sign off."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: WeakSet[Holder] = WeakSet()

    def fits(self, holder: Holder, most: int) -> bool:
        """Whether all holders, this one from now on among them, hold at most so many bytes."""
        self._holders.add(holder)
        return sum(each.held_bytes for each in self._holders) <= most
