"""A channel as routing sees it: settings made ready for use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from polyrelay.settings.timeouts import Timeouts


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """One upstream key. `secret` never shows in a repr, a log or an answer."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One way to reach models. `models` maps the client's model name to the vendor's; `drains` says whether an answer
    is read on when its client has left, to learn what it used; `stores` whether the relay keeps what its jobs made.

    Channels, credentials and candidates are themselves and equal to nothing else: each is made once per configuration.
    """

    name: str
    provider: str
    base_url: str
    credentials: tuple[Credential, ...]
    models: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    priority: int = 0
    weight: int = 1
    timeouts: Timeouts = Timeouts()
    proxy: str | None = None
    http2: bool = True
    ca_file: str | None = None
    drains: bool = False
    stores: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One attempt that could be made: a channel through one of its credentials."""

    channel: Channel
    credential: Credential
