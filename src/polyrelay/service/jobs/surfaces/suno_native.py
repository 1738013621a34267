"""Songs in the words of the studio API, under the paths of seed 003 and under those of SunoAI's server."""

from collections.abc import Sequence
from functools import partial

from polyrelay.access.principal import Principal
from polyrelay.kernel.errors import Refusal
from polyrelay.service.jobs.inquiry import Inquiry
from polyrelay.service.jobs.surfaces.reception import Reception
from polyrelay.service.jobs.surfaces.songs import CLIPS_PER_SONG, LYRICS, SONGS, Allowance, Read, Songs
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno.native import surface
from polyrelay.wire.suno.requests import FeedQuery


class SunoNative(Songs):
    """Implements `visit.Surface`."""

    prefixes: Sequence[str] = ("/v1/suno/api",)

    def __init__(self, reception: Reception, inquiry: Inquiry, allowance: Allowance) -> None:
        super().__init__("suno_native", reception, inquiry, allowance)
        self.routes = self._routes()

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        del visit
        return surface.refuse(refusal)

    def _routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/generate/v2/?", partial(self._submit, surface.read_generate)),
            Route("POST", "/generate/concat/v2/?", partial(self._submit, surface.read_concat)),
            Route("POST", "/generate/lyrics/?", partial(self._submit, surface.read_lyrics)),
            Route("POST", "/edit/stems/(?P<id>[^/]+)/?", self._stems),
            Route("GET", "/generate/lyrics/(?P<id>[^/]+)/?", self._lyrics),
            Route("GET", "/feed/?", self._feed),
            Route("GET", "/feed/v2/?", self._feed_v2),
            Route("GET", "/clip/(?P<id>[^/]+)/?", self._clip),
            Route("GET", "/gen/(?P<id>[^/]+)/aligned_lyrics/v2/?", self._aligned),
            Route("GET", "/billing/info/?", self._billing),
        )

    async def _submit(self, read: Read, visit: Visit, holder: Principal) -> Answer:
        job = await self.take_on(visit, holder, read(visit.body))
        return surface.submitted(await self.reception.song(holder, job))

    async def _stems(self, visit: Visit, holder: Principal) -> Answer:
        return await self._submit(lambda body: surface.read_stems(body, visit.names["id"]), visit, holder)

    async def _feed(self, visit: Visit, holder: Principal) -> Answer:
        return await self._fed(holder, surface.read_feed(visit.query))

    async def _fed(self, holder: Principal, query: FeedQuery) -> Answer:
        return surface.feed(await self.page(holder, query), query.ids)

    async def _feed_v2(self, visit: Visit, holder: Principal) -> Answer:
        query = surface.read_feed(visit.query)
        total = 0 if query.ids else CLIPS_PER_SONG * await self.reception.count(holder, SONGS)
        return surface.feed_v2(await self.page(holder, query), query, total)

    async def _clip(self, visit: Visit, holder: Principal) -> Answer:
        name = visit.names["id"]
        return surface.clip(await self.one(holder, name, SONGS, "clip"), name)

    async def _lyrics(self, visit: Visit, holder: Principal) -> Answer:
        return surface.lyrics(await self.one(holder, visit.names["id"], LYRICS, "lyrics"))

    async def _aligned(self, visit: Visit, holder: Principal) -> Answer:
        return surface.aligned(await self.aligned(visit, holder, visit.names["id"]))

    async def _billing(self, visit: Visit, holder: Principal) -> Answer:
        del visit
        return surface.billing(await self.left(holder))


class SunoPlain(SunoNative):
    """The same answers at the paths of SunoAI-API and of vendors that imitate it (WIRE 2.4).

    It shares `/suno` with the tasks, which have other paths there.
    """

    prefixes = ("/suno", "/sunoapi")

    def _routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/generate/?", partial(self._submit, surface.read_generate)),
            Route("POST", "/generate/description-mode/?", partial(self._submit, surface.read_described)),
            Route("POST", "/generate/concat/?", partial(self._submit, surface.read_concat)),
            Route("POST", "/generate/lyrics/?", partial(self._submit, surface.read_lyrics)),
            Route("GET", "/lyrics/(?P<id>[^/]+)/?", self._lyrics),
            Route("GET", "/feed/(?P<ids>[^/]+)/?", self._feed_of),
            Route("GET", "/get_credits/?", self._credits),
        )

    async def _feed_of(self, visit: Visit, holder: Principal) -> Answer:
        return await self._fed(holder, surface.read_feed_of(visit.names["ids"]))

    async def _credits(self, visit: Visit, holder: Principal) -> Answer:
        del visit
        return surface.limit(await self.left(holder))
