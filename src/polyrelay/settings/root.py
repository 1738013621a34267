"""The whole configuration as one value."""

from dataclasses import dataclass, field

from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.settings.bounds import Bounds
from polyrelay.settings.channels import ChannelSettings
from polyrelay.settings.jobs import JobSettings
from polyrelay.settings.ledger import LedgerSettings
from polyrelay.settings.limits import LimitSettings
from polyrelay.settings.webhooks import WebhookSettings


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the relay listens and keeps its data."""

    host: str = "127.0.0.1"
    """Loopback by default: opening a relay to a network is a decision."""
    port: int = 8080
    """0 picks a free port."""
    data: str = "./polyrelay-data"
    """Folder of the database and secrets; created 0700 when absent. Relative paths, here and elsewhere, count from the
    configuration file's folder."""
    tls_certificate: str | None = None
    """PEM chain; with `tls_key` the relay speaks HTTPS itself."""
    tls_key: str | None = None
    """PEM private key of `tls_certificate`."""
    workers: int = 1
    """Processes that share the port; each has its own bounds and its share of every limit. One is complete and uses
    one core; with more, the process that was started only watches over them."""
    drain_seconds: float = 30.0
    """At shutdown, how long open exchanges may finish before they are closed honestly."""
    forwarded_networks: tuple[str, ...] = ()
    """CIDRs of proxies whose X-Forwarded-For is believed. Empty: the peer address counts."""
    public_url: str = ""
    """Where clients reach the relay, such as `https://relay.example.com`; links in answers begin with it. Empty: the
    address it listens on."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where accounts, keys and money are kept."""

    url: str = field(default="", repr=False)
    """`postgresql://user:password@host:port/name`, as libpq writes it; best given as `POLYRELAY_DATABASE__URL`. Empty:
    SQLite, a file in the data folder, which is complete for one machine. Several machines need PostgreSQL."""


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """What answers carry besides the upstream's own bytes."""

    reveal_channel: bool = False
    """Name the channel in `x-polyrelay-channel`. Off: customers need not know your vendors."""
    keep_alive_comment_seconds: float = 0.0
    """Send `: keep-alive` SSE comments at this pace while waiting for the first meaningful frame. 0 turns it off."""


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """Browsers calling relay routes directly. Off unless origins are named (`*` allows any)."""

    origins: tuple[str, ...] = ()
    """Origins such as `https://app.example.com`, or `*`. None by default: keys do not belong in web pages."""
    max_age_seconds: int = 600
    """How long a browser may remember a preflight; Chromium's own ceiling is 7200."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to standard error."""

    level: str = "info"
    """`debug`, `info`, `warning` or `error`. Faults of upstreams are warnings."""
    format: str = "auto"
    """`json`, `console`, or `auto`: console on a terminal, JSON elsewhere."""
    exchanges: bool = True
    """One line per exchange, written in batches off the request path."""


@dataclass(frozen=True, slots=True)
class KeyDefaults:
    """Limits of a key that names none. 0 means unlimited."""

    requests_per_minute: int = 0
    """Requests in any 60 seconds. Unlimited by default: an operator who sells capacity sets it."""
    requests_per_day: int = 0
    """Requests in any 24 hours, forgotten in steps of 10 minutes."""
    tokens_per_minute: int = 0
    """Input and output tokens in any 60 seconds, reserved by estimate and corrected by real usage."""
    concurrency: int = 0
    """Requests open at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator may choose."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    bounds: Bounds = Bounds()
    answers: AnswerSettings = AnswerSettings()
    cors: CorsSettings = CorsSettings()
    log: LogSettings = LogSettings()
    key_defaults: KeyDefaults = KeyDefaults()
    ledger: LedgerSettings = LedgerSettings()
    webhooks: WebhookSettings = WebhookSettings()
    artefacts: ArtefactSettings = ArtefactSettings()
    jobs: JobSettings = JobSettings()
    limits: tuple[LimitSettings, ...] = ()
    channels: tuple[ChannelSettings, ...] = ()
