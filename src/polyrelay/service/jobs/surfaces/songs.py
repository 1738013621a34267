"""What the three surfaces of songs have in common."""

from collections.abc import Callable

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Demand
from polyrelay.exchange.music import Concat, MusicAsk
from polyrelay.jobs.job import Job, Kind
from polyrelay.service.jobs.ports import Wanted
from polyrelay.service.jobs.surfaces.reception import Order, Reception
from polyrelay.service.jobs.surfaces.visit import Visit
from polyrelay.wire.suno.requests import PAGE_CLIPS, FeedQuery, Submission
from polyrelay.wire.suno.view import JobView

LYRICS_MODEL = "suno_lyrics"
CONCAT_MODEL = "suno_concat"
"""Under these names channels offer, and tariffs price, what has no model of Suno's."""

CLIPS_PER_SONG = 2
"""What pages of clips are counted by (WIRE 2.1); concatenations, which have one, make a page shorter."""

SONGS = (Kind.MUSIC, Kind.CONCAT)
LYRICS = (Kind.LYRICS,)
ALL = (*SONGS, *LYRICS)

Read = Callable[[bytes], Submission]


class Songs:
    """Takes songs on and shows them. `name` is the surface's in the books."""

    def __init__(self, name: str, reception: Reception) -> None:
        self.name = name
        self.reception = reception

    async def take_on(self, visit: Visit, asked: Submission) -> tuple[Principal, Job]:
        """Who asked, and the job that it became. Raises `errors.Refusal`."""
        holder = self.reception.principal(visit)
        order = Order(self.name, asked.ask, model_of(asked), Demand(tasks=1), asked.hook)
        return holder, await self.reception.submit(visit, holder, order)

    async def page(self, holder: Principal, query: FeedQuery) -> list[JobView]:
        """The songs with the clips that are asked for, or a page of the newest. Raises `errors.Refusal`."""
        if query.ids:
            found = await self.reception.jobs(holder, query.ids, SONGS)
        else:
            size = PAGE_CLIPS // CLIPS_PER_SONG
            found = await self.reception.newest(holder, Wanted(size, kinds=SONGS, offset=query.page * size))
        return await self.reception.songs(holder, found)

    async def one(self, visit: Visit, name: str, kinds: tuple[Kind, ...], what: str) -> JobView:
        """The job that `name` is of. Raises `errors.NotFound`."""
        holder = self.reception.principal(visit)
        return await self.reception.song(holder, await self.reception.job(holder, name, kinds, what=what))


def model_of(asked: Submission) -> str:
    """The model by whose name the job is routed and priced."""
    ask = asked.ask
    if isinstance(ask, MusicAsk):
        return ask.model
    return CONCAT_MODEL if isinstance(ask, Concat) else LYRICS_MODEL
