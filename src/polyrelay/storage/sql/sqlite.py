"""SQLite by the standard library alone: a database file for any number of processes, and connections to it.

Importing SQLAlchemy would cost the serving process most of a second and 14 MB.
"""

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage import folder
from polyrelay.storage.sql import revision
from polyrelay.storage.sql.transaction import Conflict, DatabaseAway, Row, Violation, Work

T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a transaction waits for other processes. Each takes milliseconds, and a queue of them is honest work; what
takes longer than this hangs."""

READER_BUSY_MILLIS = 50
"""A reader in WAL mode waits only while the file is being recovered; it does so on the event loop, so not for long."""

RETRY_SECONDS = 0.02
"""Between tries when SQLite says busy without having waited (it does so while another process recovers the file)."""

STATEMENTS_KEPT = 512
"""Texts kept with their placeholders translated, and compiled by each connection; the relay has fewer than that."""

_WRITER = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
_READER = ("query_only = ON",)

_AWAY = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM,
})  # fmt: skip
_UNIQUE = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_PRIMARY_CODE = 0xFF
"""The lower byte of an extended result code is the code it belongs to (sqlite.org/rescode.html)."""


class SqliteDatabase:
    """One file, written by one connection and read by another, each in a thread of its own.

    WAL lets readers and the writer pass each other. `synchronous = FULL`: what is committed here is deleted elsewhere
    (posted journals) or was promised to somebody (a key is revoked, a payment is booked), and with NORMAL a power cut
    may take back the last commits. That costs a sync of the disk for each transaction; transactions are few, because
    requests make none and the settler posts many exchanges in one.
    """

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, data: Path, busy_seconds: float | None = None) -> None:
        """Makes the folder and an empty file when absent. `busy_seconds` instead of BUSY_SECONDS.

        Raises:
            ConfigurationError: the file is no database of ours, or a newer polyrelay wrote it.
            DatabaseAway: it cannot be opened or read.
        """
        folder.prepare(data)
        path = data / folder.DATABASE
        folder.create_private(path)
        self.place = str(path)
        patience = BUSY_SECONDS if busy_seconds is None else busy_seconds
        self._writer = _Lane(path, _WRITER, "BEGIN IMMEDIATE", patience)
        self._reader = _Lane(path, _READER, "BEGIN", patience)

    async def write(self, work: Work[T], /) -> T:
        """See `Database`. Once it has begun, a transaction ends by itself, whether somebody still waits or not."""
        return await self._writer.run(work)

    async def read(self, work: Work[T], /) -> T:
        """See `Database`."""
        return await self._reader.run(work)

    async def close(self) -> None:
        """See `Database`."""
        await self._writer.close()
        await self._reader.close()


class _Lane:
    """A connection and the one thread that uses it: transactions follow one another."""

    def __init__(self, path: Path, pragmas: tuple[str, ...], begin: str, busy_seconds: float) -> None:
        self._begin = begin
        self._busy_seconds = busy_seconds
        self._connection = _insist(busy_seconds, lambda: _connect(path, busy_seconds, pragmas))
        self._thread = ThreadPoolExecutor(1, "sqlite")

    async def run(self, work: Work[T]) -> T:
        """Let the thread do it."""
        return await asyncio.wrap_future(
            self._thread.submit(_insist, self._busy_seconds, lambda: transact(self._connection, work, self._begin))
        )

    async def close(self) -> None:
        """Wait for what is under way, then close."""
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()


def _insist(seconds: float, act: Callable[[], T]) -> T:
    """Try again while the file is locked, until `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with faults():
                return act()
        except DatabaseAway as fault:
            if not _busy(fault.__cause__) or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


class SqliteTx:
    """An open transaction. Its methods are coroutines that never wait."""

    __slots__ = ("_connection",)

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """See `Tx`."""
        return self._connection.execute(_native(sql), args).fetchall()

    async def execute(self, sql: str, *args: Any) -> int:
        """See `Tx`."""
        return max(0, self._connection.execute(_native(sql), args).rowcount)

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """See `Tx`."""
        self._connection.executemany(_native(sql), rows)

    async def now(self) -> float:
        """See `Tx`: whoever uses this file shares the clock of this machine."""
        return time.time()


def transact(connection: sqlite3.Connection, work: Work[T], begin: str = "BEGIN") -> T:
    """Run `work` in a transaction, here and now."""
    connection.execute(begin)
    try:
        result = _drive(work(SqliteTx(connection)))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _drive(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError(f"{work} waited for something else than its transaction")


_PLACEHOLDER = re.compile(r"'(?:[^']|'')*'|\$(\d+)")


@lru_cache(STATEMENTS_KEPT)
def _native(sql: str) -> str:
    """`$1` as SQLite writes it, `?1`; texts in quotes stay as they are."""
    return _PLACEHOLDER.sub(lambda found: f"?{found[1]}" if found[1] else found[0], sql)


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def faults() -> Iterator[None]:
    """SQLite's errors as ours. Those that only a defect can cause stay what they are."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise _violation(error) from error
    except sqlite3.OperationalError as error:
        if _primary_code(error) not in _AWAY:
            raise
        raise DatabaseAway(f"the database file cannot be used now: {error}") from error


def _violation(error: sqlite3.IntegrityError) -> Violation:
    """From `UNIQUE constraint failed: keys.name, keys.owner` or `CHECK constraint failed: ck_pots_positive`."""
    subject = str(error).partition(": ")[2]
    if error.sqlite_errorcode in _UNIQUE:
        return Conflict(str(error), columns=tuple(name.rpartition(".")[2] for name in subject.split(", ")))
    return Violation(str(error), subject)


def _primary_code(error: sqlite3.Error) -> int:
    """0 when the driver, not the library, raised it."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE


def _busy(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.Error) and _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


# ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and hardly waits, in autocommit mode, for use by one thread at a time.

    Raises:
        ConfigurationError: the file is no database of ours, or a newer polyrelay wrote it.
        sqlite3.OperationalError: the file is absent or unreadable.
    """
    return _connect(path, READER_BUSY_MILLIS / 1000, _READER)


def _connect(path: Path, busy_seconds: float, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_KEPT,
    )
    try:
        connection.row_factory = sqlite3.Row
        _check_version(connection, path)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def schema_version(connection: sqlite3.Connection) -> int:
    """The version the file was written with; 0 when it has no tables yet."""
    row: sqlite3.Row = connection.execute("PRAGMA user_version").fetchone()
    return int(row[0])


def has_keys(path: Path) -> bool:
    """Whether `path` is a database with at least one key. Raises as `connect` does, but for an absent file."""
    if not path.exists():
        return False
    connection = connect_reader(path)
    try:
        if schema_version(connection) == revision.EMPTY:
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
    revision.refuse_newer(str(path), version)
    if version == revision.EMPTY and tables:
        raise ConfigurationError(
            f"{path}: a database, but not polyrelay's. Choose another data folder ([server] data)."
        )
