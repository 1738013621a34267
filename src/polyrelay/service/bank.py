"""The port to the books in the database, and what goes over it. Spoken to by background chores, never by a request.

Two adapters: `storage.bank` on SQLite or PostgreSQL, and its twin in memory. Every method is one transaction, and may
raise `BankAway` when the database cannot be reached: then it is unknown whether the transaction took place.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.ledger.meters import Meter


class BankAway(PolyrelayError):
    """The books cannot be reached now; what was asked may have been done or not."""


class LeaseLost(PolyrelayError):
    """The worker is not live: its slices are in suspense until its journal is read, or it is closed."""


class Enrolment(msgspec.Struct, frozen=True):
    """A worker at its start. `journal` is the path of its segments without their numbers, on `machine`."""

    worker: str
    machine: str
    journal: str
    pid: int


class Want(msgspec.Struct, frozen=True, gc=False):
    """What a worker lacks of one meter, in nanos: see `ledger.escrow.grant`."""

    meter: Meter
    least: int
    most: int
    cushion: int = 0


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What a want got. `left` is available to anybody after it, `escrowed` in the slices of all workers, this one's
    included: when `left + escrowed` is less than a hold, no settling in flight can make it fit.
    """

    meter: str
    amount: int
    left: int
    escrowed: int


class Row(msgspec.Struct, frozen=True, gc=False):
    """One exchange as the books keep it: usage record and charge. Columns of table `exchanges`, by their names.

    `amount` is covered by the worker's slices of every one of `meters`, `short` is to be taken from what the meters
    still have, as far as all of them have it, and written off beyond that. `amount` is None when nothing is charged.
    `usage` and `lines` are JSON.
    """

    id: str
    at: float
    account_id: str
    project_id: str | None
    key_id: str
    customer_group: str
    meters: tuple[str, ...]
    surface: str
    model: str
    channel: str | None
    status: int
    outcome: str
    attempts: int
    seconds: float
    first_token: float | None = None
    finish: str | None = None
    error: str | None = None
    label: str | None = None
    billing_group: str | None = None
    source: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    usage: str | None = None
    estimated: bool = False
    indeterminate: bool = False
    held: int = 0
    amount: int | None = None
    short: int = 0
    cost: int | None = None
    tariff: str | None = None
    tariff_version: str | None = None
    multiplier: str | None = None
    lines: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """Rows of one stretch of a journal: from `start` (exclusive end of the last one posted) to `end`, in a segment.

    A batch whose `start` is not where the bank stands was posted before, and is not posted again.
    """

    segment: int
    start: int
    end: int
    rows: Sequence[Row]


class Posted(msgspec.Struct, frozen=True):
    """Where the bank stands in the journal now, and what of the batch had to be written off, in nanos."""

    segment: int
    position: int
    written_off: int = 0


class Standing(msgspec.Struct, frozen=True):
    """A worker as the books know it: its state, and how far its journal is posted."""

    worker: str
    machine: str
    journal: str
    state: str
    segment: int
    position: int


class Bank(Protocol):
    """The books, as workers use them."""

    async def enrol(self, enrolment: Enrolment, lease: float) -> None:
        """Begin a worker: state `live`, lease of so many seconds from now by the database's clock."""
        ...

    async def renew(self, worker: str, lease: float) -> None:
        """Prolong the lease. A worker in suspense is live again: while it has its journal, nobody touched its slices.

        Raises `LeaseLost` when it is closed.
        """
        ...

    async def take(self, worker: str, wants: Sequence[Want]) -> list[Taken]:
        """Put what is wanted into the worker's slices, in spending order of each meter's pots (first to expire first,
        expired ones never), as far as there is any. Makes the pot of a budget that has none yet. Raises `LeaseLost`.
        """
        ...

    async def give_back(self, worker: str, amounts: Sequence[tuple[str, int]]) -> None:
        """Return so many nanos of each meter (by id) from the slices, expired ones first, then last to expire first."""
        ...

    async def slices(self, worker: str) -> dict[str, int]:
        """Nanos in the worker's slices by meter id: free, held, and settled but not posted."""
        ...

    async def recall(self, meters: Sequence[str]) -> None:
        """Ask every worker to give back what it holds idle of these meters."""
        ...

    async def recalled(self, since: float) -> tuple[float, list[str]]:
        """Meters recalled after `since` (a time this returned before, 0 at first), and the time to ask from next."""
        ...

    async def post(self, worker: str, batch: Batch, *, close: bool = False) -> Posted:
        """Write the rows, move what they cost out of slices and pots, and remember the position: all or nothing.

        With `close` the rest of the slices goes back and the worker ends: state `closed`. An indeterminate row of an
        exchange that was posted before is left out: power loss took its end from the journal, not from the books.
        """
        ...

    async def advance(self, worker: str, segment: int) -> None:
        """The journal goes on at the start of a new segment; every earlier one is posted."""
        ...

    async def standing(self, worker: str) -> Standing | None:
        """What is known of a worker, whatever its state; None when it never enrolled."""
        ...

    async def orphans(self) -> list[Standing]:
        """Workers not closed whose lease is over."""
        ...

    async def suspend(self, worker: str) -> None:
        """Their journal cannot be read here: keep the slices out of reach until it is. State `suspense`."""
        ...

    async def expire(self) -> int:
        """Take what is left, and not escrowed, of promotions past their end; how many nanos. What live workers hold of
        such is recalled.
        """
        ...
