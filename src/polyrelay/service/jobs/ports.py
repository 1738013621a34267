"""The port to the jobs and the money they hold, which is one transaction wherever both change.

Two adapters: `storage.jobs.store` on SQLite or PostgreSQL, and its twin in memory. Every method is one transaction, and
may raise `bank.BankAway`: then it is unknown whether the transaction took place.

A job is kept by one worker, its `keeper`, for as long as that worker's lease in the books lasts. So there is no lease
of its own to renew, and of a worker that dies the jobs are free as soon as its journal is.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import ExchangeId
from polyrelay.ledger.meters import Meter
from polyrelay.service.bank import Row, Taken


class NotCovered(PolyrelayError):
    """Meters have less than the hold; nothing was written. `lacking` tells how they stand."""

    def __init__(self, lacking: Sequence[Taken]) -> None:
        super().__init__("not covered: " + ", ".join(each.meter for each in lacking))
        self.lacking = tuple(lacking)


class Crowded(PolyrelayError):
    """The account has as many open jobs as it may; nothing was written."""


class Scope(msgspec.Struct, frozen=True):
    """Whose jobs: an account's, or those of one key of it."""

    account: str
    key: str | None = None


class Wanted(msgspec.Struct, frozen=True):
    """A page of a list: at most `limit` jobs of `kinds` (all when empty), newest first, or `oldest_first`; those behind
    job `before` in that order, and none of the first `offset` of them.
    """

    limit: int
    before: ExchangeId | None = None
    kinds: tuple[Kind, ...] = ()
    offset: int = 0
    oldest_first: bool = False


class JobStore(Protocol):
    """The jobs. Money moves as `jobs.lifecycle` says, in the transaction that changes the state."""

    async def create(self, job: Job, meters: Sequence[Meter], most_open: int) -> None:
        """Write a new job, and set `job.held` aside in each of `meters`, all or nothing.

        At most `most_open` open jobs of the account, 0 for any number. Raises `NotCovered`, `Crowded`, and
        `bank.LeaseLost` when the keeper is not live.
        """
        ...

    async def accept(self, job: Job) -> bool:
        """Write what its upstream made of it; False when it is not in submission any more."""
        ...

    async def note(self, keeper: str, jobs: Sequence[Job]) -> None:
        """Write how far they are, those that are open and still kept by `keeper`. No money moves."""
        ...

    async def end(self, job: Job, event: Event, row: Row) -> bool:
        """Write that `event` ended the job, post `row`, its exchange, and give the rest of the hold back.

        False, and nothing is written, when the job is in no state in which that can happen: somebody else ended it.
        """
        ...

    async def unwatch(self, job: Job) -> bool:
        """Write that nobody is to look any more at a job that was given up, and when it had succeeded after all.

        False when that is written already, or it is no such job.
        """
        ...

    async def claim(self, keeper: str, limit: int) -> list[Job]:
        """Take over jobs that are to be looked at and whose keeper is not live: at most `limit`, the oldest first.

        None while `keeper` itself is not live. No job goes to two keepers.
        """
        ...

    async def kept(self, keeper: str) -> set[ExchangeId]:
        """Those of its jobs that are to be looked at."""
        ...

    async def load(self, ids: Collection[ExchangeId]) -> list[Job]:
        """Jobs by their ids, in any state, in no order; those that are not there are left out."""
        ...

    async def find(self, scope: Scope, ids: Collection[ExchangeId]) -> list[Job]:
        """As `load`, but those in `scope` alone, and none that was refused or is hidden."""
        ...

    async def page(self, scope: Scope, wanted: Wanted) -> list[Job]:
        """A page of the jobs in `scope`, without those that were refused or are hidden."""
        ...

    async def count(self, scope: Scope, kinds: Collection[Kind]) -> int:
        """How many jobs of `kinds` there are on all its pages."""
        ...

    async def hide(self, job: ExchangeId) -> None:
        """Show a job that is over no more, wherever its client looks, and let go of what is kept of it. Again is no
        error.
        """
        ...
