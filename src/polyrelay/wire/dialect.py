"""What a dialect of an upstream that works in jobs must be able to say and to understand. Bytes and values only."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from polyrelay.exchange.job import Ask, Snapshot, Upstreamed
from polyrelay.kernel.errors import PolyrelayError


class Unsupported(PolyrelayError):
    """This dialect has no way to ask for that; another channel may."""


class Declined(PolyrelayError):
    """The upstream answered, and took no job on. `status` is what its words amount to in HTTP's: 4xx blames the ask,
    429 and 5xx the upstream. The message is the upstream's, for the operator.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Garbled(PolyrelayError):
    """The answer is not what the dialect says."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, below the channel's base URL. `path` begins with a slash and may have a query."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A job under way, as far as a dialect needs to know it: what was asked, and its names there."""

    ask: Ask
    upstreamed: Upstreamed


class Dialect(Protocol):
    """The upstream's side of one dialect. Holds no state."""

    @property
    def most_polled(self) -> int:
        """Jobs that one poll may ask for."""
        ...

    def submit(self, ask: Ask, model: str) -> Message:
        """The request that begins a job; `model` is the upstream's name for it, clips are the upstream's already.

        Raises `Unsupported`.
        """
        ...

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:
        """What the answer to `submit` says. Raises `Declined`, `Garbled`."""
        ...

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """The request that asks how `jobs` are: at most `most_polled`, all asking for the same kind of thing."""
        ...

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
        """What the answer says of each of them, None where it says nothing. Raises `Declined`, `Garbled`."""
        ...
