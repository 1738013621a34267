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
    is read on when its client has left, to learn what it used. `concurrency` calls are made at once (0: any number),
    and `waiting` may wait for a place. `scripts` are as in `spoken.Upstream`. `poll_seconds` is the pace at which it is
    asked how its jobs are, 0 the usual one; `stores` says whether the relay keeps what they made.

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
    concurrency: int = 0
    waiting: int = 0
    scripts: frozenset[str] = frozenset()
    poll_seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One attempt that could be made: a channel through one of its credentials."""

    channel: Channel
    credential: Credential
