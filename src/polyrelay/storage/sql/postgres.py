"""PostgreSQL by asyncpg."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import asyncpg

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage.sql.transaction import Conflict, DatabaseAway, Row, Violation, Work

T = TypeVar("T")

CONNECTIONS = 4
"""Of each process. Requests use none; the settler, escrow and administration share these."""

CONNECT_SECONDS = 5.0
"""For a connection, made or waited for. A server on the same network takes milliseconds."""

STATEMENT_SECONDS = 10.0
"""For one statement, told to the server as well. Every list and report is meant to take a tenth of a second, and locks
are held for milliseconds; so what takes longer hangs."""

IDLE_SECONDS = 10.0
"""After which the server undoes a transaction that nothing is heard of: its worker is cut off, and holds up others."""

TRIES = 8
"""Of a transaction that the server undid to let another one pass. Each of them lets at least one pass."""

BACKOFF_SECONDS = 0.01
"""The longest pause before the second try; it doubles with each. Pauses are drawn at random, so that rivals part."""

_AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,  # another process has changed the tables
)
_AWAY = (
    OSError,  # a TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_LOGIN = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


class PostgresDatabase:
    """A pool of few connections for each event loop that uses it, made on first use.

    Writes are `READ COMMITTED`, so they lock what they decide on: by one conditional UPDATE, or by SELECT FOR UPDATE.
    """

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str, statement_seconds: float | None = None) -> None:
        """Connects when first used. `statement_seconds` instead of STATEMENT_SECONDS."""
        self._url = url
        self._statement_seconds = STATEMENT_SECONDS if statement_seconds is None else statement_seconds
        self.place = _place(url)
        self._pools: dict[asyncio.AbstractEventLoop, asyncio.Task[Any]] = {}

    async def write(self, work: Work[T], /) -> T:
        """See `Database`."""
        return await self._insist(work, read_only=False)

    async def read(self, work: Work[T], /) -> T:
        """See `Database`."""
        return await self._insist(work, read_only=True)

    async def close(self) -> None:
        """See `Database`. That is, those of the running loop; each loop closes its own."""
        making = self._pools.pop(asyncio.get_running_loop(), None)
        if making is not None:
            await (await making).close()

    async def _insist(self, work: Work[T], *, read_only: bool) -> T:
        """Try again what the server undid to let another transaction pass."""
        for attempt in range(TRIES):
            try:
                return await self._once(work, read_only=read_only)
            except _AGAIN as error:
                if attempt == TRIES - 1:
                    raise DatabaseAway(f"the transaction gave way {TRIES} times: {error.args[0]}") from error
            # Rivals need different pauses, not secret ones.
            await asyncio.sleep(random.uniform(0, BACKOFF_SECONDS * 2**attempt))  # noqa: S311
        raise AssertionError

    async def _once(self, work: Work[T], *, read_only: bool) -> T:
        isolation = "repeatable_read" if read_only else "read_committed"
        with _faults():
            async with (
                self._connection() as connection,
                connection.transaction(isolation=isolation, readonly=read_only),
            ):
                return await work(PostgresTx(connection))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """One of the pool's. After a fault of the line it is dropped, because the server may still be busy with it."""
        pool = await asyncio.shield(self._pool())
        connection = await pool.acquire(timeout=CONNECT_SECONDS)
        try:
            yield connection
        except (OSError, asyncio.CancelledError, asyncpg.InternalClientError):
            connection.terminate()
            raise
        finally:
            await pool.release(connection, timeout=CONNECT_SECONDS)

    def _pool(self) -> asyncio.Task[Any]:
        loop = asyncio.get_running_loop()
        making = self._pools.get(loop)
        if making is None:
            making = self._pools[loop] = loop.create_task(_new_pool(self._url, self._statement_seconds))
        return making


async def _new_pool(url: str, statement_seconds: float) -> Any:
    """A pool that connects when it is asked to, and so not yet."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=CONNECTIONS,
        timeout=CONNECT_SECONDS,
        command_timeout=statement_seconds,
        server_settings={
            "application_name": "polyrelay",
            "timezone": "UTC",
            "statement_timeout": _millis(statement_seconds),
            "idle_in_transaction_session_timeout": _millis(IDLE_SECONDS),
        },
        reset=_keep,
    )


class PostgresTx:
    """An open transaction."""

    __slots__ = ("_connection",)

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """See `Tx`."""
        rows: Sequence[Row] = await self._connection.fetch(sql, *args)
        return rows

    async def execute(self, sql: str, *args: Any) -> int:
        """See `Tx`."""
        status: str = await self._connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """See `Tx`."""
        await self._connection.executemany(sql, rows)

    async def now(self) -> float:
        """See `Tx`."""
        seconds: float = await self._connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        return seconds


def _millis(seconds: float) -> str:
    return str(round(seconds * 1000))


async def _keep(_connection: Any) -> None:
    """Nothing to reset: transactions here leave no session state, and asyncpg's own way costs a round trip."""


@contextmanager
def _faults() -> Iterator[None]:
    """Errors of asyncpg as ours. Those that only a defect can cause stay what they are, and so do `_AGAIN`."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise _violation(error) from error
    except _LOGIN as error:
        raise ConfigurationError(f"[database] url: the server refuses: {error}.") from error
    except asyncpg.DataError:
        raise
    except _AWAY as error:
        raise DatabaseAway(f"the database cannot be used now: {str(error) or 'no answer in time'}") from error


def _violation(error: Any) -> Violation:
    message, constraint = str(error.args[0]), error.constraint_name or ""
    if error.sqlstate == asyncpg.UniqueViolationError.sqlstate:
        return Conflict(message, constraint, _columns(error.detail or ""))
    return Violation(message, constraint)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _columns(detail: str) -> tuple[str, ...]:
    """From `Key (account_id, name)=(acc_1, ci) already exists.`"""
    found = re.match(r"Key \(([^)]*)\)=", detail)
    return tuple(found[1].split(", ")) if found else ()
