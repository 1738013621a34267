"""Where a URL that somebody else names may lead: what can be said of it before its name is resolved.

It is taken apart strictly and put together again from the parts that were looked at, so that nobody after us reads it
in another way.
"""

import ipaddress
import re

import msgspec

from polyrelay.access import addresses
from polyrelay.access.addresses import Network
from polyrelay.kernel.errors import PolyrelayError

LONGEST = 2048
"""Characters of a URL; what browsers and proxies are known to take."""

HTTPS_PORT = 443
HTTP_PORT = 80

_DEFAULT_PORTS = {"https": HTTPS_PORT, "http": HTTP_PORT}
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_UNSAFE = re.compile(r"[^!-~]|[\\\"<>^`{|}]")
"""What no URL has unescaped (RFC 3986, section 2); readers disagree on a backslash above all."""
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
"""A last label that makes a host an IPv4 address to WHATWG's parsers, and to `inet_aton`."""


_LOCALHOST = "localhost"
_LOOPBACK = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


class BadDestination(PolyrelayError):
    """The URL may not be called. The message says why, in words for whoever named it."""


class Rules(msgspec.Struct, frozen=True):
    """What an operator allows beside https on its own port to addresses on the internet.

    `ports` are more ports, `networks` addresses inside that may be reached all the same.
    """

    allow_http: bool = False
    ports: tuple[int, ...] = ()
    networks: tuple[Network, ...] = ()


class Destination(msgspec.Struct, frozen=True):
    """A URL taken apart. `host` is a name in lower case or an address, `target` path and query, never empty."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        """As it is called."""
        return f"{self.origin}{self.target}"

    @property
    def origin(self) -> str:
        """Scheme, host, and port unless it is the scheme's own."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{_bracketed(self.host)}{port}"

    @property
    def shown(self) -> str:
        """For logs and lists: without the query, in which some have their secrets."""
        path, asked, _ = self.target.partition("?")
        return f"{self.origin}{path}{'?…' if asked else ''}"


def parse(url: str, rules: Rules) -> Destination:
    """`url`, when it may be called as far as can be told without its name's addresses. Raises `BadDestination`."""
    found = read(url)
    if found.scheme == "http" and not rules.allow_http:
        raise BadDestination("must begin with https://")
    allowed = {HTTPS_PORT, *rules.ports, *((HTTP_PORT,) if rules.allow_http else ())}
    if found.port not in allowed:
        raise BadDestination(f"port {found.port} is not allowed here; allowed: {', '.join(map(str, sorted(allowed)))}")
    if reason := _inside(found.host, rules):
        raise BadDestination(reason)
    return found


def read(url: str) -> Destination:
    """`url` taken apart, wherever it leads. Raises `BadDestination`."""
    if len(url) > LONGEST:
        raise BadDestination(f"is longer than {LONGEST} characters")
    if _UNSAFE.search(url):
        raise BadDestination("has characters that must be percent-encoded, or a host that is not written as xn--…")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise BadDestination("must be a URL that begins with https://")
    scheme, authority, target = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise BadDestination("must not have a user name or password in it")
    host, port = _host_and_port(authority)
    return Destination(scheme, host, port or _DEFAULT_PORTS[scheme], target if target[:1] == "/" else f"/{target}")


def judge(address: addresses.Address, rules: Rules) -> str | None:
    """Why `address` may not be called, None when it may."""
    kind = addresses.special(address)
    if kind is None or addresses.within(address, rules.networks):
        return None
    return f"leads to an address that is not on the internet ({kind})"


def literal(host: str) -> addresses.Address | None:
    """The address that `host` is; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _inside(host: str, rules: Rules) -> str | None:
    """Why none of the addresses that `host` is known to have may be called; None when one may, or none is known."""
    reasons = [judge(address, rules) for address in _known(host)]
    refused = [reason for reason in reasons if reason is not None]
    return refused[0] if refused and len(refused) == len(reasons) else None


def _known(host: str) -> tuple[addresses.Address, ...]:
    """The addresses that `host` has wherever it is looked up: its own, or of names below `localhost` the loopback's
    (RFC 6761, section 6.3); none of another name.
    """
    if host == _LOCALHOST or host.endswith(f".{_LOCALHOST}"):
        return _LOOPBACK
    address = literal(host)
    return () if address is None else (address,)


def _host_and_port(authority: str) -> tuple[str, int | None]:
    """Raises `BadDestination`."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise BadDestination("has no host that can be read")
    port = int(found[2]) if found[2] else None
    if port is not None and not 0 < port <= 0xFFFF:  # noqa: PLR2004 - 16 bits
        raise BadDestination("has a port that is none")
    return _host(found[1].lower()), port


def _host(text: str) -> str:
    """A name, or an address in its usual form. Raises `BadDestination` for one in any other."""
    if text[0] == "[":
        address = literal(text[1:-1])
        if address is None or address.version != 6:  # noqa: PLR2004 - a version
            raise BadDestination("has an IPv6 address that is none")
        return str(address)
    name = text.removesuffix(".")
    if _NUMERIC.fullmatch(name.rpartition(".")[2]):
        if literal(name) is None:
            raise BadDestination("has an IPv4 address that is not written as four decimal numbers")
        return name
    if not _NAME.fullmatch(name):
        raise BadDestination("has a host that is no name")
    return name


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
