"""Which keys have changed, and what requests must know of them: of the key, its account, project and group.

Every change of what a key may do stamps the key with the next change number, in the same transaction; so does every
change of its account, project, group or budgets (`touch`). Readers remember the highest number they have seen and fetch
the rows above it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polyrelay.access.principal import (
    Budget,
    KeyLimits,
    LimitScope,
    Principal,
    account_limits,
    project_limits,
)
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.storage.access import records
from polyrelay.storage.access.records import UNLIMITED, LimitTerms
from polyrelay.storage.sql.transaction import Row, Tx

ADVISORY_LOCK = 0x706F6C796B657973
"""Who stamps a change holds it on PostgreSQL to the end of the transaction: the letters `polykeys` as a number."""

_LIMITS = ("requests_per_minute", "requests_per_day", "tokens_per_minute", "concurrency")


def _limits_of(table: str) -> str:
    return ", ".join(f"{table}.{name} AS {table}_{name}" for name in _LIMITS)


_CHANGED = f"""
    SELECT keys.id, keys.account_id, keys.project_id, keys.fingerprint, keys.secret_id, keys.disabled, keys.revoked_at,
        keys.expires_at, keys.models, keys.networks, keys.tags, keys.change, {_limits_of("keys")},
        accounts.name AS account, accounts.customer_group, accounts.zone, accounts.hold_policy,
        accounts.disabled AS account_disabled, {_limits_of("accounts")},
        projects.name AS project, projects.disabled AS project_disabled, {_limits_of("projects")},
        {_limits_of("customer_groups")}
    FROM keys
    JOIN accounts ON accounts.id = keys.account_id
    LEFT JOIN projects ON projects.id = keys.project_id
    LEFT JOIN customer_groups ON customer_groups.name = accounts.customer_group
    WHERE keys.change > $1 ORDER BY keys.change
"""  # noqa: S608 - column names, all from above
_BUDGETS = """
    SELECT owner, scope, period, amount FROM budgets
    WHERE account_id IN (SELECT account_id FROM keys WHERE change > $1) ORDER BY owner, id
"""

_CONCERNED = {
    "key": "id = $2",
    "project": "project_id = $2",
    "account": "account_id = $2",
    "group": "account_id IN (SELECT id FROM accounts WHERE customer_group = $2)",
}


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key as requests need it from now on. `principal` lacks the key's own limits, which are `limits` over the
    configured defaults; it is None when the key is gone for good.
    """

    number: int
    key: KeyId
    fingerprint: bytes = field(repr=False)
    secret_id: str
    limits: LimitTerms
    principal: Principal | None


async def next_number(tx: Tx) -> int:
    """The number for a change that this transaction makes. Numbers are committed in their order."""
    if tx.dialect == "postgresql":
        await tx.fetch("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
    latest = (await tx.fetch("SELECT max(change) AS latest FROM keys"))[0]["latest"]
    return int(latest or 0) + 1


async def touch(
    tx: Tx,
    *,
    account: AccountId | None = None,
    project: str | None = None,
    key: KeyId | None = None,
    group: str | None = None,
) -> int:
    """Let every worker learn of a change made in this transaction to what stands behind keys; how many keys that are.

    To be told when an account, a project, a group or a budget changes. After the transaction, the generation number
    `keys` is to be bumped, so that workers of this machine look before their next request.
    """
    named = {"account": account, "project": project, "key": key, "group": group}
    number, touched = await next_number(tx), 0
    for kind, subject in named.items():
        if subject is not None:
            sql = f"UPDATE keys SET change = $1 WHERE revoked_at IS NULL AND {_CONCERNED[kind]}"  # noqa: S608 - from above
            touched += await tx.execute(sql, number, subject)
    return touched


async def since(tx: Tx, number: int) -> list[KeyChange]:
    """Changes after `number`, in their order; one for each key. All keys after 0."""
    rows = await tx.fetch(_CHANGED, number)
    if not rows:
        return []
    budgets: dict[str, tuple[Budget, ...]] = {}
    for row in await tx.fetch(_BUDGETS, number):
        budget = Budget(row["owner"], row["scope"], row["period"], row["amount"])
        budgets[budget.owner] = (*budgets.get(budget.owner, ()), budget)
    scopes: dict[tuple[str, str], tuple[LimitScope, ...]] = {}
    return [_change(row, budgets, scopes) for row in rows]


def _change(
    row: Row,
    budgets: Mapping[str, tuple[Budget, ...]],
    scopes: dict[tuple[str, str], tuple[LimitScope, ...]],
) -> KeyChange:
    """`scopes` keeps those of an account and a project, which many keys share."""
    principal = None
    if row["revoked_at"] is None:
        family = (row["account_id"], row["project_id"] or "")
        if family not in scopes:
            scopes[family] = tuple(_scopes(row))
        principal = _principal(row, budgets, scopes[family])
    limits = records.limits_from_columns(row, "keys_")
    return KeyChange(row["change"], row["id"], bytes(row["fingerprint"]), row["secret_id"], limits, principal)


def _principal(row: Row, budgets: Mapping[str, tuple[Budget, ...]], scopes: tuple[LimitScope, ...]) -> Principal:
    owners = (row["account_id"], row["project_id"], row["id"])
    return Principal(
        key_id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        disabled=bool(row["disabled"] or row["account_disabled"] or row["project_disabled"]),
        expires_at=row["expires_at"],
        models=_texts(row["models"]),
        networks=_texts(row["networks"]),
        project_id=row["project_id"],
        project=row["project"],
        group=row["customer_group"],
        zone=row["zone"],
        hold_policy=row["hold_policy"],
        budgets=tuple(budget for owner in owners for budget in budgets.get(owner, ())),
        tags=_texts(row["tags"]),
        scopes=scopes,
    )


def _scopes(row: Row) -> Sequence[LimitScope]:
    group = row["customer_group"]
    found = [
        account_limits(row["account_id"], _limits(row, "accounts_")),
        LimitScope(("group", group), f"customer group {group}", _limits(row, "customer_groups_")),
    ]
    if row["project_id"] is not None:
        found.insert(1, project_limits(row["project_id"], _limits(row, "projects_")))
    return [scope for scope in found if scope.limits]


def _limits(row: Row, prefix: str) -> KeyLimits:
    return records.limits_from_columns(row, prefix).over(UNLIMITED)


def _texts(document: Any) -> tuple[str, ...]:
    return tuple(json.loads(document)) if document != "[]" else ()
