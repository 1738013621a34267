"""Who is calling, as far as a request needs to know."""

from dataclasses import dataclass

from polyrelay.kernel.ids import AccountId, KeyId


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Per-key limits; 0 means unlimited."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class Principal:
    """A key and what it may do.

    `models` are globs (`gpt-*`; empty: every model), `networks` CIDRs (empty: from anywhere),
    `expires_at` seconds since the epoch or None.
    """

    key_id: KeyId
    account_id: AccountId
    account: str
    disabled: bool = False
    expires_at: float | None = None
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    limits: KeyLimits = KeyLimits()
