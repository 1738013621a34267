"""What the surfaces of songs have in common."""

from collections.abc import Awaitable, Callable, Sequence

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Demand
from polyrelay.exchange.music import AlignedWord, Concat, MusicAsk, Stems
from polyrelay.jobs.job import Job, Kind
from polyrelay.service.jobs.inquiry import Inquiry
from polyrelay.service.jobs.ports import Wanted
from polyrelay.service.jobs.surfaces.reception import Order, Reception
from polyrelay.service.jobs.surfaces.visit import Visit
from polyrelay.wire.suno import view
from polyrelay.wire.suno.credits import Credits
from polyrelay.wire.suno.requests import PAGE_CLIPS, FeedQuery, Submission
from polyrelay.wire.suno.view import JobView

LYRICS_MODEL = "suno_lyrics"
CONCAT_MODEL = "suno_concat"
STEMS_MODEL = "suno_stems"
"""Under these names channels offer, and tariffs price, what has no model of Suno's."""

CLIPS_PER_SONG = 2
"""What pages of clips are counted by (WIRE 2.1); concatenations, which have one, make a page shorter, and stems, which
may have more, longer."""

SONGS = (Kind.MUSIC, Kind.CONCAT, Kind.STEMS)
LYRICS = (Kind.LYRICS,)
ALL = (*SONGS, *LYRICS)

CENT = 10_000_000
"""Nanos in a hundredth of the currency, which these dialects call a credit (as AiToEarn does, WIRE 1.4)."""

Allowance = Callable[[Principal], Awaitable[tuple[int, int]]]
"""What a key may still spend, and what it was charged this month, in nanos."""

Read = Callable[[bytes], Submission]


class Songs:
    """Takes songs on and shows them. `name` is the surface's in the books."""

    key_header: bytes | None = None

    def __init__(self, name: str, reception: Reception, inquiry: Inquiry, allowance: Allowance) -> None:
        self.name = name
        self.reception = reception
        self.inquiry = inquiry
        self._allowance = allowance

    async def take_on(self, visit: Visit, holder: Principal, asked: Submission) -> Job:
        """The job that it became. Raises `errors.Refusal`."""
        order = Order(self.name, asked.ask, model_of(asked), Demand(tasks=1), asked.hook)
        return await self.reception.submit(visit, holder, order)

    async def page(self, holder: Principal, query: FeedQuery) -> list[JobView]:
        """The songs with the clips that are asked for, or a page of the newest. Raises `errors.Refusal`."""
        if query.ids:
            found = await self.reception.jobs(holder, query.ids, SONGS)
        else:
            size = PAGE_CLIPS // CLIPS_PER_SONG
            found = await self.reception.newest(holder, Wanted(size, kinds=SONGS, offset=query.page * size))
        return await self.reception.songs(holder, found)

    async def one(self, holder: Principal, name: str, kinds: tuple[Kind, ...], what: str) -> JobView:
        """The job that `name` is of. Raises `errors.NotFound`."""
        return await self.reception.song(holder, await self.reception.job(holder, name, kinds, what=what))

    async def aligned(self, visit: Visit, holder: Principal, name: str) -> Sequence[AlignedWord]:
        """When each word of the clip called `name` is sung. Raises `errors.Refusal`."""
        job = await self.reception.job(holder, name, SONGS, what="clip")
        shown = await self.reception.song(holder, job)
        number = view.alignable(shown, name)
        with self.reception.admitted(visit, holder, job.model):
            return view.aligned(shown, await self.inquiry.aligned(job, number))

    async def left(self, holder: Principal) -> Credits:
        """What the key may still spend. Raises `errors.Refusal`."""
        left, used = await self._allowance(holder)
        return Credits(left / CENT, used / CENT)


def model_of(asked: Submission) -> str:
    """The model by whose name the job is routed and priced."""
    match asked.ask:
        case MusicAsk(model=model):
            return model
        case Concat():
            return CONCAT_MODEL
        case Stems():
            return STEMS_MODEL
        case _:
            return LYRICS_MODEL
