"""Where jobs are asked for, and asked about: what every surface that has jobs needs."""

import asyncio
import logging
from collections.abc import Collection

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.outcome import Outcome
from polyrelay.jobs.job import Job, Kind
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.bank import BankAway
from polyrelay.service.jobs.commission import Commission
from polyrelay.service.jobs.ports import Scope, Wanted
from polyrelay.service.jobs.submit import Submission
from polyrelay.service.jobs.works import Board, Works
from polyrelay.service.ports import Record
from polyrelay.service.treasury import books_away

logger = logging.getLogger(__name__)

LONGEST_PAGE = 100
"""Jobs of one page. A row has a prompt and a result: some kilobytes."""


class JobDesk:
    """One per process."""

    def __init__(self, works: Works, board: Board) -> None:
        self._works = works
        self._board = board
        self._under_way: set[asyncio.Task[Job]] = set()

    async def submit(self, commission: Commission) -> Job:
        """Take a job on: the job as an upstream accepted it, or as it ended at once.

        A caller that is cancelled, because its client left, leaves the submission to itself: the upstream may have the
        job already, so it goes on and can be asked about. Raises `errors.Refusal`, which is recorded: nobody else may
        do so, as an exchange is recorded once.
        """
        task = asyncio.ensure_future(self._submit(commission))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def find(self, principal: Principal, job: ExchangeId) -> Job | None:
        """A job of this key's account; None when it has none of that id. Raises `errors.BooksAway`."""
        return (await self.find_many(principal, [job])).get(job)

    async def find_many(self, principal: Principal, jobs: Collection[ExchangeId]) -> dict[ExchangeId, Job]:
        """Those of `jobs` that are of this key's account, by id. Raises `errors.BooksAway`.

        Of the account, not of the key alone: a key that was rotated still has its jobs.
        """
        try:
            found = await self._works.store.find(Scope(principal.account_id), jobs)
        except BankAway as error:
            raise books_away() from error
        return {job.id: job for job in found}

    async def list(self, principal: Principal, wanted: Wanted) -> list[Job]:
        """A page of this key's jobs, at most LONGEST_PAGE and one more, to see whether there is one.

        Raises `errors.BooksAway`.
        """
        page = msgspec.structs.replace(wanted, limit=min(wanted.limit, LONGEST_PAGE + 1))
        try:
            return await self._works.store.page(_scope(principal), page)
        except BankAway as error:
            raise books_away() from error

    async def count(self, principal: Principal, kinds: Collection[Kind]) -> int:
        """How many jobs of `kinds` this key has. Raises `errors.BooksAway`."""
        try:
            return await self._works.store.count(_scope(principal), kinds)
        except BankAway as error:
            raise books_away() from error

    async def close(self, seconds: float) -> None:
        """Wait so long for submissions under way; those that do not end are refunded by whoever takes them over."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _submit(self, commission: Commission) -> Job:
        submission = Submission(self._works, self._board, commission)
        began = self._works.clock.monotonic()
        try:
            return await submission.run()
        except errors.Refusal as refusal:
            if not submission.written:
                self._record(commission, refusal, self._works.clock.monotonic() - began)
            raise

    def _record(self, commission: Commission, refusal: errors.Refusal, seconds: float) -> None:
        principal, call = commission.principal, commission.call
        record = Record(
            exchange=commission.exchange,
            label=commission.label,
            surface=commission.surface,
            account=principal.account,
            key=principal.key_id,
            model=call.model,
            channel=None,
            status=refusal.status,
            outcome=Outcome.REFUSED,
            attempts=0,
            seconds=seconds,
            first_token=None,
            usage=None,
            finish=None,
            error=refusal.code,
            billing=call.billing,
        )
        self._works.refuse(record, principal)
        self._works.records.add(record)

    def _done(self, task: asyncio.Task[Job]) -> None:
        """A refusal was told to whoever waits, if anybody does."""
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, errors.Refusal):
            logger.error("a job could not be submitted", exc_info=error)


def _scope(principal: Principal) -> Scope:
    return Scope(principal.account_id, principal.key_id)
