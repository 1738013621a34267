"""What a transaction is, on whichever database: its statements, its rows and its faults.

SQL text is the same on both: `$1, $2, ...` for values, and nothing that only one of them understands (or two texts,
chosen by `Tx.dialect`). Values are str, int, float, bytes and None. PostgreSQL answers `sum()` over integers as a
Decimal, so wrap it in `int()`.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from polyrelay.kernel.errors import PolyrelayError

Dialect = Literal["sqlite", "postgresql"]

T = TypeVar("T")


class DatabaseFault(PolyrelayError):
    """A transaction failed, and nothing of it was kept (but see `DatabaseAway`)."""


class DatabaseAway(DatabaseFault):
    """The database cannot be used now: gone, locked, full, read-only or too slow. Waiting may cure it.

    When the connection was lost while committing, the transaction may have been kept; so what is tried again must be
    recognisable (an id made beforehand, an idempotency key, a position).
    """


class Violation(DatabaseFault):
    """A constraint of the schema forbids it. `constraint` is its name; empty when the database does not tell."""

    def __init__(self, message: str, constraint: str = "") -> None:
        super().__init__(message)
        self.constraint = constraint


class Conflict(Violation):
    """Something unique exists already. `columns` are those that must be unique, without their table."""

    def __init__(self, message: str, constraint: str = "", columns: tuple[str, ...] = ()) -> None:
        super().__init__(message, constraint)
        self.columns = columns


class Row(Protocol):
    """One row; its values are read by the name of the column."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column. Raises KeyError or IndexError for another name."""
        ...

    def keys(self) -> Iterable[str]:
        """The names of the columns."""
        ...


class Tx(Protocol):
    """An open transaction. After an error it is over: let the error pass, and handle it outside."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL is understood."""
        ...

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """All rows of a query, or of a statement with RETURNING."""
        ...

    async def execute(self, sql: str, *args: Any) -> int:
        """Run one statement; how many rows it inserted, updated or deleted."""
        ...

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of values, in one go."""
        ...

    async def now(self) -> float:
        """The database's own time, Unix seconds: the one clock that all workers share."""
        ...


Work = Callable[[Tx], Coroutine[Any, Any, T]]
"""What happens within a transaction. It awaits only its `Tx`, and has no other effects, because it may run again when
the database asks for that, and in another thread."""


class Database(Protocol):
    """An open database, for any event loop of this process."""

    @property
    def place(self) -> str:
        """Where it is, for messages: never with a password."""
        ...

    @property
    def dialect(self) -> Dialect:
        """Which SQL is understood."""
        ...

    async def write(self, work: Work[T], /) -> T:
        """Run `work` in a transaction that is kept when it returns and undone when it raises.

        Raises:
            Conflict: something unique exists already.
            Violation: another constraint of the schema forbids it.
            DatabaseAway: the database cannot be used now.
        """
        ...

    async def read(self, work: Work[T], /) -> T:
        """Run `work`, which changes nothing, on one consistent view. Waits for no writer. Raises `DatabaseAway`."""
        ...

    async def close(self) -> None:
        """Close every connection. What is under way ends first."""
        ...
