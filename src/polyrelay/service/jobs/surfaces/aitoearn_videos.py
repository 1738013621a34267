"""Videos as AiToEarn's tasks, in its envelope."""

from polyrelay.access.principal import Principal
from polyrelay.kernel.errors import Refusal
from polyrelay.service.jobs.ports import Wanted
from polyrelay.service.jobs.surfaces.reception import Order, Reception
from polyrelay.service.jobs.surfaces.videos import VIDEOS, demand
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from polyrelay.wire.videos.aitoearn import surface


class AiToEarnVideos:
    """Implements `visit.Surface`."""

    prefixes = ("/api/ai/video/generations",)
    key_header: bytes | None = b"x-api-key"
    """WIRE 1.7."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self.routes = (
            Route("POST", "/?", self._create),
            Route("GET", "/?", self._list),
            Route("GET", "/(?P<id>[^/]+)/?", self._one),
        )

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        return surface.refuse(refusal, self._reception.now_ms(), visit.slip.shown)

    async def _create(self, visit: Visit, holder: Principal) -> Answer:
        asked = surface.read_create(visit.body)
        order = Order("aitoearn_videos", asked.ask, asked.ask.model, demand(asked.ask), asked.hook)
        job = await self._reception.submit(visit, holder, order)
        return surface.submitted((await self._reception.videos(holder, [job]))[0], visit.slip.shown)

    async def _one(self, visit: Visit, holder: Principal) -> Answer:
        job = await self._reception.job(holder, visit.names["id"], VIDEOS, what="task")
        return surface.one((await self._reception.videos(holder, [job]))[0], visit.slip.shown)

    async def _list(self, visit: Visit, holder: Principal) -> Answer:
        page = surface.read_list(visit.query)
        wanted = Wanted(page.size, offset=(page.number - 1) * page.size, kinds=VIDEOS)
        found = await self._reception.newest(holder, wanted)
        total = await self._reception.count(holder, VIDEOS)
        return surface.listed(await self._reception.videos(holder, found), page, total, visit.slip.shown)
