"""Where the key directory of a serving process reads: the database file."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from polyrelay.storage import folder
from polyrelay.storage.access import key_changes
from polyrelay.storage.access.key_changes import KeyChange
from polyrelay.storage.sql import revision, sqlite


class SqliteKeySource:
    """Reads keys from the database file of a data folder, which may not exist yet. Writes nothing."""

    def __init__(self, data: Path) -> None:
        self._path = data / folder.DATABASE
        self._connection: sqlite3.Connection | None = None
        self._data_version = -1
        self._seen = 0

    def changes(self) -> Sequence[KeyChange]:
        """See `KeySource`. A call without changes costs one `PRAGMA data_version`, about 8 us.

        Raises:
            DatabaseAway: the file cannot be read now.
            ConfigurationError: it is no database of ours.
        """
        with sqlite.faults():
            connection = self._connection or self._connect()
            if connection is None:
                return ()
            version: int = connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._data_version or sqlite.schema_version(connection) != revision.REVISION:
                return ()
            found = sqlite.transact(connection, lambda tx: key_changes.since(tx, self._seen))
        if found:
            self._seen = found[-1].number
        self._data_version = version
        return found

    fetch = changes

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection | None:
        if self._path.exists():
            self._connection = sqlite.connect_reader(self._path)
        return self._connection
