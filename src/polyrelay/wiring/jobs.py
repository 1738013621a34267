"""Composes what handles the long jobs of one process."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from polyrelay.background.poller import Poller
from polyrelay.config.tariffs import zone
from polyrelay.providers.registry import PROFILES
from polyrelay.service.jobs.desk import JobDesk
from polyrelay.service.jobs.inquiry import Inquiry
from polyrelay.service.jobs.keeping import Keeping
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.jobs.rota import Rota
from polyrelay.service.jobs.surfaces.aitoearn_videos import AiToEarnVideos
from polyrelay.service.jobs.surfaces.openai_videos import Kept, OpenAIVideos
from polyrelay.service.jobs.surfaces.reception import Reception, Shown
from polyrelay.service.jobs.surfaces.songs import Allowance
from polyrelay.service.jobs.surfaces.suno_flat import SunoFlat
from polyrelay.service.jobs.surfaces.suno_native import SunoNative, SunoPlain
from polyrelay.service.jobs.surfaces.suno_task import SunoTask
from polyrelay.service.jobs.surfaces.table import JobSurfaces
from polyrelay.service.jobs.works import Board, Works
from polyrelay.service.relay import Relay
from polyrelay.wire import dialects
from polyrelay.wire.dialect import Dialect, Keeper, Studio
from polyrelay.wiring.books import Books

_SPOKEN = {name: profile.dialect for name, profile in PROFILES.items() if profile.dialect is not None}

DIALECTS: Mapping[str, Dialect] = MappingProxyType({name: dialects.DIALECTS[word] for name, word in _SPOKEN.items()})
"""Who speaks what: dialects by the name of the provider."""

KEEPERS: Mapping[str, Keeper] = MappingProxyType(
    {name: dialects.KEEPERS[word] for name, word in _SPOKEN.items() if word in dialects.KEEPERS}
)
"""Of whom one can fetch by name what they made, by the name of the provider."""

STUDIOS: Mapping[str, Studio] = MappingProxyType(
    {name: dialects.STUDIOS[word] for name, word in _SPOKEN.items() if word in dialects.STUDIOS}
)
"""Whom one can ask about songs beside how far they are, by the name of the provider."""

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
        allowance: Allowance,
        shown: Shown,
        kept: Kept,
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
            lines=world.lines,
        )
        self.desk = JobDesk(works, board)
        self.keeping = Keeping(works, KEEPERS)
        reception, inquiry = Reception(relay, self.desk, shown), Inquiry(works, STUDIOS)
        self.surfaces = JobSurfaces(
            reception,
            (
                SunoNative(reception, inquiry, allowance),
                SunoTask(reception, inquiry, allowance),
                SunoPlain(reception, inquiry, allowance),
                SunoFlat(reception, inquiry, allowance),
                OpenAIVideos(reception, self.keeping, kept),
                AiToEarnVideos(reception),
            ),
        )
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
