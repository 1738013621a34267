"""Opening the database: a file in the data folder, or a PostgreSQL server; its tables are made or upgraded on the way.

What is opened is described in `transaction`, whose names are also found here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from polyrelay.storage import folder
from polyrelay.storage.sql import revision
from polyrelay.storage.sql.sqlite import SqliteDatabase
from polyrelay.storage.sql.transaction import (
    Conflict,
    Database,
    DatabaseAway,
    DatabaseFault,
    Dialect,
    Row,
    Tx,
    Violation,
    Work,
)

__all__ = [
    "Conflict", "Database", "DatabaseAway", "DatabaseFault", "Dialect", "Row", "Tx", "Violation", "Work",
    "look", "open_database", "open_postgres", "open_sqlite", "opened",
]  # fmt: skip


UPGRADE_SECONDS = 3600.0
"""How long a transaction waits for locks, and a statement may take, while the tables are changed: large ones may be
rewritten, and other processes wait for that."""


async def open_database(url: str, data: Path) -> Database:
    """The database that `[database] url` names; the file in the data folder when it is empty.

    Raises:
        ConfigurationError: it is no database of ours, of a newer polyrelay, or cannot be logged in to.
        DatabaseAway: it cannot be reached now.
    """
    return await _ready(url, data)


@asynccontextmanager
async def opened(url: str, data: Path) -> AsyncIterator[Database]:
    """`open_database` for the length of a block."""
    database = await open_database(url, data)
    try:
        yield database
    finally:
        await database.close()


async def open_sqlite(data: Path) -> Database:
    """The database file of a data folder, made (folder 0700, file 0600) when absent. Raises as `open_database`."""
    return await _ready("", data)


async def open_postgres(url: str) -> Database:
    """The database at a `postgresql://` URL, as libpq writes them. Raises as `open_database`."""
    return await _ready(url, Path())


async def look(url: str, data: Path) -> tuple[str, int]:
    """Where the database is, and the revision of its tables (0: none), without making or upgrading anything.

    Raises as `open_database`.
    """
    if not url and not (data / folder.DATABASE).exists():
        return str(data / folder.DATABASE), revision.EMPTY
    database = _connect(url, data)
    try:
        return database.place, await _revision(database)
    finally:
        await database.close()


async def _ready(url: str, data: Path) -> Database:
    """The database with its tables as this release wants them."""
    database = _connect(url, data)
    try:
        if await _revision(database) != revision.REVISION:
            await _upgrade(_connect(url, data, UPGRADE_SECONDS))
    except BaseException:
        await database.close()
        raise
    return database


def _connect(url: str, data: Path, patience: float | None = None) -> Database:
    """The database as it is. `patience` in seconds: for locks, and for each statement; None for the usual."""
    if not url:
        return SqliteDatabase(data, patience)
    from polyrelay.storage.sql.postgres import PostgresDatabase  # noqa: PLC0415 - see tools/tidy.py

    return PostgresDatabase(url, patience)


async def _revision(database: Database) -> int:
    return await database.read(lambda tx: revision.current(tx, database.place))


async def _upgrade(patient: Database) -> None:
    from polyrelay.storage.sql import migrating  # noqa: PLC0415 - see tools/tidy.py

    try:
        await migrating.upgrade(patient)
    finally:
        await patient.close()
