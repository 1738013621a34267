"""Who holds which key, in memory: the `Keys` port of the serving process. Does not import SQLAlchemy."""

import logging
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from polyrelay.access import key
from polyrelay.access.principal import Principal
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage import records, sqlite
from polyrelay.storage.records import StoredKey

_log = logging.getLogger(__name__)

_CHANGED_KEYS = """
    SELECT keys.*, accounts.name AS account FROM keys JOIN accounts ON accounts.id = keys.account_id
    WHERE keys.change > ? ORDER BY keys.change
"""


class KeySource(Protocol):
    """Where a directory reads keys."""

    def changes(self) -> Iterable[StoredKey]:
        """Keys made or changed since the last call; all of them the first time. Cheap when there are none."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class SqliteKeySource:
    """Reads keys from the database file of a data folder, which may not exist yet. Writes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._data_version = -1
        self._seen = 0

    def changes(self) -> Iterable[StoredKey]:
        """Keys changed since the last call. A call without changes costs one `PRAGMA data_version`, about 8 us.

        Raises:
            sqlite3.Error: the file cannot be read now.
            ConfigurationError: it is no database of ours.
        """
        connection = self._connection or self._connect()
        if connection is None:
            return ()
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version or not sqlite.schema_version(connection):
            return ()
        rows = connection.execute(_CHANGED_KEYS, (self._seen,)).fetchall()
        if rows:
            self._seen = rows[-1]["change"]
        self._data_version = version
        return [records.from_columns(row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection | None:
        if not self._path.exists():
            return None
        self._connection = sqlite.connect_reader(self._path)
        self._connection.row_factory = sqlite3.Row
        return self._connection


class KeyDirectory:
    """Fingerprints of the living keys and their holders. Fingerprints are all it remembers; no token is kept.

    `refresh_if_changed` is to be called every quarter of a second or so; a key that is not found asks for it itself,
    so that a new key works at once.
    """

    def __init__(self, source: KeySource, secret: bytes, defaults: KeyDefaults = KeyDefaults()) -> None:
        """Reads every key. Raises what the source raises."""
        self._source = source
        self._secret = secret
        self._defaults = defaults
        self._keys: dict[bytes, StoredKey] = {}
        self._principals: dict[bytes, Principal] = {}
        self._readable = True
        self._apply(source.changes())

    def __len__(self) -> int:
        """Keys that are not revoked."""
        return len(self._principals)

    def find(self, token: str) -> Principal | None:
        """The holder of `token`, or None. See `key.fingerprint` for why the look-up's timing tells nothing."""
        if not key.looks_like_key(token):
            return None
        fingerprint = key.fingerprint(self._secret, token)
        principal = self._principals.get(fingerprint)
        if principal is None and self.refresh_if_changed():
            principal = self._principals.get(fingerprint)
        return principal

    def refresh_if_changed(self) -> bool:
        """Take over what any process changed; whether there was anything.

        While the file cannot be read the known keys go on working, and the log says so once.
        """
        try:
            changes = list(self._source.changes())
        except sqlite3.Error as error:
            if self._readable:
                _log.error("keys cannot be read, going on with those known: %s", error)
            self._readable = False
            return False
        self._readable = True
        self._apply(changes)
        return bool(changes)

    def set_defaults(self, defaults: KeyDefaults) -> None:
        """Use other limits for keys that name none."""
        self._defaults = defaults
        self._apply(self._keys.values())

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _apply(self, changed: Iterable[StoredKey]) -> None:
        for stored in list(changed):
            if stored.revoked_at is None:
                self._keys[stored.fingerprint] = stored
                self._principals[stored.fingerprint] = stored.principal(self._defaults)
            else:
                self._keys.pop(stored.fingerprint, None)
                self._principals.pop(stored.fingerprint, None)
