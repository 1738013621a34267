"""Addresses of all of IPv4 and IPv6, against the standard library's idea of what is global, and in every disguise."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.access import addresses, destinations
from polyrelay.access.addresses import Address
from polyrelay.access.destinations import Rules

V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
ASSIGNED = st.integers(0, 2**125 - 1).map(lambda low: ipaddress.IPv6Address(1 << 125 | low))
"""All of 2000::/3: of random IPv6 addresses seven in eight lie elsewhere."""

INSIDE = (
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0",
    "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255", "168.63.129.16", "172.16.0.0",
    "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0",
    "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
    "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255", "100.100.100.200",
    "::", "::1", "::2", "::7f00:1", "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808",
    "64:ff9b:0:0:0:1::", "100::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:0:4136:e378::1",
    "2001:1ff:ffff::1", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:808:808::1",
    "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "5f00::1",
    "fc00::", "fd00:ec2::254", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1", "fe80::1%eth0",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::1", "ff00::", "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)  # fmt: skip
"""First and last of each, and those that clouds tell their secrets at."""

ON_THE_INTERNET = (
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2000::", "2001:200::1", "2001:db7:ffff::1", "2001:db9::",
    "2001:ffff:ffff::1", "2003::", "2606:4700::1111", "3ffe:ffff::1", "3fff:1000::",
)  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_the_edges_of_what_is_inside(text: str) -> None:
    assert addresses.special(ipaddress.ip_address(text)) is not None


@pytest.mark.parametrize("text", ON_THE_INTERNET)
def test_their_neighbours_are_somebody_s(text: str) -> None:
    assert addresses.special(ipaddress.ip_address(text)) is None


@given(V4 | V6 | ASSIGNED)
def test_what_is_somebody_s_is_global_to_the_standard_library_too(address: Address) -> None:
    if addresses.special(address) is None:
        bare = addresses.plain(address)
        assert bare.is_global
        others = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
        assert [name for name in others if getattr(bare, name)] == []


@given(V4)
def test_ipv4_in_disguise_is_what_it_is(address: ipaddress.IPv4Address) -> None:
    kind = addresses.special(address)
    assert addresses.special(ipaddress.IPv6Address(0xFFFF << 32 | int(address))) == kind
    assert addresses.special(ipaddress.IPv6Address(0x64FF9B << 96 | int(address))) == kind


@given(V4, st.integers(0, 2**80 - 1))
def test_tunnels_are_never_taken_whatever_they_carry(address: ipaddress.IPv4Address, rest: int) -> None:
    assert addresses.special(ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80 | rest)) is not None
    assert addresses.special(ipaddress.IPv6Address(0x20010000 << 96 | int(address) << 64 | rest >> 16)) is not None
    assert addresses.special(ipaddress.IPv6Address(int(address))) is not None


@given(V4, st.integers(0, 32))
def test_what_the_operator_allows_may_be_called_and_nothing_beside_it(
    address: ipaddress.IPv4Address, length: int
) -> None:
    network = ipaddress.IPv4Network((address, length), strict=False)
    rules = Rules(networks=(network,))
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
    assert destinations.judge(address, rules) is None
    assert destinations.judge(mapped, rules) is None
    if length:
        other = ipaddress.IPv4Address(int(network.network_address) ^ 1 << 32 - length)
        assert (destinations.judge(other, rules) is None) == (addresses.special(other) is None)
