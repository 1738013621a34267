"""Who is calling, as far as a request needs to know."""

from dataclasses import dataclass
from typing import Literal

from polyrelay.kernel.ids import AccountId, KeyId

BudgetScope = Literal["account", "project", "key"]
Period = Literal["day", "week", "month", "total"]
HoldPolicy = Literal["strict", "clamp"]
ScopeId = tuple[str, ...]
"""Names one counter for all who share it: `("key", key id)`, `("account", account id)`, `("model", …)`."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Limits of a key, or of a scope that keys share; 0 means unlimited."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0
    requests_per_day: int = 0

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return bool(self.requests_per_minute or self.tokens_per_minute or self.concurrency or self.requests_per_day)


@dataclass(frozen=True, slots=True)
class LimitScope:
    """Limits that everybody with the same `id` shares. `label` is what refusals call it: `your project`."""

    id: ScopeId
    label: str
    limits: KeyLimits


def account_limits(account_id: AccountId, limits: KeyLimits) -> LimitScope:
    """The limits of an account over all its projects and keys."""
    return LimitScope(("account", account_id), "your account", limits)


def project_limits(project_id: str, limits: KeyLimits) -> LimitScope:
    """The limits of a project over all its keys."""
    return LimitScope(("project", project_id), "your project", limits)


@dataclass(frozen=True, slots=True)
class Budget:
    """What `owner` (an account's, project's or key's id) may spend in one `period`: `limit` nano-units.

    Periods begin at midnight in the account's time zone, weeks on Monday; `total` never ends.
    """

    owner: str
    scope: BudgetScope
    period: Period
    limit: int


@dataclass(frozen=True, slots=True)
class Principal:
    """A key and what it may do.

    `models` are globs (`gpt-*`; empty: every model), `networks` CIDRs (empty: from anywhere),
    `expires_at` seconds since the epoch or None. `limits` are the key's own, `scopes` those it shares with others:
    its account's and its project's. Limits by model and customer group are not here but in the `LimitBook`.

    `project_id` and `project` (its name) are None for a key outside any project; `group` is the customer group, which
    decides prices and limits; `zone` the account's time zone (IANA name), in which budget periods begin;
    `hold_policy` what happens when a meter cannot cover the longest answer: refuse (`strict`) or shorten (`clamp`);
    `budgets` every budget a charge counts against; `tags` labels for reports.
    """

    key_id: KeyId
    account_id: AccountId
    account: str
    disabled: bool = False
    expires_at: float | None = None
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    limits: KeyLimits = KeyLimits()
    project_id: str | None = None
    project: str | None = None
    group: str = "default"
    zone: str = "UTC"
    hold_policy: HoldPolicy = "clamp"
    budgets: tuple[Budget, ...] = ()
    tags: tuple[str, ...] = ()
    scopes: tuple[LimitScope, ...] = ()
