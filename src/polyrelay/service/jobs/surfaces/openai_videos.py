"""Videos in OpenAI's words: made, remixed, listed, fetched and thrown away."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from polyrelay.access.principal import Principal
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.kernel.errors import Refusal
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.gallery import Exhibit, Lent
from polyrelay.service.jobs.keeping import Keeping
from polyrelay.service.jobs.ports import Wanted
from polyrelay.service.jobs.surfaces.reception import Order, Reception
from polyrelay.service.jobs.surfaces.videos import VIDEOS, demand
from polyrelay.service.jobs.surfaces.visit import Given, Route, Visit
from polyrelay.wire import forms
from polyrelay.wire.answers import Answer
from polyrelay.wire.multipart import media_type
from polyrelay.wire.videos.openai import form, surface
from polyrelay.wire.videos.requests import Submission

_FOUND = 302

Kept = Callable[[Job, str], Awaitable[Exhibit | None]]
"""The thing in a slot of a job; None when the relay does not keep it. Raises `errors.BooksAway`."""


class OpenAIVideos:
    """Implements `visit.Surface`."""

    prefixes = ("/v1/videos",)
    key_header: bytes | None = None

    def __init__(self, reception: Reception, keeping: Keeping, kept: Kept) -> None:
        self._reception = reception
        self._keeping = keeping
        self._kept = kept
        self.routes = (
            Route("POST", "/?", self._create),
            Route("GET", "/?", self._list),
            Route("GET", "/(?P<id>[^/]+)", self._one),
            Route("DELETE", "/(?P<id>[^/]+)", self._delete),
            Route("GET", "/(?P<id>[^/]+)/content", self._content),
            Route("POST", "/(?P<id>[^/]+)/remix", self._remix),
        )

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        """See `visit.Surface`."""
        del visit
        return surface.refuse(refusal)

    async def _create(self, visit: Visit, holder: Principal) -> Answer:
        given, written = _members(visit)
        return await self._submit(visit, holder, surface.read_create(given, written=written))

    async def _remix(self, visit: Visit, holder: Principal) -> Answer:
        source = await self._job(visit, holder)
        given, _ = _members(visit)
        return await self._submit(visit, holder, surface.read_remix(given, _ask(source), source.id))

    async def _submit(self, visit: Visit, holder: Principal, asked: Submission) -> Answer:
        order = Order("openai_videos", asked.ask, asked.ask.model, demand(asked.ask), asked.hook)
        return await self._shown(holder, await self._reception.submit(visit, holder, order))

    async def _one(self, visit: Visit, holder: Principal) -> Answer:
        return await self._shown(holder, await self._job(visit, holder))

    async def _list(self, visit: Visit, holder: Principal) -> Answer:
        page = surface.read_list(visit.query)
        wanted = Wanted(
            page.limit + 1,
            before=ExchangeId(page.after) if page.after else None,
            kinds=VIDEOS,
            oldest_first=page.ascending,
        )
        found = await self._reception.newest(holder, wanted)
        views = await self._reception.videos(holder, found[: page.limit])
        return surface.listed(views, more=len(found) > page.limit)

    async def _delete(self, visit: Visit, holder: Principal) -> Answer:
        """Gone for its client at once; its upstream is told too, where it keeps videos."""
        job = await self._job(visit, holder)
        if not job.state.over:
            raise errors.InvalidRequest("A video that is being made cannot be deleted.", code="video_in_progress")
        await self._keeping.forget(job)
        return surface.deleted(job.id)

    async def _content(self, visit: Visit, holder: Principal) -> Given:
        """The file, or a part of it: the relay's own, its upstream's, or where else it is."""
        variant = surface.read_variant(visit.query)
        job = await self._job(visit, holder)
        if job.state is not State.SUCCEEDED:
            raise errors.NotFound("The video is not there (yet): see its status.", code="video_not_ready", param="id")
        exhibit = await self._kept(job, variant)
        if exhibit is not None:
            return Lent(exhibit, [])
        streamed = await self._keeping.content(job, variant, visit.head)
        if streamed is not None:
            return streamed
        view = (await self._reception.videos(holder, [job]))[0]
        url = None if view.result is None or variant != "video" else view.content_url or view.result.url
        if url is None:
            raise errors.NotFound(f"There is no {variant} of this video.", code="not_found", param="variant")
        return _FOUND, ((b"location", url.encode()),), b""

    async def _job(self, visit: Visit, holder: Principal) -> Job:
        name = surface.job_id(visit.names["id"]) or ""
        return await self._reception.job(holder, name, VIDEOS, what="video")

    async def _shown(self, holder: Principal, job: Job) -> Answer:
        return surface.one((await self._reception.videos(holder, [job]))[0])


def _members(visit: Visit) -> tuple[Mapping[str, Any], bool]:
    """The members of the body, and whether they were a form's. Raises `errors.InvalidRequest`."""
    kind = visit.head.get(b"content-type", b"")
    if media_type.is_form(kind):
        return form.members(kind, visit.body), True
    return forms.json(visit.body), False


def _ask(job: Job) -> VideoAsk:
    if not isinstance(job.ask, VideoAsk):
        raise errors.NotFound("There is no such video.", code="not_found", param="id")
    return job.ask
