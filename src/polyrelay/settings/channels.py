"""Channels as an operator writes them down."""

from dataclasses import dataclass, field

from polyrelay.settings.timeouts import Timeouts


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """Where an upstream key comes from: exactly one of an environment variable's name, a file, or the value itself."""

    env: str | None = None
    """Name of the environment variable that holds the key: the usual way with systemd and containers."""
    file: str | None = None
    """File with the key on one line, as secret mounts have it."""
    value: str | None = field(default=None, repr=False)
    """The key itself. For trials: a configuration file is easily shared by mistake."""
    name: str | None = None
    """Label in logs; the position (`#1`) when absent."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model the channel serves: `name` as clients say it, `upstream` as the vendor says it (same when None)."""

    name: str
    """As clients say it."""
    upstream: str | None = None
    """As the vendor says it; the same when absent."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One way to reach models: a vendor, its address and credentials, and what it serves."""

    name: str
    """Unique; appears in logs, and in answers when `answers.reveal_channel` is on."""
    provider: str
    """The vendor's profile: `openai`, `openai_compatible`, `deepseek`, `mistral` or `sandbox`."""
    base_url: str
    """Where the vendor's API begins, such as `https://api.example.com/v1`."""
    credentials: tuple[CredentialSettings, ...]
    """At least one. Several take turns, and stand in for each other when one is refused."""
    models: tuple[ModelSettings, ...]
    """At least one: a name, or `{ name = "fast", upstream = "gpt-4o-mini" }`."""
    priority: int = 0
    """Lower numbers are tried first; channels of equal priority share by weight."""
    weight: int = 1
    """Share among channels of equal priority; at least 1."""
    timeouts: Timeouts = Timeouts()
    """Deadlines of this channel, `[channels.timeouts]`."""
    proxy: str | None = None
    """`http://`, `https://`, `socks5://` or `socks5h://` URL. None means direct: the environment is never consulted."""
    client_gone: str = "cancel"
    """When a client leaves early: `cancel` the upstream's request and charge prompt and delivered output by estimate,
    or `drain`: read on within `bounds.drained_bytes` and `bounds.drained_seconds` to learn, and charge, what it really
    used. Until then its funds and its place in the limits stay taken."""
    artefacts: str = "pass"
    """What jobs of this channel made: `pass` clients the upstream's addresses, or `store` it (see `[artefacts]`)."""
    http2: bool = True
    """Offer HTTP/2 to https upstreams. Turn off for a vendor whose HTTP/2 misbehaves."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's. Verification itself cannot be turned off."""
