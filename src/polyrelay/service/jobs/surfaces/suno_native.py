"""Songs in the words of the studio API, under the paths of seed 003."""

from functools import partial

from polyrelay.kernel.errors import Refusal
from polyrelay.service.jobs.surfaces.reception import Reception
from polyrelay.service.jobs.surfaces.songs import CLIPS_PER_SONG, LYRICS, SONGS, Read, Songs
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno.native import surface


class SunoNative(Songs):
    """Implements `visit.Surface`."""

    prefixes = ("/v1/suno/api",)

    def __init__(self, reception: Reception) -> None:
        super().__init__("suno_native", reception)
        self.routes = (
            Route("POST", "/generate/v2/?", partial(self._submit, surface.read_generate)),
            Route("POST", "/generate/concat/v2/?", partial(self._submit, surface.read_concat)),
            Route("POST", "/generate/lyrics/?", partial(self._submit, surface.read_lyrics)),
            Route("GET", "/generate/lyrics/(?P<id>[^/]+)/?", self._lyrics),
            Route("GET", "/feed/?", self._feed),
            Route("GET", "/feed/v2/?", self._feed_v2),
            Route("GET", "/clip/(?P<id>[^/]+)/?", self._clip),
        )

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        del visit
        return surface.refuse(refusal)

    async def _submit(self, read: Read, visit: Visit) -> Answer:
        holder, job = await self.take_on(visit, read(visit.body))
        return surface.submitted(await self.reception.song(holder, job))

    async def _feed(self, visit: Visit) -> Answer:
        query = surface.read_feed(visit.query)
        holder = self.reception.principal(visit)
        return surface.feed(await self.page(holder, query), query.ids)

    async def _feed_v2(self, visit: Visit) -> Answer:
        query = surface.read_feed(visit.query)
        holder = self.reception.principal(visit)
        total = 0 if query.ids else CLIPS_PER_SONG * await self.reception.count(holder, SONGS)
        return surface.feed_v2(await self.page(holder, query), query, total)

    async def _clip(self, visit: Visit) -> Answer:
        name = visit.names["id"]
        return surface.clip(await self.one(visit, name, SONGS, "clip"), name)

    async def _lyrics(self, visit: Visit) -> Answer:
        return surface.lyrics(await self.one(visit, visit.names["id"], LYRICS, "lyrics"))
