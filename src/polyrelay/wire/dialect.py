"""What a dialect of an upstream that works in jobs must be able to say and to understand. Bytes and values only."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from polyrelay.exchange.job import Ask, Snapshot, Upstreamed
from polyrelay.exchange.music import AlignedWord
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
    """One HTTP request, below the channel's base URL. `path` begins with a slash and may have a query.

    `slow` says that the upstream answers only when the work is done, which takes it up to some minutes.
    """

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    slow: bool = False


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A job under way, as far as a dialect needs to know it: what was asked, and its names there."""

    ask: Ask
    upstreamed: Upstreamed


class Dialect(Protocol):
    """The upstream's side of one dialect. Holds no state."""

    def most_polled(self, ask: Ask) -> int:
        """Jobs asking for the same kind of thing as `ask` that one poll may ask for."""
        ...

    def submit(self, ask: Ask, model: str) -> Message:
        """The request that begins a job; `model` is the upstream's name for it, other jobs and clips are named as the
        upstream names them.

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


class Studio(Protocol):
    """An upstream of songs that can be asked about what it has, beside how far it is. Holds no state."""

    def alignment(self, clip: str) -> Message:
        """The request for when each word of `clip` is sung; it is named as the upstream names it."""
        ...

    def aligned(self, status: int, body: bytes) -> tuple[AlignedWord, ...]:
        """What its answer says. Raises `Declined`, `Garbled`."""
        ...

    def persona(self, name: str, page: int) -> Message:
        """The request for a page of a persona's clips."""
        ...

    def persona_page(self, status: int, body: bytes) -> dict[str, Any]:
        """What its answer says, as it may be shown. Raises `Declined`, `Garbled`."""
        ...


class Keeper(Protocol):
    """An upstream that keeps what it made, to be fetched by its name instead of by a URL. Holds no state."""

    def content(self, upstreamed: Upstreamed, variant: str) -> Message:
        """The request whose answer is the thing itself; `variant` as the dialect names what else there is of it."""
        ...

    def delete(self, upstreamed: Upstreamed) -> Message:
        """The request that throws it away."""
        ...
