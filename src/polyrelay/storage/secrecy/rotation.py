"""Changing the server's secrets without a moment in which something stored cannot be read.

The file always comes first: a secret is in it, on the disk, before any row depends on it, and leaves it long after the
last row did. So a crash between any two steps leaves everything readable, and the same command goes on from there.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage.access import key_changes
from polyrelay.storage.rings import Kind, Ring
from polyrelay.storage.secrecy import custody, seals, secrets
from polyrelay.storage.secrecy.custody import SealedCredential
from polyrelay.storage.secrecy.vault import Vault, VaultError
from polyrelay.storage.sql.transaction import Database, Tx

PRUNE_AFTER = timedelta(hours=1)
"""How long a retired secret is kept at least: a process that read the file before may still be about to use it."""


@dataclass(frozen=True, slots=True)
class LostKey:
    """A client key whose hash nobody can check any more."""

    id: str
    account: str
    name: str
    hint: str


@dataclass(frozen=True, slots=True)
class Losses:
    """What the secrets at hand cannot read. Keys must be made, and credentials entered, again."""

    keys: tuple[LostKey, ...]
    credentials: tuple[SealedCredential, ...]


def vault(data: Path, environ: Mapping[str, str] = os.environ) -> Vault:
    """The vault over the secrets of a data folder, which must be there."""
    return Vault(lambda: secrets.load(data, environ).master)


def prepare(data: Path, kind: Kind, environ: Mapping[str, str] = os.environ) -> str:
    """The id of a secret that nothing is made under yet, so that the file can be copied to other machines first.

    Raises:
        ConfigurationError: the file cannot be read or written, or the environment has the master keys.
    """
    if kind is Kind.MASTER and secrets.master_from(environ) is not None:
        raise ConfigurationError(
            f"environment: put the new master key into {secrets.MASTER_KEY}, after the current one."
        )
    return secrets.prepare(data, kind)


def rotate_fingerprint(data: Path) -> str:
    """Hash new client keys under a new secret, whose id this is; those there are keep theirs and go on working."""
    made = secrets.prepare(data, Kind.FINGERPRINT)
    secrets.promote(data, Kind.FINGERPRINT, made)
    return made


async def rotate_master(data: Path, database: Database, environ: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Encrypt every credential under a new master key; its id, and how many were encrypted anew.

    Where the environment has the master keys, nothing is made: credentials are brought under the first one there.

    Raises:
        ConfigurationError: the file cannot be read or written, or the environment has a single key and everything is
            under it already.
        VaultError: a credential does not open. Nothing was changed but the file, which has one more key.
    """
    given = secrets.master_from(environ)
    if given is not None:
        sealing = vault(data, environ)
        moved = await database.write(lambda tx: reseal(tx, sealing))
        if not moved and len(given.keys) == 1:
            raise ConfigurationError(
                f"environment: {secrets.MASTER_KEY} has one key, and everything is encrypted under it. Put a new one "
                "before it, separated by a comma, and rotate again."
            )
        return sealing.current, moved
    made = secrets.prepare(data, Kind.MASTER)
    sealing = Vault(lambda: replace(secrets.load(data, environ).master, current=made))
    moved = await database.write(lambda tx: reseal(tx, sealing))
    secrets.promote(data, Kind.MASTER, made)
    return made, moved + await database.write(lambda tx: reseal(tx, sealing))


async def reseal(tx: Tx, sealing: Vault) -> int:
    """Bring every credential under the vault's current key; how many were not. Raises `VaultError`."""
    moved = 0
    for row in await custody.list_sealed(tx):
        if seals.key_id(row.sealed) != sealing.current:
            renewed = sealing.seal(sealing.open(row.sealed, row.id), row.id)
            moved += await custody.replace_sealed(tx, row.id, row.sealed, renewed)
    return moved


async def prune(data: Path, database: Database, now: datetime | None = None) -> list[str]:
    """Drop the file's retired secrets that no row depends on, an hour after they were; the ids of those dropped.

    Raises `ConfigurationError` when the file cannot be read or written.
    """
    needs = await database.read(custody.count_needs)
    found, cutoff = secrets.read(data), (now or datetime.now(UTC)) - PRUNE_AFTER
    if found is None:
        return []
    hashing = _idle(found.fingerprint, needs.fingerprints, cutoff)
    sealing = _idle(found.master, needs.masters, cutoff) if found.master is not None else []
    for kind, idle in ((Kind.FINGERPRINT, hashing), (Kind.MASTER, sealing)):
        if idle:
            secrets.drop(data, kind, idle)
    return hashing + sealing


def _idle(ring: Ring, needed: Mapping[str, int], cutoff: datetime) -> list[str]:
    since = ring.since.get(ring.current)
    if since is None or since > cutoff:
        return []
    return [secret_id for secret_id in ring.retired if secret_id not in needed]


async def unopenable(tx: Tx, opening: Vault | None) -> list[tuple[SealedCredential, str]]:
    """Stored credentials that do not open, each with what is wrong; all of them when there is no vault."""
    found: list[tuple[SealedCredential, str]] = []
    for row in await custody.list_sealed(tx):
        try:
            if opening is None:
                found.append((row, f"credential {row.id}: there is no master key"))
            else:
                opening.open(row.sealed, row.id)
        except VaultError as error:
            found.append((row, str(error)))
    return found


async def find_losses(tx: Tx, data: Path, environ: Mapping[str, str] = os.environ) -> Losses:
    """What the secrets that are there, if any, cannot read."""
    found, master = secrets.read(data), secrets.master_keys(data, environ)
    opening = Vault(lambda: master) if master is not None else None
    rows = await tx.fetch(
        "SELECT keys.id, accounts.name AS account, keys.name, keys.hint, keys.secret_id FROM keys "
        "JOIN accounts ON accounts.id = keys.account_id WHERE keys.revoked_at IS NULL ORDER BY keys.id"
    )
    readable = {"", *found.fingerprint.keys} if found is not None else set[str]()
    keys = (
        LostKey(row["id"], row["account"], row["name"], row["hint"]) for row in rows if row["secret_id"] not in readable
    )
    return Losses(tuple(keys), tuple(row for row, _ in await unopenable(tx, opening)))


async def give_up(tx: Tx, losses: Losses) -> None:
    """Revoke the keys, and empty the credentials, that `losses` names. Their rows stay."""
    now = await tx.now()
    for key in losses.keys:
        change = await key_changes.next_number(tx)
        await tx.execute("UPDATE keys SET revoked_at = $1, change = $2 WHERE id = $3", now, change, key.id)
    for row in losses.credentials:
        await custody.replace_sealed(tx, row.id, row.sealed, custody.FORGOTTEN)
