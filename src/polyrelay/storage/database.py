"""The database for those who write it: an engine over `sqlite.connect`, and the making of its tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event

from polyrelay.storage import folder, schema, sqlite

_READ_ONLY = "polyrelay_read_only"


class Database:
    """An open database file. `write` and `read` are transactions; both are short and run to their end."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self.path = path

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start, so that it cannot fail half-way for want of it."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; blocks nobody."""
        with self._engine.connect().execution_options(**{_READ_ONLY: True}) as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(data: Path) -> Database:
    """The database of a data folder, made (folder 0700, file 0600) when absent.

    Raises:
        ConfigurationError: the file is no database of ours, or of a newer polyrelay.
    """
    folder.prepare(data)
    path = data / folder.DATABASE
    folder.create_private(path)
    engine = create_engine("sqlite://", creator=lambda: sqlite.connect(path), poolclass=None)
    event.listen(engine, "begin", _begin)
    database = Database(engine, path)
    try:
        _make_tables(database)
    except BaseException:
        database.close()
        raise
    return database


def _begin(connection: Connection) -> None:
    """The driver is in autocommit mode, so that this statement and no guess of the driver's opens a transaction."""
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _make_tables(database: Database) -> None:
    with database.write() as connection:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version == sqlite.SCHEMA_VERSION:
            return
        schema.metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {sqlite.SCHEMA_VERSION}")
