"""Which network addresses are somebody's on the internet, and which lead inside: to this host, its network, or nowhere.

The tables are IANA's special-purpose registries (RFC 6890 and what was registered since), written out, because
`ipaddress` knows more of them with every release of Python.
"""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_V4 = {
    "unspecified": ("0.0.0.0/8",),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "shared (carrier-grade NAT)": ("100.64.0.0/10",),
    "loopback": ("127.0.0.0/8",),
    "link-local": ("169.254.0.0/16",),
    "a cloud's metadata service": ("168.63.129.16/32",),
    "reserved": ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4"),
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    "benchmarking": ("198.18.0.0/15",),
    "multicast": ("224.0.0.0/4",),
}
"""Azure's metadata service has a public address; those of other clouds are link-local, shared or reserved ones."""

_V6 = {
    "unspecified": ("::/128",),
    "loopback": ("::1/128",),
    "private": ("fc00::/7", "fec0::/10"),
    "link-local": ("fe80::/10",),
    "multicast": ("ff00::/8",),
    "documentation": ("2001:db8::/32", "3fff::/20"),
    "a tunnel": ("2001::/32", "2002::/16"),
    "reserved": ("2001::/23",),
}
"""Teredo and 6to4 carry IPv4 addresses that somebody else unpacks, and nobody serves by them any more (RFC 7526)."""

_GLOBAL = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out at all; the rest is reserved, or one of the above."""

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""The well-known prefix (RFC 6052), by which hosts without IPv4 reach it: as good as the address it carries. Those of
`64:ff9b:1::/48` lie wherever their network says, and are refused."""

_LOW = 0xFFFFFFFF


def _table(named: dict[str, tuple[str, ...]]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(cidr), name) for name, cidrs in named.items() for cidr in cidrs)


_TABLES = {4: _table(_V4), 6: _table(_V6)}


def special(address: Address) -> str | None:
    """What kind of address this is, in a word or two, when it is not simply somebody's on the internet; else None."""
    address = plain(address)
    for network, name in _TABLES[address.version]:
        if address in network:
            return name
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL:
        return "reserved"
    return None


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped or NAT64 one carries; any other as it is, without its zone."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _LOW)
    return ipaddress.IPv6Address(int(address))


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of `networks` has it, whichever way it is written."""
    bare = plain(address)
    return any(bare in network or address in network for network in networks)
