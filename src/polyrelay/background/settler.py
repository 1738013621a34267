"""Moves a worker's journal into the books, batch by batch, and begins a new segment when one has grown long."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.ledger import entries
from polyrelay.service.bank import Bank, Batch, Row
from polyrelay.service.journals import Journals, Segment
from polyrelay.service.posting import Transcript
from polyrelay.service.treasury import Treasury

logger = logging.getLogger(__name__)

BATCH_ROWS = 256
"""Exchanges in one transaction: some milliseconds of the database's one writer."""

SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment that is longer is followed by a new one: what recovery has to read stays within a second or two."""


class Settler:
    """Posts the journal of one worker. Its methods are called by one task, one at a time, and may raise `BankAway`."""

    def __init__(
        self, treasury: Treasury, bank: Bank, journals: Journals, transcript: Callable[[], Transcript]
    ) -> None:
        self._treasury = treasury
        self._bank = bank
        self._journals = journals
        self._new_transcript = transcript
        self._reader = transcript()
        self._worker = ""
        self._segments: list[tuple[int, Segment]] = []
        self._read_to = 0
        self._posted_to = 0
        self._pending: Batch | None = None

    def open(self, worker: str, segment: Segment) -> None:
        """Begin with the first segment. Raises `PolyrelayError` when it cannot be written."""
        self._worker = worker
        self._segments = [(0, segment)]
        self._treasury.open_segment(segment)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The one that is being written, last, and those before it that are not posted yet."""
        return tuple(segment for _, segment in self._segments)

    async def resolve(self) -> None:
        """Post again what was under way when the bank went away; it is not posted twice."""
        if self._pending is not None:
            await self._send(self._pending)

    async def post(self) -> bool:
        """Post the next batch; whether there may be more. Nothing while another one is under way."""
        number, segment = self._segments[0]
        last = len(self._segments) == 1
        if self._pending is not None or (last and not self._treasury.unposted):
            return False
        rows, self._read_to = await asyncio.to_thread(self._read, segment)
        if rows:
            await self._send(Batch(number, self._posted_to, self._read_to, rows))
        if not last and self._read_to >= segment.size:
            await self._leave(segment)
            return True
        return len(rows) == BATCH_ROWS

    async def turn_page(self) -> None:
        """Begin a new segment when the present one is long. Raises `PolyrelayError` when there is no room for it."""
        number, segment = self._segments[-1]
        if segment.size < SEGMENT_BYTES or len(self._segments) > 1:
            return
        following = await asyncio.to_thread(self._journals.create, self._worker, number + 1)
        try:
            self._treasury.open_segment(following)
        except BaseException:
            following.remove()
            raise
        self._segments.append((number + 1, following))

    async def close(self) -> None:
        """Post everything and end the worker, if no exchange is open any more; else the journal waits to be adopted."""
        try:
            await self.resolve()
            while await self.post() or self._behind:
                pass
            if not len(self._treasury):
                self._treasury.close()
                await self._end(*self._segments[0])
        finally:
            self._treasury.close()
            for _, segment in self._segments:
                segment.close()

    @property
    def _behind(self) -> bool:
        """Whether something ended that was not read yet."""
        return bool(self._treasury.unposted) and self._read_to < self._segments[0][1].size

    def _read(self, segment: Segment) -> tuple[list[Row], int]:
        """Rows and where they end. Synced first: a journal that a power cut leaves shorter than what was posted of it
        would show ended exchanges as open.
        """
        with suppress(PolyrelayError):
            segment.sync()
        rows, reached = list[Row](), self._read_to
        for end, payload in segment.read(self._read_to):
            reached = end
            row = self._reader.row(entries.decode(payload))
            if row is not None:
                rows.append(row)
            if len(rows) == BATCH_ROWS:
                break
        return rows, reached

    async def _send(self, batch: Batch) -> None:
        self._pending = batch
        posted = await self._bank.post(self._worker, batch)
        self._pending = None
        self._posted_to = batch.end
        self._treasury.durable(self._segments[0][1], batch.end)
        totals: dict[str, int] = {}
        for row in batch.rows:
            for meter in row.meters if row.amount else ():
                totals[meter] = totals.get(meter, 0) + (row.amount or 0)
        self._treasury.posted(list(totals.items()), len(batch.rows))
        if posted.written_off:
            logger.error("written off, because no meter covers it: %d nanos", posted.written_off)

    async def _leave(self, segment: Segment) -> None:
        await self._bank.advance(self._worker, self._segments[1][0])
        self._segments.pop(0)
        self._read_to = self._posted_to = 0
        self._reader = self._new_transcript()
        segment.remove()

    async def _end(self, number: int, segment: Segment) -> None:
        """The last batch, empty but for holds whose end could not be written."""
        rows, end = await asyncio.to_thread(self._read, segment)
        rows.extend(self._reader.unresolved())
        await self._bank.post(self._worker, Batch(number, self._posted_to, end, rows), close=True)
        segment.remove()
