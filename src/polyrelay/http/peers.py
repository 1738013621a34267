"""Whose request it is when proxies stand in front."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from polyrelay.service.ports import HeaderList

FORWARDED = b"x-forwarded-for"


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, `[v6]`, `v4:port` or `[v6]:port`; None when it is none of these."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class Forwarding:
    """Which peers are proxies to be believed."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """`networks` are CIDRs; raises ValueError for anything else."""
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(n, strict=False) for n in networks)

    def trusts(self, host: str) -> bool:
        """Whether `host` is a proxy whose X-Forwarded-For is believed."""
        if not self._networks:
            return False
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, host: str, headers: HeaderList) -> str:
        """The rightmost hop that is not a trusted proxy, for a request that came from the trusted `host`.

        A hop that is no address ends the search: what stands left of it cannot be believed either.
        """
        hops = [hop for name, value in headers if name == FORWARDED for hop in value.decode("latin-1").split(",")]
        nearest = host
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return nearest
            nearest = str(address)
            if not self.trusts(nearest):
                return nearest
        return nearest
