"""What in the database depends on the server's secrets, and the check at every start that it can still be read.

Does without the cipher of `vault`, which a relay needs only when it has stored credentials.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polyrelay.storage.secrecy import seals, secrets
from polyrelay.storage.secrecy.secrets import Needs, ServerSecrets
from polyrelay.storage.sql.transaction import Database, Tx

FORGOTTEN = ""
"""Stands for an encrypted value that was given up: its row waits for the credential to be entered again."""


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A row of `credentials`; `sealed` as `vault` wrote it."""

    id: str
    channel: str
    name: str
    sealed: str = field(repr=False)


async def establish(data: Path, database: Database, environ: Mapping[str, str] = os.environ) -> ServerSecrets:
    """The secrets that belong to this database, made on the first run; to be called before anything uses them.

    Keys stored before hashes had the id of their secret get that of the oldest one, the only one there was.

    Raises:
        ConfigurationError: as `secrets.load_or_create`; so when the database needs secrets that are not there.
    """
    needs = await database.read(count_needs)
    found = secrets.load_or_create(data, needs, environ)
    if "" in needs.fingerprints:
        oldest = next(iter(found.fingerprints))

        async def adopt(tx: Tx) -> int:
            return await tx.execute("UPDATE keys SET secret_id = $1 WHERE secret_id = ''", oldest)

        await database.write(adopt)
    return found


async def count_needs(tx: Tx) -> Needs:
    """Living keys and stored credentials by the secret they depend on. A damaged credential depends on none."""
    rows = await tx.fetch("SELECT secret_id, count(*) AS number FROM keys WHERE revoked_at IS NULL GROUP BY secret_id")
    sealed_under = Counter(seals.key_id(row.sealed) for row in await list_sealed(tx))
    return Needs(
        {row["secret_id"]: row["number"] for row in rows},
        {key_id: number for key_id, number in sealed_under.items() if key_id is not None},
    )


async def list_sealed(tx: Tx) -> list[SealedCredential]:
    """Every stored credential that was not given up, by id."""
    rows = await tx.fetch("SELECT id, channel, name, sealed FROM credentials WHERE sealed <> $1 ORDER BY id", FORGOTTEN)
    return [SealedCredential(row["id"], row["channel"], row["name"], row["sealed"]) for row in rows]


async def replace_sealed(tx: Tx, credential: str, old: str, new: str) -> bool:
    """Put `new` in the place of `old`; False, and nothing done, when somebody else has changed the row since."""
    changed = await tx.execute("UPDATE credentials SET sealed = $1 WHERE id = $2 AND sealed = $3", new, credential, old)
    return changed == 1
