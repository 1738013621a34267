"""Who may do what: one table. What is not in it nobody may do.

`owner` decides about tokens and takes money back, `operator` runs the relay and its customers, `auditor` reads
everything that explains the books, `support` reads what concerns customers and can stop a leaked key.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What an admin token is for."""

    OWNER = "owner"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SUPPORT = "support"


_ALL = frozenset(Role)
_OWNER = frozenset({Role.OWNER})
_RUNNING = frozenset({Role.OWNER, Role.OPERATOR})
_INSIDE = _RUNNING | {Role.AUDITOR}
_RESCUE = _RUNNING | {Role.SUPPORT}

TABLE: Mapping[tuple[str, str], frozenset[Role]] = MappingProxyType(
    {
        ("health", "read"): _ALL,
        ("settings", "read"): _INSIDE,
        ("accounts", "read"): _ALL,
        ("accounts", "write"): _RUNNING,
        ("balances", "read"): _ALL,
        ("projects", "read"): _ALL,
        ("projects", "write"): _RUNNING,
        ("keys", "read"): _ALL,
        ("keys", "write"): _RUNNING,
        ("keys", "stop"): _RESCUE,
        ("budgets", "read"): _ALL,
        ("budgets", "write"): _RUNNING,
        ("groups", "read"): _ALL,
        ("groups", "write"): _RUNNING,
        ("tariffs", "read"): _INSIDE,
        ("tariffs", "write"): _RUNNING,
        ("channels", "read"): _INSIDE,
        ("channels", "write"): _RUNNING,
        ("credentials", "read"): _INSIDE,
        ("credentials", "write"): _RUNNING,
        ("topups", "write"): _RUNNING,
        ("promotions", "write"): _RUNNING,
        ("refunds", "write"): _RUNNING,
        ("adjustments", "write"): _OWNER,
        ("overdrafts", "write"): _OWNER,
        ("transfers", "read"): _INSIDE,
        ("charges", "read"): _ALL,
        ("webhooks", "read"): _ALL,
        ("usage", "read"): _ALL,
        ("usage", "export"): _INSIDE,
        ("audit", "read"): frozenset({Role.OWNER, Role.AUDITOR}),
        ("tokens", "read"): _OWNER,
        ("tokens", "write"): _OWNER,
    }
)


def may(role: Role, resource: str, action: str) -> bool:
    """Whether a token of this role may."""
    return role in TABLE.get((resource, action), frozenset())
