"""Accounts and keys as they are stored, whatever stores them."""

import json
from dataclasses import dataclass, field
from typing import Any

from polyrelay.access import policy
from polyrelay.access.principal import KeyLimits
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage.sql.transaction import Row


class StoreError(PolyrelayError):
    """A store cannot do what was asked; the message says why."""


class UnknownKey(StoreError):
    """No key has this id."""


class UnknownAccount(StoreError):
    """No account has this name or id."""


class UnknownProject(StoreError):
    """No project of this account has this id."""


class AccountExists(StoreError):
    """The name is taken."""


class ProjectExists(StoreError):
    """The account has a project of this name."""


class InvalidTerms(StoreError):
    """What a key was to be allowed makes no sense."""


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """A key's own limits: None takes the configured default, 0 is unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    requests_per_day: int | None = None

    def over(self, defaults: KeyDefaults) -> KeyLimits:
        """The limits that count."""
        return KeyLimits(
            _chosen(self.requests_per_minute, defaults.requests_per_minute),
            _chosen(self.tokens_per_minute, defaults.tokens_per_minute),
            _chosen(self.concurrency, defaults.concurrency),
            _chosen(self.requests_per_day, defaults.requests_per_day),
        )

    def check(self) -> None:
        """Raises `InvalidTerms` for a negative limit."""
        chosen = (self.requests_per_minute, self.tokens_per_minute, self.concurrency, self.requests_per_day)
        if any(limit is not None and limit < 0 for limit in chosen):
            raise InvalidTerms("a limit must be 0 (unlimited) or more")


UNLIMITED = KeyDefaults()
"""What an account, a project or a group has that names no limits: defaults are for keys."""


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What an operator decides about a key. `models` are globs, `networks` CIDRs, `expires_at` epoch seconds, `tags`
    labels for reports.
    """

    name: str = ""
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at: float | None = None
    limits: LimitTerms = LimitTerms()
    tags: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises `InvalidTerms` for an empty glob, a bad CIDR or a negative limit."""
        if not all(self.models):
            raise InvalidTerms("a model glob must not be empty")
        try:
            policy.parse_networks(self.networks)
        except ValueError as error:
            raise InvalidTerms(f"not a network: {error}") from error
        self.limits.check()


UNRESTRICTED = KeyTerms()
"""Every model, from anywhere, for ever, under the configured default limits."""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """Who pays. `name` is unique."""

    id: AccountId
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredProject:
    """Part of an account. `name` is unique within it."""

    id: str
    account_id: AccountId
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key without its secret part. A key with `revoked_at` is gone for good; `disabled` can be undone.

    `secret_id` names the server secret that keyed `fingerprint`; `project` is the name of its project, if it has one;
    `replaced_by` the key that a rotation made in its place.
    """

    id: KeyId
    account_id: AccountId
    account: str
    fingerprint: bytes = field(repr=False)
    hint: str
    created_at: float
    terms: KeyTerms = UNRESTRICTED
    disabled: bool = False
    revoked_at: float | None = None
    project_id: str | None = None
    project: str | None = None
    secret_id: str = ""
    replaced_by: KeyId | None = None
    last_used_at: float | None = None


def to_columns(key: StoredKey) -> dict[str, Any]:
    """The values of the columns of table `keys`, but for `change`."""
    return {
        "id": key.id,
        "account_id": key.account_id,
        "project_id": key.project_id,
        "fingerprint": key.fingerprint,
        "secret_id": key.secret_id,
        "hint": key.hint,
        "disabled": int(key.disabled),
        "revoked_at": key.revoked_at,
        "replaced_by": key.replaced_by,
        "last_used_at": key.last_used_at,
        "created_at": key.created_at,
        **terms_to_columns(key.terms),
    }


def terms_to_columns(terms: KeyTerms) -> dict[str, Any]:
    """The columns of `keys` that an operator decides on."""
    return {
        "name": terms.name,
        "expires_at": terms.expires_at,
        "models": json.dumps(terms.models),
        "networks": json.dumps(terms.networks),
        "tags": json.dumps(terms.tags),
        "requests_per_minute": terms.limits.requests_per_minute,
        "requests_per_day": terms.limits.requests_per_day,
        "tokens_per_minute": terms.limits.tokens_per_minute,
        "concurrency": terms.limits.concurrency,
    }


def from_columns(row: Row) -> StoredKey:
    """A row of `keys` with the names of its account and project as `account` and `project`."""
    return StoredKey(
        id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        fingerprint=bytes(row["fingerprint"]),
        hint=row["hint"],
        created_at=row["created_at"],
        terms=terms_from_columns(row),
        disabled=bool(row["disabled"]),
        revoked_at=row["revoked_at"],
        project_id=row["project_id"],
        project=row["project"],
        secret_id=row["secret_id"],
        replaced_by=row["replaced_by"],
        last_used_at=row["last_used_at"],
    )


def terms_from_columns(row: Row) -> KeyTerms:
    """What an operator decided, from a row of `keys`."""
    return KeyTerms(
        name=row["name"],
        models=tuple(json.loads(row["models"])),
        networks=tuple(json.loads(row["networks"])),
        expires_at=row["expires_at"],
        limits=limits_from_columns(row),
        tags=tuple(json.loads(row["tags"])),
    )


def limits_from_columns(row: Row, prefix: str = "") -> LimitTerms:
    """Limits from the columns of any table that has them."""
    return LimitTerms(
        row[f"{prefix}requests_per_minute"],
        row[f"{prefix}tokens_per_minute"],
        row[f"{prefix}concurrency"],
        row[f"{prefix}requests_per_day"],
    )


def _chosen(own: int | None, default: int) -> int:
    return default if own is None else own
