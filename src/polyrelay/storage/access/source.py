"""Where a key directory reads, for either database."""

from pathlib import Path

from polyrelay.storage.access.directory import KeySource
from polyrelay.storage.access.sqlite_keys import SqliteKeySource


def open_keys(url: str, data: Path) -> KeySource:
    """What a key directory reads of the database that `open_database` opens. Reads every key of a server right away.

    Raises:
        ConfigurationError, DatabaseAway: as `open_database`.
    """
    if not url:
        return SqliteKeySource(data)
    from polyrelay.storage.access.postgres_keys import PostgresKeySource  # noqa: PLC0415 - see tools/tidy.py

    return PostgresKeySource(url)
