"""Fetches what jobs made, and deletes it when its time is over."""

import logging
from collections.abc import Callable, Sequence

import msgspec

from polyrelay.access.destinations import BadDestination
from polyrelay.background.crew import Crew
from polyrelay.jobs.artefacts import Artefact, File, State
from polyrelay.kernel.clock import Clock
from polyrelay.service.artefacts.fetching import Fetcher, Unfit
from polyrelay.service.artefacts.ports import ArtefactStore, Place, PlaceAway
from polyrelay.service.outside import TooLong, Unreachable
from polyrelay.settings.artefacts import ArtefactSettings

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
"""Longer than fetching may take: for the database, and a loop that is held up."""

GROWTH = 3.0
"""Each delay is so many times the one before."""

SWEPT_JOBS = 200
"""Deleted in one transaction."""

SWEEPS = 50
"""Of one round at most; the next round goes on."""

_DAY_SECONDS = 86400.0
_LONGEST_ERROR = 300


class Collecting:
    """One process's part of the fetching. `settings` are those in force."""

    def __init__(
        self,
        store: ArtefactStore,
        fetcher: Fetcher,
        settings: Callable[[], ArtefactSettings],
        clock: Clock,
        done: Callable[[], None],
    ) -> None:
        """`done` is called when there is nothing left to wait for of some thing."""
        self._store = store
        self._fetcher = fetcher
        self._settings = settings
        self._clock = clock
        self._tell_done = done
        self._crew = Crew("artefacts", lambda: settings().concurrency, self._claim, self._collect)

    def nudge(self) -> None:
        """A job has succeeded."""
        self._crew.nudge()

    async def run(self) -> None:
        """Until cancelled."""
        await self._crew.run()

    async def _claim(self, limit: int, _under_way: Sequence[Artefact]) -> Sequence[Artefact]:
        return await self._store.claim(limit, self._settings().timeout_seconds + LEASE_SECONDS)

    async def _collect(self, artefact: Artefact) -> None:
        settings = self._settings()
        if artefact.attempts > settings.attempts:
            await self._give_up(artefact, "no attempt came to an end", settings)
            return
        try:
            file = await self._fetcher.fetch(artefact, settings)
        except (Unfit, BadDestination, TooLong) as reason:
            await self._give_up(artefact, str(reason), settings)
        except (Unreachable, PlaceAway) as reason:
            await self._put_off(artefact, str(reason), settings)
        else:
            await self._keep(artefact, file, settings)

    async def _keep(self, artefact: Artefact, file: File, settings: ArtefactSettings) -> None:
        now, place = self._clock.wall(), self._fetcher.place
        kept = msgspec.structs.replace(artefact, state=State.STORED, file=file, place=place, stored_at=now)
        await self._end(kept, None, settings)

    async def _put_off(self, artefact: Artefact, reason: str, settings: ArtefactSettings) -> None:
        if artefact.attempts >= settings.attempts:
            await self._give_up(artefact, reason, settings)
            return
        delay = settings.first_delay_seconds * GROWTH ** min(artefact.attempts - 1, 64)
        await self._store.conclude(artefact, self._clock.wall() + delay, reason[:_LONGEST_ERROR])

    async def _give_up(self, artefact: Artefact, reason: str, settings: ArtefactSettings) -> None:
        await self._end(msgspec.structs.replace(artefact, state=State.FAILED), reason[:_LONGEST_ERROR], settings)
        logger.warning("%s of job %s is not kept: %s", artefact.slot, artefact.job, reason)

    async def _end(self, artefact: Artefact, error: str | None, settings: ArtefactSettings) -> None:
        """Its row goes when its time is over, whatever came of it."""
        days = settings.retention_days
        expires = self._clock.wall() + days * _DAY_SECONDS if days else None
        await self._store.conclude(msgspec.structs.replace(artefact, expires_at=expires), None, error)
        self._tell_done()


async def sweep(store: ArtefactStore, places: Sequence[Place], draft_seconds: float) -> None:
    """Delete what jobs made whose time is over, and drafts of dead processes that are older than `draft_seconds`.

    Files first: a row without its file is swept again, a file without its row would be there for ever.
    """
    for _ in range(SWEEPS):
        over = await store.expired(SWEPT_JOBS)
        for job in over:
            for place in places:
                await place.delete(job)
        await store.forget(over)
        if len(over) < SWEPT_JOBS:
            break
    for place in places:
        await place.tidy(draft_seconds)
