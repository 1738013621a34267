"""What the three surfaces of songs have in common."""

from collections.abc import Callable

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Demand
from polyrelay.exchange.music import Concat, MusicAsk
from polyrelay.jobs.job import Job, Kind
from polyrelay.service.jobs.surfaces.reception import Order, Reception
from polyrelay.service.jobs.surfaces.visit import Visit
from polyrelay.wire.suno.requests import Submission
from polyrelay.wire.suno.view import JobView

LYRICS_MODEL = "suno_lyrics"
CONCAT_MODEL = "suno_concat"
"""Under these names channels offer, and tariffs price, what has no model of Suno's."""

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
