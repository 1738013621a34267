"""SQLite connections as every part of the relay wants them, by the standard library alone.

The serving process only reads keys, and importing SQLAlchemy costs it most of a second and 14 MB; so this module and
`directory` do without, and only what administers keys imports `database`.
"""

import sqlite3
from pathlib import Path

from polyrelay.kernel.errors import ConfigurationError

SCHEMA_VERSION = 1
"""What this release writes into `PRAGMA user_version`."""

BUSY_MILLIS = 5000
"""How long a writer waits for another one. Writes take milliseconds; five seconds means something hangs."""

READER_BUSY_MILLIS = 50
"""A reader in WAL mode waits only while the file is being recovered; it does so on the event loop, so not for long."""

_EMPTY = 0


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing to an existing file, in autocommit mode, for use by one thread at a time.

    WAL lets readers and the one writer pass each other. `synchronous = FULL`, because a revocation that was
    acknowledged must survive a power cut (WAL with NORMAL may lose the last commits) and key changes are rare.

    Raises:
        ConfigurationError: the file is no database of ours, or a newer polyrelay wrote it.
        sqlite3.OperationalError: the file is absent or unreadable.
    """
    return _open(path, BUSY_MILLIS, ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"))


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and hardly waits. Raises as `connect` does."""
    return _open(path, READER_BUSY_MILLIS, ("query_only = ON",))


def _open(path: Path, busy_millis: int, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_millis / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _check_version(connection, path)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def schema_version(connection: sqlite3.Connection) -> int:
    """The version the file was written with; 0 when it has no tables yet."""
    row: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return row[0]


def has_keys(path: Path) -> bool:
    """Whether `path` is a database with at least one key. Raises as `connect` does, but for an absent file."""
    if not path.exists():
        return False
    connection = connect_reader(path)
    try:
        if schema_version(connection) == _EMPTY:
            return False
        return connection.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None
    finally:
        connection.close()


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    try:
        # In this order: another process may make the tables and set the version, at once, between the two.
        tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = schema_version(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise ConfigurationError(
            f"{path}: not a SQLite database ({error}). Restore a backup or move it away."
        ) from error
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path}: written by a newer polyrelay (schema {version}; this one knows {SCHEMA_VERSION}). "
            "Install that version, or restore a backup made before the upgrade."
        )
    if version == _EMPTY and tables:
        raise ConfigurationError(
            f"{path}: a database, but not polyrelay's. Choose another data folder ([server] data)."
        )
