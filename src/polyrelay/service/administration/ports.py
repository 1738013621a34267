"""What administration needs of the outside world: rows, money and secrets.

A `Session` is one transaction. What runs within it awaits nothing else, because it may be run again.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Record = dict[str, Any]
"""A row by the names of its columns; see `storage.schema`."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kind(StrEnum):
    """The tables that administration reads and writes; the value is the table's name."""

    ACCOUNTS = "accounts"
    PROJECTS = "projects"
    KEYS = "keys"
    BUDGETS = "budgets"
    GROUPS = "customer_groups"
    TARIFFS = "tariffs"
    CHANNELS = "channels"
    CREDENTIALS = "credentials"
    TOKENS = "admin_tokens"
    AUDIT = "audit_log"
    IDEMPOTENCY = "idempotency"
    TRANSFERS = "transfers"
    EXCHANGES = "exchanges"
    DELIVERIES = "webhook_deliveries"
    ATTEMPTS = "webhook_attempts"


KEY_COLUMNS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(Kind, ("id",)),
        Kind.GROUPS: ("name",),
        Kind.CHANNELS: ("name",),
        Kind.TARIFFS: ("id", "version"),
        Kind.IDEMPOTENCY: ("actor", "key"),
        Kind.ATTEMPTS: ("delivery_id", "number"),
    }
)
"""What identifies a row, and orders lists."""


@dataclass(frozen=True, slots=True)
class Query:
    """Rows whose columns are `where` (equal), at least `since` and below `until`, in the order of their key.

    A page begins behind the key `after`; an empty one is the first page. `offset` rows are passed over, then come
    `limit` at most, all of them when None.
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    since: Mapping[str, Any] = field(default_factory=dict)
    until: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    limit: int | None = None
    offset: int = 0
    newest_first: bool = False


class Taken(Exception):
    """Something unique exists already; `columns` are those that must be unique, empty when the store cannot tell."""

    def __init__(self, columns: tuple[str, ...] = ()) -> None:
        super().__init__(", ".join(columns))
        self.columns = columns


class Rows(Protocol):
    """The tables of `Kind`."""

    async def now(self) -> float:
        """The database's time, Unix seconds."""
        ...

    async def get(self, kind: Kind, *key: str, lock: bool = False) -> Record | None:
        """The row of that key; locked until the transaction ends when it is going to be changed."""
        ...

    async def find(self, kind: Kind, query: Query) -> Sequence[Record]:
        """The rows of a query."""
        ...

    async def insert(self, kind: Kind, values: Record) -> None:
        """A new row. Raises `Taken`, at the latest from `Office.write`."""
        ...

    async def claim(self, kind: Kind, values: Record) -> bool:
        """A new row; False, and nothing done, when its key is taken. Waits for a rival that is inserting the same."""
        ...

    async def update(self, kind: Kind, key: Sequence[str], values: Record) -> None:
        """Change columns of the row of that key."""
        ...

    async def delete(self, kind: Kind, *key: str) -> None:
        """Remove the row of that key."""
        ...

    async def stamp_keys(self, scope: str, name: str) -> None:
        """Tell every relay that the keys of an `account`, `project` or `group`, or one `key`, may now do other things.

        Keys that are revoked are left out, so one that is being revoked is stamped first.
        """
        ...

    async def stamp_configuration(self) -> None:
        """Tell every relay that tariffs, groups or channels kept in the database have changed."""
        ...


@dataclass(frozen=True, slots=True)
class Movement:
    """A transfer as the books have it; `amount` in nanos."""

    id: str
    at: float
    kind: str
    debit: str
    credit: str
    amount: int
    account: str | None
    exchange: str | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """Who moves money, why, and under which idempotency key, unique among all transfers."""

    actor: str
    reason: str
    key: str


@dataclass(frozen=True, slots=True)
class Gift:
    """What is left of promotion credit, and until when (Unix seconds)."""

    left: int
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Funds:
    """An account's money in nanos: `available` with the overdraft, `escrowed` for requests in flight, `own` in all."""

    available: int
    escrowed: int
    own: int
    overdraft: int
    promotions: tuple[Gift, ...] = ()


@dataclass(frozen=True, slots=True)
class Spending:
    """Of one meter, in nanos."""

    spent: int
    escrowed: int


class Money(Protocol):
    """Balanced transfers, amounts in nanos. Every call raises `ledger.transfer.TransferRefused` and its kinds."""

    async def topup(self, account: str, amount: int, purpose: Purpose) -> Movement:
        """Money paid in."""
        ...

    async def promote(self, account: str, amount: int, expires_at: float, purpose: Purpose) -> Movement:
        """Credit that ends at `expires_at` (Unix seconds)."""
        ...

    async def adjust(self, account: str, amount: int, purpose: Purpose) -> Movement:
        """Put right: negative takes."""
        ...

    async def refund(self, exchange: str, amount: int, purpose: Purpose) -> Movement:
        """Give a charge, or a part of it, back."""
        ...

    async def set_overdraft(self, account: str, overdraft: int) -> None:
        """How far below zero the wallet may go."""
        ...

    async def set_limit(self, meter: str, limit: int) -> None:
        """A budget's amount, in a period that has begun."""
        ...

    async def funds(self, account: str) -> Funds:
        """What an account has."""
        ...

    async def spending(self, meter: str) -> Spending:
        """What was spent of a budget in one period."""
        ...


class By(StrEnum):
    """What usage is added up by."""

    HOUR = "hour"
    DAY = "day"
    MODEL = "model"
    ACCOUNT = "account"
    PROJECT = "project"
    KEY = "key"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Totals:
    """Usage of one group; money in nanos, `seconds` added up over requests."""

    group: Mapping[str, str]
    requests: int
    failures: int
    input_tokens: int
    output_tokens: int
    amount: int
    cost: int
    write_off: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Span:
    """What of the usage: whole hours since the epoch, `first` to before `end`; `where` by name of `By`."""

    first: int
    end: int
    where: Mapping[str, str] = field(default_factory=dict)


class Reports(Protocol):
    """Sums over usage."""

    async def totals(self, span: Span, by: Sequence[By], limit: int) -> Sequence[Totals]:
        """At most `limit` groups, in the order of their names."""
        ...


class Session(Rows, Money, Reports, Protocol):
    """One transaction."""


Work = Callable[[Session], Coroutine[Any, Any, T]]


class Office(Protocol):
    """Runs work in transactions."""

    async def read(self, work: Work[T]) -> T:
        """On one consistent view; raises `Away`."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Kept when it returns, undone when it raises. Raises `Taken` and `Away`."""
        ...


class Away(Exception):
    """The database cannot be used now."""


class Secrets(Protocol):
    """The server's own secrets."""

    def current(self) -> tuple[str, bytes]:
        """Id and value of the secret that new keys are hashed under."""
        ...

    def all(self) -> Mapping[str, bytes]:
        """Every secret that hashes may have been made under, by id."""
        ...

    def seal(self, plaintext: str, row: str) -> str:
        """`plaintext` encrypted for the row with the id `row`."""
        ...
