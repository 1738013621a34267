"""What the control plane keeps in the database for relays to use: tariffs, group multipliers, channels.

Hand-written SQL, because the serving process reads it. `change` tells whether there is anything new.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from polyrelay.storage.secrecy.custody import FORGOTTEN
from polyrelay.storage.sql.transaction import Tx

CHANGE = "change"
"""Row of `meta` whose number grows with every change of tariffs, groups and channels."""

_CHANGE = "SELECT value FROM meta WHERE name = $1"
_TARIFFS = "SELECT document FROM tariffs WHERE retired_at IS NULL ORDER BY id, version"
_GROUPS = "SELECT name, multiplier FROM customer_groups ORDER BY name"
_CHANNELS = "SELECT name, document FROM channels WHERE disabled = 0 ORDER BY name"
_CREDENTIALS = """
SELECT id, channel, name, sealed FROM credentials WHERE disabled = 0 AND sealed <> $1 ORDER BY channel, id
"""
_FORGET_ANSWERS = "DELETE FROM idempotency WHERE at < $1"


@dataclass(frozen=True, slots=True)
class KeptCredential:
    """One of a channel's, opened."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptChannel:
    """`document` as the configuration file has it, without credentials. It cannot serve without any."""

    name: str
    document: dict[str, Any]
    credentials: tuple[KeptCredential, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """All of it at one moment. `tariffs` are documents for `metering.read`, `groups` multipliers as decimal strings."""

    change: int
    tariffs: tuple[dict[str, Any], ...]
    groups: dict[str, str]
    channels: tuple[KeptChannel, ...]


async def change(tx: Tx) -> int:
    """The number of the latest change; 0 when there was none."""
    rows = await tx.fetch(_CHANGE, CHANGE)
    return int(rows[0]["value"]) if rows else 0


async def kept(tx: Tx, unseal: Callable[[str, str], str]) -> Kept:
    """What is in force now: neither retired nor disabled. `unseal(sealed, row id)` opens credentials.

    Raises what `unseal` raises: a relay is not to start with half of its credentials.
    """
    number = await change(tx)
    credentials: dict[str, list[KeptCredential]] = {}
    for row in await tx.fetch(_CREDENTIALS, FORGOTTEN):
        opened = KeptCredential(row["name"], unseal(row["sealed"], row["id"]))
        credentials.setdefault(row["channel"], []).append(opened)
    return Kept(
        change=number,
        tariffs=tuple(json.loads(row["document"]) for row in await tx.fetch(_TARIFFS)),
        groups={row["name"]: row["multiplier"] for row in await tx.fetch(_GROUPS)},
        channels=tuple(
            KeptChannel(row["name"], json.loads(row["document"]), tuple(credentials.get(row["name"], ())))
            for row in await tx.fetch(_CHANNELS)
        ),
    )


async def forget_answers(tx: Tx, before: float) -> int:
    """Drop answers stored under idempotency keys before `before` (Unix seconds); how many there were."""
    return await tx.execute(_FORGET_ANSWERS, before)
