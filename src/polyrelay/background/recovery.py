"""Brings the journals of dead workers into the books: whoever gets their lock does it, in one transaction."""

import asyncio
import logging
from collections.abc import Callable

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.ledger import entries
from polyrelay.service.bank import Bank, BankAway, Batch, Row, Standing
from polyrelay.service.journals import Estate, Journals
from polyrelay.service.posting import Transcript

logger = logging.getLogger(__name__)

CLOSED = "closed"
LIVE = "live"


class Recovery:
    """Adopts what is left behind on this machine, and puts out of reach what others left elsewhere.

    `machine` is the name under which workers of this one enrol.
    """

    def __init__(self, bank: Bank, journals: Journals, transcript: Callable[[], Transcript], machine: str) -> None:
        self._bank = bank
        self._journals = journals
        self._new_transcript = transcript
        self._machine = machine
        self._damaged: set[str] = set()

    async def run(self) -> int:
        """One look; how many workers were brought to their end. Raises `BankAway`."""
        count = 0
        estates = self._journals.estates()
        while (estate := await asyncio.to_thread(next, estates, None)) is not None:
            try:
                count += await self._settle(estate)
            finally:
                estate.close()
        for orphan in await self._bank.orphans():
            if await self._never_began(orphan):
                await self._bank.post(
                    orphan.worker, Batch(orphan.segment, orphan.position, orphan.position, []), close=True
                )
            elif orphan.state == LIVE:
                logger.warning("worker %s on %s lost its lease; its slices are kept", orphan.worker, orphan.machine)
                await self._bank.suspend(orphan.worker)
        return count

    async def _never_began(self, orphan: Standing) -> bool:
        """Whether it enrolled from here so late that it had given up: it has neither a journal nor money."""
        if orphan.machine != self._machine or orphan.journal != self._journals.path(orphan.worker):
            return False
        if await asyncio.to_thread(self._journals.has, orphan.worker):
            return False
        return not await self._bank.slices(orphan.worker)

    async def _settle(self, estate: Estate) -> bool:
        standing = await self._bank.standing(estate.worker)
        if standing is None or standing.state == CLOSED:
            estate.remove()
            return False
        if estate.worker in self._damaged:
            return False
        try:
            rows, end = await asyncio.to_thread(self._read, estate, standing)
            await self._bank.post(estate.worker, Batch(standing.segment, standing.position, end, rows), close=True)
        except BankAway:
            raise
        except (PolyrelayError, ValueError) as error:
            self._damaged.add(estate.worker)
            logger.error("the journal of worker %s is kept, and so are its slices: %s", estate.worker, error)  # noqa: TRY400
            return False
        estate.remove()
        doubtful = sum(row.indeterminate for row in rows)
        logger.warning(
            "worker %s had died: %d exchanges posted from its journal, %d of them had no end",
            estate.worker,
            len(rows),
            doubtful,
        )
        return True

    def _read(self, estate: Estate, standing: Standing) -> tuple[list[Row], int]:
        """The rows that are not posted yet, and where the journal ends."""
        transcript, rows = self._new_transcript(), list[Row]()
        posted = (standing.segment, standing.position)
        end = standing.position
        for segment, frames in estate.segments():
            for end, payload in frames:
                row = transcript.row(entries.decode(payload))
                if row is not None and (segment, end) > posted:
                    rows.append(row)
        rows.extend(transcript.unresolved())
        return rows, end
