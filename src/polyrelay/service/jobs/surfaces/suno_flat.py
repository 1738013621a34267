"""Songs in the flat words of the `/api/generate` family."""

from collections.abc import Awaitable, Callable
from functools import partial

from polyrelay.access.principal import Principal
from polyrelay.exchange.job import Stage
from polyrelay.kernel.errors import Refusal, UpstreamSlow
from polyrelay.service.jobs.surfaces.reception import Reception, stage
from polyrelay.service.jobs.surfaces.songs import SONGS, Read, Songs
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno.flat import surface

CENT = 10_000_000
"""Nanos in a hundredth of the currency, which `get_limit` calls a credit (as AiToEarn does, WIRE 1.4)."""

Allowance = Callable[[Principal], Awaitable[tuple[int, int]]]
"""What a key may still spend, and what it was charged this month, in nanos."""


class SunoFlat(Songs):
    """Implements `visit.Surface`."""

    prefixes = ("/suno-api/api", "/suno-api")

    def __init__(self, reception: Reception, allowance: Allowance) -> None:
        super().__init__("suno_flat", reception)
        self._allowance = allowance
        self.routes = (
            Route("POST", "/generate/?", partial(self._submit, surface.read_generate)),
            Route("POST", "/custom_generate/?", partial(self._submit, surface.read_custom)),
            Route("POST", "/extend_audio/?", partial(self._submit, surface.read_extend)),
            Route("POST", "/concat/?", partial(self._submit, surface.read_concat)),
            Route("POST", "/generate_lyrics/?", self._lyrics),
            Route("GET", "/get/?", self._get),
            Route("GET", "/clip/?", self._clip),
            Route("GET", "/get_limit/?", self._limit),
        )

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        del visit
        return surface.refuse(refusal)

    async def _submit(self, read: Read, visit: Visit) -> Answer:
        asked = read(visit.body)
        holder, job = await self.take_on(visit, asked)
        if asked.wait:
            job = await self.reception.settled(holder, job, surface.heard, surface.WAIT_SECONDS)
        return surface.submitted(await self.reception.song(holder, job))

    async def _lyrics(self, visit: Visit) -> Answer:
        """Answered when they are written: clients of this dialect cannot ask for them later."""
        holder, job = await self.take_on(visit, surface.read_lyrics(visit.body))
        job = await self.reception.settled(holder, job, lambda view: view.stage.over, surface.WAIT_SECONDS)
        if stage(job) not in (Stage.SUCCEEDED, Stage.FAILED):
            raise UpstreamSlow(f"The lyrics are not written yet; ask for task {job.id} at /suno/fetch/{job.id}.")
        return surface.lyrics(await self.reception.song(holder, job))

    async def _get(self, visit: Visit) -> Answer:
        query = surface.read_get(visit.query)
        holder = self.reception.principal(visit)
        return surface.songs(await self.page(holder, query), query.ids)

    async def _clip(self, visit: Visit) -> Answer:
        name = surface.read_clip(visit.query)
        return surface.clip(await self.one(visit, name, SONGS, "clip"), name)

    async def _limit(self, visit: Visit) -> Answer:
        left, charged = await self._allowance(self.reception.principal(visit))
        return surface.limit(left / CENT, (left + charged) / CENT, charged / CENT, "month")
