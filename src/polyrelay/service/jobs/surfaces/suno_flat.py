"""Songs in the flat words of the `/api/generate` family."""

from functools import partial

from polyrelay.access.principal import Principal
from polyrelay.exchange.job import Stage
from polyrelay.kernel.errors import Refusal, UpstreamSlow
from polyrelay.service.jobs.inquiry import Inquiry
from polyrelay.service.jobs.surfaces.reception import Reception, stage
from polyrelay.service.jobs.surfaces.songs import SONGS, Allowance, Read, Songs
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno.flat import chat, surface


class SunoFlat(Songs):
    """Implements `visit.Surface`."""

    prefixes = ("/suno-api/api", "/suno-api")

    def __init__(self, reception: Reception, inquiry: Inquiry, allowance: Allowance) -> None:
        super().__init__("suno_flat", reception, inquiry, allowance)
        self.routes = (
            Route("POST", "/generate/?", partial(self._submit, surface.read_generate)),
            Route("POST", "/custom_generate/?", partial(self._submit, surface.read_custom)),
            Route("POST", "/extend_audio/?", partial(self._submit, surface.read_extend)),
            Route("POST", "/concat/?", partial(self._submit, surface.read_concat)),
            Route("POST", "/generate_stems/?", partial(self._submit, surface.read_stems)),
            Route("POST", "/generate_lyrics/?", self._lyrics),
            Route("POST", "/v1/chat/completions/?", self._chat),
            Route("GET", "/get/?", self._get),
            Route("GET", "/clip/?", self._clip),
            Route("GET", "/get_aligned_lyrics/?", self._aligned),
            Route("GET", "/persona/?", self._persona),
            Route("GET", "/get_limit/?", self._limit),
        )

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        del visit
        return surface.refuse(refusal)

    async def _submit(self, read: Read, visit: Visit, holder: Principal) -> Answer:
        asked = read(visit.body)
        job = await self.take_on(visit, holder, asked)
        if asked.wait:
            job = await self.reception.settled(holder, job, surface.heard, surface.WAIT_SECONDS)
        return surface.submitted(await self.reception.song(holder, job))

    async def _lyrics(self, visit: Visit, holder: Principal) -> Answer:
        """Answered when they are written: clients of this dialect cannot ask for them later."""
        job = await self.take_on(visit, holder, surface.read_lyrics(visit.body))
        job = await self.reception.settled(holder, job, lambda view: view.stage.over, surface.WAIT_SECONDS)
        if stage(job) not in (Stage.SUCCEEDED, Stage.FAILED):
            raise UpstreamSlow(f"The lyrics are not written yet; ask for task {job.id} at /suno/fetch/{job.id}.")
        return surface.lyrics(await self.reception.song(holder, job))

    async def _chat(self, visit: Visit, holder: Principal) -> Answer:
        """Answered when the song can be heard. One that takes longer is made, and paid, all the same."""
        job = await self.take_on(visit, holder, chat.read(visit.body))
        job = await self.reception.settled(holder, job, surface.heard, surface.WAIT_SECONDS)
        told = chat.told(await self.reception.song(holder, job))
        if told is None:
            raise UpstreamSlow(f"The song cannot be heard yet; ask for it at /suno-api/api/get?ids={job.id}.")
        return told

    async def _get(self, visit: Visit, holder: Principal) -> Answer:
        query = surface.read_get(visit.query)
        return surface.songs(await self.page(holder, query), query.ids)

    async def _clip(self, visit: Visit, holder: Principal) -> Answer:
        name = surface.read_clip(visit.query)
        return surface.clip(await self.one(holder, name, SONGS, "clip"), name)

    async def _aligned(self, visit: Visit, holder: Principal) -> Answer:
        return surface.aligned(await self.aligned(visit, holder, surface.read_aligned(visit.query)))

    async def _persona(self, visit: Visit, holder: Principal) -> Answer:
        """Anybody may ask for one, whoever has it: of those that may make songs of the model."""
        query = surface.read_persona(visit.query)
        with self.reception.admitted(visit, holder, query.model):
            candidates = self.reception.candidates(visit, query.model)
            return surface.persona(await self.inquiry.persona(candidates, query))

    async def _limit(self, visit: Visit, holder: Principal) -> Answer:
        del visit
        return surface.limit(await self.left(holder))
