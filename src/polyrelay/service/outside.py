"""The port to addresses that somebody else names: a customer's webhook, the media that an upstream made.

Two adapters: `upstream.outside`, which resolves, judges and pins addresses, and its twin `upstream.recorded_outside`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from polyrelay.access.destinations import Rules
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.service.ports import HeaderList


class Unreachable(PolyrelayError):
    """Nobody there, no answer in time, or one that breaks off or is too long. The message is for the operator."""


class TooLong(Unreachable):
    """An answer of more bytes than were wanted: there will be as many next time."""


class Wire(msgspec.Struct, frozen=True):
    """How a connection is made: as for a channel (`settings.channels`). Seconds; `idle` between two pieces."""

    connect: float = 5.0
    idle: float = 30.0
    total: float = 30.0
    proxy: str | None = None
    ca_file: str | None = None
    http2: bool = True


class Errand(msgspec.Struct, frozen=True):
    """One request. `lines` are whole header lines without host, length and coding; a body makes it a POST.

    `rules` judge where it leads; None for a URL that the operator configured, which needs no judge. An answer with more
    than `most` bytes breaks off.
    """

    url: str
    rules: Rules | None
    most: int
    lines: tuple[str, ...] = ()
    body: bytes | None = None
    wire: Wire = Wire()

    def __repr__(self) -> str:
        """Without headers and body, which hold secrets, and without the query."""
        return f"Errand({self.url.partition('?')[0]!r})"


class Answer(Protocol):
    """One answer, its body still arriving."""

    @property
    def status(self) -> int:
        """Of the final head. A redirect is an answer like any other: nobody follows it."""
        ...

    @property
    def headers(self) -> HeaderList:
        """Of the final head."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of the body. Raises `Unreachable` when it breaks off."""
        ...


class Outside(Protocol):
    """Sends errands. No answer is kept beyond its block, and no connection is used twice."""

    def open(self, errand: Errand) -> AbstractAsyncContextManager[Answer]:
        """Send it; the block begins with the answer's head, and its end drops what has not arrived.

        Raises `destinations.BadDestination` when it may not go there, `Unreachable` when there is no answer.
        """
        ...


def header(headers: HeaderList, name: bytes) -> str:
    """The first value of a header, without spaces around it; empty when there is none."""
    return next((value.decode("latin-1").strip() for each, value in headers if each == name), "")
