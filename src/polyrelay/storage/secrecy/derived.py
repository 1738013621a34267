"""Secrets that need not be kept, because they follow from the server's own: HKDF-SHA256 (RFC 5869).

From the fingerprint secrets, since each client key names the one it was made under, which stays for as long as the key
lives: rotating the server's secrets changes nothing for keys that are there. Done with `hmac` alone: the cipher library
would cost every relay 9 MB.
"""

import hashlib
import hmac
import time
from collections.abc import Sequence
from pathlib import Path

from polyrelay.service.bank import BankAway
from polyrelay.storage.secrecy import secrets
from polyrelay.storage.sql.transaction import Database, DatabaseAway, Tx

BYTES = 32
"""Of every derived secret: within the 24 to 64 of Standard Webhooks, and as many as a SHA-256 has."""

READ_SECONDS = 60.0
"""How long the file is believed: a secret stays in it for an hour after it was retired."""

_SALT = b"polyrelay v1"
_WEBHOOK = "webhook "
_LINK = "artefact link"
_KEY = "SELECT secret_id, revoked_at FROM keys WHERE id = $1"


def derive(secret: bytes, purpose: str) -> bytes:
    """A secret for `purpose`, of which nobody learns `secret` or that for another purpose."""
    extracted = hmac.digest(_SALT, secret, hashlib.sha256)
    return hmac.digest(extracted, purpose.encode() + b"\x01", hashlib.sha256)


class DerivedSecrets:
    """Those of a data folder and the database that belongs to it. Implements `service.webhooks.ports.KeySecrets`."""

    def __init__(self, data: Path, database: Database) -> None:
        self._data = data
        self._database = database
        self._links: tuple[bytes, ...] = ()
        self._read_at = 0.0

    async def of(self, key: str) -> bytes | None:
        """See the port. Raises `BankAway`, and `ConfigurationError` when the server's secrets cannot be read."""

        async def work(tx: Tx) -> str | None:
            rows = await tx.fetch(_KEY, key)
            return rows[0]["secret_id"] if rows and rows[0]["revoked_at"] is None else None

        try:
            secret_id = await self._database.read(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error
        secret = None if secret_id is None else secrets.load(self._data).fingerprints.get(secret_id)
        return None if secret is None else derive(secret, _WEBHOOK + key)

    def link_keys(self) -> Sequence[bytes]:
        """What links to artefacts are signed with: by the first, and known from all of them."""
        now = time.monotonic()
        if not self._links or now - self._read_at > READ_SECONDS:
            ring = secrets.load(self._data).fingerprint
            others = [secret for name, secret in ring.keys.items() if name != ring.current]
            self._links = tuple(derive(secret, _LINK) for secret in (ring.secret, *others))
            self._read_at = now
        return self._links
