"""The guard before every call to a URL that somebody else names (server-side request forgery).

A name is resolved, every address of it is judged, and the connection is made to one of those very addresses, so that a
name which answers differently the next moment (DNS rebinding) changes nothing. All of it is done anew for every call.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from polyrelay.access import destinations
from polyrelay.access.destinations import BadDestination, Destination, Rules
from polyrelay.service.outside import Unreachable

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name, the preferred one first. Raises OSError."""

MOST_ADDRESSES = 64
"""Of one name: more is no service but somebody's game. The most that is known of honest ones is some thirteen."""


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine finds, in the order it would try them (RFC 6724)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard:
    """Lets through what is on the internet, or where the operator allows it."""

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._resolve = resolve

    async def admit(self, url: str, rules: Rules) -> tuple[Destination, tuple[str, ...]]:
        """Where `url` leads, and the addresses it may be called at, the preferred one first.

        Raises `destinations.BadDestination` when a single one of them is inside, or the URL itself is not allowed;
        `Unreachable` when its name has none.
        """
        destination = destinations.parse(url, rules)
        try:
            found = await self._resolve(destination.host, destination.port)
        except OSError as error:
            raise Unreachable(f"{destination.host} has no address: {error.strerror or error}") from error
        if not found:
            raise Unreachable(f"{destination.host} has no address")
        if len(found) > MOST_ADDRESSES:
            raise BadDestination(f"has a name with more than {MOST_ADDRESSES} addresses")
        return destination, tuple(str(_judged(text, rules)) for text in found)


def _judged(text: str, rules: Rules) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address. Raises `BadDestination`."""
    address = destinations.literal(text)
    if address is None:
        raise BadDestination("has a name that leads to no network address")
    if reason := destinations.judge(address, rules):
        raise BadDestination(reason)
    return address
