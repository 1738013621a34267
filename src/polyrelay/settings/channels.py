"""Channels as an operator writes them down."""

from dataclasses import dataclass, field

from polyrelay.settings.timeouts import Timeouts


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """Where an upstream key comes from: exactly one of an environment variable's name, a file, or the value itself."""

    env: str | None = None
    file: str | None = None
    value: str | None = field(default=None, repr=False)
    name: str | None = None
    """Label in logs; the position (`#1`) when absent."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model the channel serves: `name` as clients say it, `upstream` as the vendor says it (same when None)."""

    name: str
    upstream: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One way to reach models: a vendor, its address and credentials, and what it serves."""

    name: str
    provider: str
    base_url: str
    credentials: tuple[CredentialSettings, ...]
    models: tuple[ModelSettings, ...]
    priority: int = 0
    """Lower numbers are tried first; channels of equal priority share by weight."""
    weight: int = 1
    timeouts: Timeouts = Timeouts()
    proxy: str | None = None
    """`http://`, `https://`, `socks5://` or `socks5h://` URL. None means direct: the environment is never consulted."""
    http2: bool = True
    """Offer HTTP/2 to https upstreams. Turn off for a vendor whose HTTP/2 misbehaves."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's. Verification itself cannot be turned off."""
