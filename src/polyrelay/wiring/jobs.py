"""Composes what handles the long jobs of one process."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from polyrelay.background.poller import Poller
from polyrelay.config.tariffs import zone
from polyrelay.service.jobs.desk import JobDesk
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.jobs.rota import Rota
from polyrelay.service.jobs.works import Board, Works
from polyrelay.service.relay import Relay
from polyrelay.wire.dialect import Dialect
from polyrelay.wiring.books import Books

DIALECTS: Mapping[str, Dialect] = MappingProxyType({})
"""Who speaks what: dialects by the name of the provider."""

CLOSE_SECONDS = 5.0
"""How long submissions may still take when no request waits for them any more."""


class Jobs:
    """The jobs of one worker. `desk` takes them on while `running` lasts, and so do the books."""

    def __init__(
        self,
        relay: Relay,
        store: JobStore,
        books: Books,
        user_agent: str,
        dialects: Mapping[str, Dialect] = DIALECTS,
    ) -> None:
        world = relay.world
        board = Board(Rota(_chance))
        works = Works(
            store=store,
            upstream=world.upstream,
            dialects=dialects,
            pricing=books.treasury.pricing,
            zones=zone,
            records=world.records,
            refuse=books.treasury.refuse,
            clock=world.clock,
            timers=world.timers,
            user_agent=user_agent,
            catalog=lambda: relay.snapshot.catalog,
            settings=lambda: relay.snapshot.settings.jobs,
            keeper=lambda: books.worker,
            recall=books.recall,
            pause=asyncio.sleep,
        )
        self.desk = JobDesk(works, board)
        self._poller = Poller(works, board)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask about jobs until the block ends; what is known of them then is written."""
        polling = asyncio.create_task(self._poller.run())
        try:
            yield
        finally:
            await self.desk.close(CLOSE_SECONDS)
            self._poller.stop()
            await polling
            await self._poller.close()


def _chance() -> float:
    """Jobs need to be apart, not unpredictable."""
    return random.uniform(-1, 1)  # noqa: S311
