"""Composes the books of one process: bank, journal, treasury, and what runs beside them."""

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from polyrelay.background.periodic import every_while
from polyrelay.background.recovery import Recovery
from polyrelay.background.settler import Settler
from polyrelay.background.syncing import Syncing
from polyrelay.background.teller import Bell, Host, Teller
from polyrelay.config.tariffs import zone
from polyrelay.kernel import ids
from polyrelay.metering.book import TariffBook
from polyrelay.service.bank import Bank
from polyrelay.service.posting import Transcript
from polyrelay.service.pricing import Pricing
from polyrelay.service.purses import Purses
from polyrelay.service.treasury import Treasury
from polyrelay.settings.ledger import LedgerSettings
from polyrelay.state.clock import SystemClock
from polyrelay.state.entropy import Entropy
from polyrelay.state.generation import Generation
from polyrelay.storage.journaling.journal import Sync
from polyrelay.storage.journaling.journals import JournalFolder

RECOVER_SECONDS = 2.0
"""How soon a worker's death is noticed and its journal adopted."""

EXPIRE_SECONDS = 5.0
"""How late what is left of a promotion is taken back. Nobody is given any from the moment it ends; what a worker has of
it is recalled then."""

SWITCH_SECONDS = 0.0005
"""How long the thread that posts may keep the event loop waiting; Python's own 5 ms would show in every stream."""


class Books:
    """The books of one worker. `treasury` takes holds while `running` lasts."""

    def __init__(
        self, bank: Bank, data: Path, settings: LedgerSettings, book: TariffBook, clock: SystemClock, shared: Generation
    ) -> None:
        self._bank = bank
        self._clock = clock
        self._shared = shared
        self.worker = ""
        """The id under which this process is known to the books, once they are `running`."""
        self._journals = JournalFolder(data, cast("Sync", settings.fsync))
        self.treasury = Treasury(
            Pricing(book),
            Purses(zone),
            clock,
            wake=lambda: self._teller.wake(),  # noqa: PLW0108 - made below, and it needs the treasury
            unsynced=(lambda: self._syncing.ask()) if settings.fsync == "always" else None,  # noqa: PLW0108 - as above
        )
        self._settler = Settler(self.treasury, bank, self._journals, _transcript)
        self._syncing = Syncing(self.treasury, self._settler, settings.fsync_interval_seconds)
        host = Host(platform.node(), os.getpid(), settings.lease_seconds)
        bell = Bell(shared.reader("recall"), lambda: shared.bump("recall"))
        self._teller = Teller(self.treasury, bank, self._settler, clock, host, bell)
        self._recovery = Recovery(bank, self._journals, _transcript, host.machine)

    @property
    def unready(self) -> tuple[str, ...]:
        """Why no request can be paid for now; empty when it can."""
        if self.treasury.jammed is not None:
            return (f"the journal cannot be written: {self.treasury.jammed}",)
        if self._clock.monotonic() >= self.treasury.lease_until:
            return ("the books cannot be reached",)
        if self.treasury.starving:
            return ("the books cannot be written, and what was set apart of some account is used up",)
        return ()

    async def recall(self, meters: Sequence[str]) -> None:
        """Make every worker give back what it holds idle of meters, by their ids. Raises `BankAway`."""
        await self._bank.recall(meters)
        self._shared.bump("recall")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring what others left behind into the books, and keep them until the block ends, when no exchange is open.

        Raises `PolyrelayError` when they cannot be opened.
        """
        sys.setswitchinterval(SWITCH_SECONDS)
        await self._recovery.run()
        self.worker = ids.stamped("wk_", int(self._clock.wall() * 1000), Entropy()(ids.ENTROPY_BYTES))
        await self._teller.open(self.worker, self._journals)
        teller = asyncio.create_task(self._teller.run())
        chores = [asyncio.create_task(chore) for chore in self._chores()]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            self._teller.stop()
            await asyncio.gather(teller, *chores, return_exceptions=True)
            await self._teller.close()

    def _chores(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self._syncing.run(),
            every_while(RECOVER_SECONDS, self._recovery.run),
            every_while(EXPIRE_SECONDS, self._bank.expire),
        ]


def _transcript() -> Transcript:
    return Transcript(zone)
