"""Channels as an operator writes them down."""

from dataclasses import dataclass, field

from polyrelay.settings.timeouts import TimeoutSettings


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
    """The vendor's profile: `openai`, `openai_compatible`, `deepseek`, `mistral`, `aitoearn`, `suno_native`,
    `suno_task`, `suno_flat`, `whisper_asr`, `sdwebui`, `reactor` or `sandbox`."""
    base_url: str
    """Where the vendor's API begins, such as `https://api.example.com/v1`."""
    models: tuple[ModelSettings, ...]
    """At least one: a name, or `{ name = "fast", upstream = "gpt-4o-mini" }`."""
    credentials: tuple[CredentialSettings, ...] = ()
    """At least one, but for vendors that need none: `whisper_asr`, and `sdwebui` and `reactor`, whose `user:password`
    is for HTTP Basic. Several take turns, and stand in for each other when one is refused."""
    priority: int = 0
    """Lower numbers are tried first; channels of equal priority share by weight."""
    weight: int = 1
    """Share among channels of equal priority; at least 1."""
    concurrency: int | None = None
    """Calls at once; others wait in the relay, first come first served, and no deadline runs for them. A call that may
    go to several channels takes one that is free. 0 is any number, and what vendors have unless said otherwise;
    `sdwebui`, `reactor` and `whisper_asr` have 1. Of `--workers N` each has its share, and at least one. A job counts
    while its upstream is asked to take it on, for which it waits `jobs.submit_seconds` at most."""
    waiting: int = 64
    """Calls that may wait for a place; more are told 503 with `retry-after`."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """Deadlines of this channel, `[channels.timeouts]`."""
    proxy: str | None = None
    """`http://`, `https://`, `socks5://` or `socks5h://` URL. None means direct: the environment is never consulted."""
    client_gone: str | None = None
    """When a client leaves early: `cancel` the upstream's request and charge prompt and delivered output by estimate,
    or `drain`: read on within `bounds.drained_bytes` and `bounds.drained_seconds` to learn, and charge, what it really
    used. Until then its funds and its place in the limits stay taken. Absent: `cancel`; but `drain` for `sdwebui`,
    `reactor` and `whisper_asr`, which cannot be stopped."""
    scripts: tuple[str, ...] = ("controlnet",)
    """Always-on scripts of a Stable Diffusion server that clients may use, by name in any case. What a script does with
    its arguments is its own affair, but for those of `controlnet` and `reactor`, which are checked."""
    poll_seconds: float = 0.0
    """Between two questions how a job is that this channel has taken on. 0 takes `jobs.pace_seconds`."""
    artefacts: str = "pass"
    """What jobs of this channel made: `pass` clients the upstream's addresses, or `store` it (see `[artefacts]`)."""
    http2: bool = True
    """Offer HTTP/2 to https upstreams. Turn off for a vendor whose HTTP/2 misbehaves."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's. Verification itself cannot be turned off."""
