"""What values are allowed beyond their type: one table, by the field of the settings."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from polyrelay.access import policy
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.settings.bounds import Bounds
from polyrelay.settings.channels import ChannelSettings, ModelSettings
from polyrelay.settings.jobs import JobSettings
from polyrelay.settings.ledger import LedgerSettings
from polyrelay.settings.limits import LimitSettings
from polyrelay.settings.root import (
    AnswerSettings,
    CorsSettings,
    DatabaseSettings,
    KeyDefaults,
    LogSettings,
    ServerSettings,
)
from polyrelay.settings.timeouts import TimeoutSettings
from polyrelay.settings.webhooks import WebhookSettings

EVERY_FIELD = "*"
LAST_PORT = 65535
SHORTEST_LEASE = 5.0
"""Seconds. A shorter one runs out whenever the database is busy for a moment."""
MOST_JITTER = 0.5
"""More would make two questions follow each other at once."""
MOST_WORKERS = 256
"""More than any machine has cores for; a number above it is a slip."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A test of a value, and what it asks for in words. A `secret` value is not repeated in messages."""

    accepts: Callable[[Any], bool]
    allowed: str
    secret: bool = False


def find(owner: type, name: str) -> Rule | None:
    """The rule of a field of `owner`, or the one for all its fields."""
    return RULES.get((owner, name)) or RULES.get((owner, EVERY_FIELD))


def _split(url: str) -> SplitResult | None:
    if any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        complete = parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if complete else None


def _is_base_url(url: str) -> bool:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        return False
    return "@" not in parts.netloc and "?" not in url and "#" not in url


def _is_database_url(url: str) -> bool:
    """Also libpq's form without a host, where `?host=` names the folder of a socket."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return not url or (parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1)


def _is_proxy_url(url: str) -> bool:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https", "socks5", "socks5h"):
        return False
    return parts.path in ("", "/") and "?" not in url and "#" not in url


def _is_public_url(url: str) -> bool:
    return not url or _is_base_url(url)


def _is_origin(origin: str) -> bool:
    if origin == "*":
        return True
    parts = _split(origin)
    return parts is not None and bool(parts.scheme) and "@" not in origin and not (parts.path or parts.query)


def _is_network(cidr: str) -> bool:
    try:
        policy.parse_networks((cidr,))
    except ValueError:
        return False
    return True


def _is_text(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def _positive(number: float) -> bool:
    return number > 0 and math.isfinite(number)


def _not_negative(number: float) -> bool:
    return number >= 0 and math.isfinite(number)


NETWORKS = Rule(_is_network, "networks such as 10.0.0.0/8 or 2001:db8::/32")
PORTS = Rule(lambda port: 0 < port <= LAST_PORT, f"1 to {LAST_PORT}")
TEXT = Rule(_is_text, "a text that is not blank, on one line")
POSITIVE = Rule(_positive, "a number above 0")
NOT_NEGATIVE = Rule(_not_negative, "0 or more")

RULES: Mapping[tuple[type, str], Rule] = {
    (ServerSettings, "host"): TEXT,
    (ServerSettings, "port"): Rule(lambda port: 0 <= port <= LAST_PORT, f"0 to {LAST_PORT} (0 picks a free port)"),
    (ServerSettings, "data"): TEXT,
    (ServerSettings, "tls_certificate"): TEXT,
    (ServerSettings, "tls_key"): TEXT,
    (ServerSettings, "workers"): Rule(lambda workers: 1 <= workers <= MOST_WORKERS, f"1 to {MOST_WORKERS}"),
    (ServerSettings, "drain_seconds"): NOT_NEGATIVE,
    (ServerSettings, "forwarded_networks"): NETWORKS,
    (ServerSettings, "public_url"): Rule(_is_public_url, "an http:// or https:// address such as https://example.com"),
    (DatabaseSettings, "url"): Rule(
        _is_database_url, "postgresql://user:password@host:port/name, or empty for SQLite", secret=True
    ),
    (Bounds, EVERY_FIELD): POSITIVE,
    (AnswerSettings, "keep_alive_comment_seconds"): NOT_NEGATIVE,
    (CorsSettings, "origins"): Rule(_is_origin, "origins such as https://app.example.com, or *"),
    (CorsSettings, "max_age_seconds"): NOT_NEGATIVE,
    (LogSettings, "level"): Rule(
        lambda level: level in ("debug", "info", "warning", "error"), "debug, info, warning or error"
    ),
    (LogSettings, "format"): Rule(lambda name: name in ("auto", "json", "console"), "auto, json or console"),
    (KeyDefaults, EVERY_FIELD): Rule(_not_negative, "0 (unlimited) or more"),
    (LedgerSettings, "fsync"): Rule(lambda name: name in ("off", "interval", "always"), "off, interval or always"),
    (LedgerSettings, "lease_seconds"): Rule(lambda seconds: seconds >= SHORTEST_LEASE, "5 or more"),
    (LedgerSettings, "retention_days"): NOT_NEGATIVE,
    (LedgerSettings, EVERY_FIELD): POSITIVE,
    (WebhookSettings, "allowed_ports"): PORTS,
    (WebhookSettings, "allowed_networks"): NETWORKS,
    (WebhookSettings, "attempts"): POSITIVE,
    (WebhookSettings, "first_delay_seconds"): POSITIVE,
    (WebhookSettings, "longest_delay_seconds"): POSITIVE,
    (WebhookSettings, "timeout_seconds"): POSITIVE,
    (WebhookSettings, "concurrency"): POSITIVE,
    (WebhookSettings, "retention_days"): NOT_NEGATIVE,
    (ArtefactSettings, "place"): Rule(lambda place: place in ("folder", "s3"), "folder or s3"),
    (ArtefactSettings, "s3_endpoint"): Rule(_is_public_url, "an http:// or https:// address, or empty for Amazon's"),
    (ArtefactSettings, "allowed_ports"): PORTS,
    (ArtefactSettings, "allowed_networks"): NETWORKS,
    (ArtefactSettings, "largest_bytes"): POSITIVE,
    (ArtefactSettings, "timeout_seconds"): POSITIVE,
    (ArtefactSettings, "attempts"): POSITIVE,
    (ArtefactSettings, "first_delay_seconds"): POSITIVE,
    (ArtefactSettings, "concurrency"): POSITIVE,
    (ArtefactSettings, "link_seconds"): POSITIVE,
    (ArtefactSettings, "retention_days"): NOT_NEGATIVE,
    (JobSettings, "jitter"): Rule(lambda part: 0 <= part <= MOST_JITTER, f"0 to {MOST_JITTER}"),
    (JobSettings, "late_watch_seconds"): NOT_NEGATIVE,
    (JobSettings, "most_in_flight"): Rule(_not_negative, "0 (unlimited) or more"),
    (JobSettings, EVERY_FIELD): POSITIVE,
    (LimitSettings, "model"): TEXT,
    (LimitSettings, "group"): TEXT,
    (LimitSettings, "each"): Rule(lambda subject: subject in ("account", "key"), "account or key"),
    (LimitSettings, EVERY_FIELD): Rule(_not_negative, "0 (unlimited) or more"),
    (ChannelSettings, "name"): TEXT,
    (ChannelSettings, "provider"): TEXT,
    (ChannelSettings, "base_url"): Rule(
        _is_base_url,
        "an http:// or https:// address without user, query and fragment, such as https://api.example.com/v1",
        secret=True,
    ),
    (ChannelSettings, "weight"): Rule(lambda weight: weight >= 1, "1 or more"),
    (ChannelSettings, "proxy"): Rule(
        _is_proxy_url, "an http://, https://, socks5:// or socks5h:// address without a path", secret=True
    ),
    (ChannelSettings, "ca_file"): TEXT,
    (ChannelSettings, "artefacts"): Rule(lambda policy: policy in ("pass", "store"), "pass or store"),
    (ChannelSettings, "concurrency"): Rule(_not_negative, "0 (any number) or more"),
    (ChannelSettings, "waiting"): NOT_NEGATIVE,
    (ChannelSettings, "scripts"): TEXT,
    (ChannelSettings, "poll_seconds"): NOT_NEGATIVE,
    (ChannelSettings, "client_gone"): Rule(lambda policy: policy in ("cancel", "drain"), "cancel or drain"),
    (ModelSettings, EVERY_FIELD): TEXT,
    (TimeoutSettings, EVERY_FIELD): POSITIVE,
}
"""For a field that holds a tuple, the rule is that of each element."""
