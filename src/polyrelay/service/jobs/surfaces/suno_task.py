"""Songs as tasks, in the envelope that new-api's clients know."""

import asyncio

from polyrelay.access.principal import Principal
from polyrelay.kernel.errors import Refusal
from polyrelay.service.jobs.inquiry import Inquiry
from polyrelay.service.jobs.surfaces.reception import Reception
from polyrelay.service.jobs.surfaces.songs import ALL, Allowance, Songs
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno.task import surface


class SunoTask(Songs):
    """Implements `visit.Surface`."""

    prefixes = ("/suno",)

    def __init__(self, reception: Reception, inquiry: Inquiry, allowance: Allowance) -> None:
        super().__init__("suno_task", reception, inquiry, allowance)
        self.routes = (
            Route("POST", "/submit/(?P<action>[^/]+)/?", self._submit),
            Route("POST", "/fetch/?", self._fetch),
            Route("GET", "/fetch/(?P<id>[^/]+)/?", self._fetch_one),
            Route("GET", "/account/?", self._account),
        )

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        del visit
        return surface.refuse(refusal)

    async def _submit(self, visit: Visit, holder: Principal) -> Answer:
        job = await self.take_on(visit, holder, surface.read_submit(visit.names["action"], visit.body))
        return surface.submitted(await self.reception.song(holder, job))

    async def _fetch(self, visit: Visit, holder: Principal) -> Answer:
        asked = surface.read_fetch(visit.body)
        found = await self.reception.jobs(holder, asked.ids, ALL)
        views = await self.reception.songs(holder, found)
        # A thousand take 60 ms: not on the loop, where answers stream.
        return await asyncio.to_thread(surface.fetched, views, asked)

    async def _fetch_one(self, visit: Visit, holder: Principal) -> Answer:
        return surface.fetched_one(await self.one(holder, visit.names["id"], ALL, "task"))

    async def _account(self, visit: Visit, holder: Principal) -> Answer:
        del visit
        return surface.account(await self.left(holder), self.reception.now_ms() // 1000)
