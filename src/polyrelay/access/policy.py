"""What a key may do: pure decisions on a principal.

The checks come in two parts, because the first needs no body: `check_key` as soon as the headers are in,
`check_model` once the model is known.
"""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache

from polyrelay.access.principal import Principal
from polyrelay.kernel import errors

CACHED_LISTS = 4096
"""Compiled lists kept. Keys made from one template share theirs, so this covers far more keys than lists."""

CACHED_PEERS = 16384
"""Answers kept for (networks, peer). A peer costs about 3 us to judge anew and 200 bytes to remember."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_MAPPED_BITS = 96


def check(principal: Principal, *, model: str, peer: str, now: float) -> None:
    """Both parts at once. Raises what they raise."""
    check_key(principal, peer=peer, now=now)
    check_model(principal, model)


def check_key(principal: Principal, *, peer: str, now: float) -> None:
    """Whether the key may be used at all, from the address `peer`, at `now` (seconds since the epoch).

    Raises:
        errors.Unauthenticated: code `key_disabled` or `key_expired`.
        errors.Forbidden: code `network_not_allowed`.
    """
    if principal.disabled:
        raise errors.Unauthenticated("This API key is disabled.", code="key_disabled")
    if principal.expires_at is not None and now >= principal.expires_at:
        raise errors.Unauthenticated("This API key has expired.", code="key_expired")
    if principal.networks and not _peer_allowed(principal.networks, peer):
        raise errors.Forbidden("This API key may not be used from your network address.", code="network_not_allowed")


def check_model(principal: Principal, model: str) -> None:
    """Whether the key may use `model`.

    Raises:
        errors.Forbidden: code `model_not_allowed`, param `model`.
    """
    if not may_use(principal, model):
        raise errors.Forbidden(
            f"This API key may not use the model `{model[:128]}`.", code="model_not_allowed", param="model"
        )


def may_use(principal: Principal, model: str) -> bool:
    """Whether the key's globs admit `model`. Upper and lower case differ; no globs admit every model."""
    return not principal.models or fits(principal.models, model)


def fits(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the globs fits the whole of `name`. Upper and lower case differ."""
    return _globs(patterns)(name) is not None


def parse_networks(cidrs: tuple[str, ...]) -> tuple[_Network, ...]:
    """CIDRs as networks; a bare address is a network of one. IPv4-mapped IPv6 networks become IPv4 ones.

    Raises:
        ValueError: one of them is not a network; the message names it.
    """
    return tuple(_unmapped_network(ipaddress.ip_network(cidr, strict=False)) for cidr in cidrs)


def _unmapped_network(network: _Network) -> _Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        address = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return ipaddress.IPv4Network((address, network.prefixlen - _MAPPED_BITS))
    return network


@lru_cache(maxsize=CACHED_PEERS)
def _peer_allowed(cidrs: tuple[str, ...], peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(cidrs))


_networks = lru_cache(maxsize=CACHED_LISTS)(parse_networks)


@lru_cache(maxsize=CACHED_LISTS)
def _globs(patterns: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(_glob_expression(pattern) for pattern in patterns), re.DOTALL).fullmatch


def _glob_expression(pattern: str) -> str:
    """`*` is any run of characters, `?` one character, everything else itself (model names do contain brackets).

    Each piece after a star is an atomic group that takes the first place it fits, so that a name made to be hard
    cannot cost more than its length times the number of stars.
    """
    first, *rest = [_piece_expression(piece) for piece in pattern.split("*")]
    if not rest:
        return first
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    return f"{first}{middle}.*{rest[-1]}"


def _piece_expression(piece: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in piece)
