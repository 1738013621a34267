"""Accounts and keys as they are stored, whatever stores them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polyrelay.access import policy
from polyrelay.access.principal import KeyLimits, Principal
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.settings.root import KeyDefaults


class StoreError(PolyrelayError):
    """A store cannot do what was asked; the message says why."""


class UnknownKey(StoreError):
    """No key has this id."""


class UnknownAccount(StoreError):
    """No account has this name or id."""


class AccountExists(StoreError):
    """The name is taken."""


class InvalidTerms(StoreError):
    """What a key was to be allowed makes no sense."""


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """A key's own limits: None takes the configured default, 0 is unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    def over(self, defaults: KeyDefaults) -> KeyLimits:
        """The limits that count."""
        return KeyLimits(
            _chosen(self.requests_per_minute, defaults.requests_per_minute),
            _chosen(self.tokens_per_minute, defaults.tokens_per_minute),
            _chosen(self.concurrency, defaults.concurrency),
        )


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What an operator decides about a key. `models` are globs, `networks` CIDRs, `expires_at` epoch seconds."""

    name: str = ""
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at: float | None = None
    limits: LimitTerms = LimitTerms()

    def check(self) -> None:
        """Raises `InvalidTerms` for an empty glob, a bad CIDR or a negative limit."""
        if not all(self.models):
            raise InvalidTerms("a model glob must not be empty")
        try:
            policy.parse_networks(self.networks)
        except ValueError as error:
            raise InvalidTerms(f"not a network: {error}") from error
        chosen = (self.limits.requests_per_minute, self.limits.tokens_per_minute, self.limits.concurrency)
        if any(limit is not None and limit < 0 for limit in chosen):
            raise InvalidTerms("a limit must be 0 (unlimited) or more")


UNRESTRICTED = KeyTerms()
"""Every model, from anywhere, for ever, under the configured default limits."""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """Who pays. `name` is unique."""

    id: AccountId
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key without its secret part. A key with `revoked_at` is gone for good; `disabled` can be undone."""

    id: KeyId
    account_id: AccountId
    account: str
    fingerprint: bytes = field(repr=False)
    hint: str
    created_at: float
    terms: KeyTerms = UNRESTRICTED
    disabled: bool = False
    revoked_at: float | None = None

    def principal(self, defaults: KeyDefaults) -> Principal:
        """The key as requests see it."""
        return Principal(
            key_id=self.id,
            account_id=self.account_id,
            account=self.account,
            disabled=self.disabled,
            expires_at=self.terms.expires_at,
            models=self.terms.models,
            networks=self.terms.networks,
            limits=self.terms.limits.over(defaults),
        )


def to_columns(key: StoredKey) -> dict[str, Any]:
    """The values of the columns of table `keys`, but for `change`."""
    terms = key.terms
    return {
        "id": key.id,
        "account_id": key.account_id,
        "name": terms.name,
        "fingerprint": key.fingerprint,
        "hint": key.hint,
        "disabled": key.disabled,
        "revoked_at": key.revoked_at,
        "expires_at": terms.expires_at,
        "models": json.dumps(terms.models),
        "networks": json.dumps(terms.networks),
        "requests_per_minute": terms.limits.requests_per_minute,
        "tokens_per_minute": terms.limits.tokens_per_minute,
        "concurrency": terms.limits.concurrency,
        "created_at": key.created_at,
    }


def from_columns(row: Mapping[str, Any]) -> StoredKey:
    """A row of `keys` with the account's name as `account`."""
    terms = KeyTerms(
        name=row["name"],
        models=tuple(json.loads(row["models"])),
        networks=tuple(json.loads(row["networks"])),
        expires_at=row["expires_at"],
        limits=LimitTerms(row["requests_per_minute"], row["tokens_per_minute"], row["concurrency"]),
    )
    return StoredKey(
        id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        fingerprint=bytes(row["fingerprint"]),
        hint=row["hint"],
        created_at=row["created_at"],
        terms=terms,
        disabled=bool(row["disabled"]),
        revoked_at=row["revoked_at"],
    )


def _chosen(own: int | None, default: int) -> int:
    return default if own is None else own
