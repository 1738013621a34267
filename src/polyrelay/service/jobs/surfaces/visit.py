"""One request to a surface of jobs, and where it goes."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.kernel import errors
from polyrelay.kernel.errors import Refusal
from polyrelay.service.answers import Slip
from polyrelay.service.artefacts.gallery import Lent
from polyrelay.service.download import Streamed
from polyrelay.service.ports import Head
from polyrelay.wire.answers import Answer


class Visit(msgspec.Struct, frozen=True):
    """The request. `head` are its headers by lower-case name, `names` the parts of the path that its route names;
    `notes` are header lines that its answer carries besides its own.
    """

    method: str
    path: str
    query: bytes
    head: Head
    body: bytes
    peer: str
    slip: Slip
    names: Mapping[str, str] = {}
    notes: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)


Given = Answer | Streamed | Lent
"""What a visit gets: an answer, one that comes piece by piece, or a thing that the relay keeps."""

Handler = Callable[[Visit, Principal], Awaitable[Given]]
"""Answers the one whose key a visit carries."""


@dataclass(frozen=True, slots=True)
class Route:
    """`path` below the surface's prefix, as a regular expression whose named groups are the visit's names."""

    method: str
    path: str
    handle: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.path))


class Surface(Protocol):
    """All routes under one prefix, which share their words."""

    @property
    def prefixes(self) -> Sequence[str]:
        """What its paths begin with, without a slash at the end."""
        ...

    @property
    def key_header(self) -> bytes | None:
        """Where its clients may send their key instead of in `authorization`."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """Where they lead."""
        ...

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """No, in its words."""
        ...


def knows(surface: Surface, rest: str) -> bool:
    """Whether a route of `surface`, for whichever method, leads to `rest`, what follows the prefix."""
    return any(route.pattern.fullmatch(rest) for route in surface.routes)


def find(surface: Surface, method: str, rest: str) -> tuple[Route, Mapping[str, str]]:
    """The route of `rest`, what follows the prefix, and the names in it. A GET route answers HEAD too.

    Raises `errors.NotFound`, `errors.MethodNotAllowed`.
    """
    wanted = "GET" if method == "HEAD" else method
    allowed: list[str] = []
    for route in surface.routes:
        found = route.pattern.fullmatch(rest)
        if found is not None:
            if route.method == wanted:
                return route, found.groupdict()
            allowed.append(route.method)
    if not allowed:
        raise errors.NotFound("There is nothing under this URL.", code="unknown_url")
    names = ", ".join(sorted(set(allowed)))
    raise errors.MethodNotAllowed(
        f"{method} is not allowed here; use {names}.", headers=((b"allow", names.encode("ascii")),)
    )
