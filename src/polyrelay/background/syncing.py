"""Makes the journal outlive power loss, off the event loop, as often as the operator asked for."""

import asyncio
import logging
from contextlib import suppress

from polyrelay.background.settler import Settler
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.service.journals import Segment
from polyrelay.service.treasury import Treasury

logger = logging.getLogger(__name__)


class Syncing:
    """One group commit serves everybody who waits for one."""

    def __init__(self, treasury: Treasury, settler: Settler, seconds: float) -> None:
        """`seconds` between two when nobody waits."""
        self._treasury = treasury
        self._settler = settler
        self._seconds = seconds
        self._asked = asyncio.Event()
        self._failing = False

    def ask(self) -> None:
        """An answer waits for the disk."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._seconds)
            self._asked.clear()
            for segment in self._settler.segments:
                self._treasury.durable(segment, await self._sync(segment))

    async def _sync(self, segment: Segment) -> int:
        """The offset up to which nobody need wait any more.

        When the disk fails that is the end: a crash of the process still loses nothing, and a client that waits for
        ever is served by nobody.
        """
        try:
            return await asyncio.to_thread(segment.sync)
        except PolyrelayError as error:
            if segment in self._settler.segments:  # else it is in the books, and was removed meanwhile
                if not self._failing:
                    logger.error("until a restart a power cut may lose charges: %s", error)  # noqa: TRY400
                self._failing = True
            return segment.size
