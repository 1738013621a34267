"""What the relay keeps of what jobs made: shown to clients by links, and handed out to whoever has one."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

import msgspec

from polyrelay.exchange.job import Result
from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import Artefact, File, State
from polyrelay.jobs.job import Job
from polyrelay.kernel import errors
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.ports import ArtefactStore, Place
from polyrelay.service.bank import BankAway
from polyrelay.service.treasury import books_away

LinkKeys = Callable[[], Sequence[bytes]]
"""What links are signed with: by the first, and known from all of them."""


class Exhibit(msgspec.Struct, frozen=True):
    """A thing that may be handed out. `stored_at` is Unix seconds, `lasts` how many more the link works."""

    job: ExchangeId
    file: File
    place: str
    stored_at: float
    lasts: int


class Gallery:
    """`base` begins every link; `seconds` is how long one works. `places` are by their names."""

    def __init__(
        self,
        store: ArtefactStore,
        places: Mapping[str, Place],
        keys: LinkKeys,
        clock: Clock,
        base: Callable[[], str],
        seconds: Callable[[], float],
    ) -> None:
        self._store = store
        self._places = places
        self._keys = keys
        self._clock = clock
        self._base = base
        self._seconds = seconds

    async def shown(self, jobs: Sequence[Job]) -> list[Job]:
        """`jobs` as clients are to see them: with links to what is kept, and else the upstream's addresses.

        Raises `errors.BooksAway`.
        """
        made = [job.id for job in jobs if job.state.over and artefacts.media(job.result)]
        kept: dict[ExchangeId, list[Artefact]] = {}
        try:
            for each in await self._store.stored(made) if made else ():
                kept.setdefault(each.job, []).append(each)
        except BankAway as error:
            raise books_away() from error
        return [self._linked(job, kept[job.id]) if job.id in kept else job for job in jobs]

    async def find(self, path: str, query: str) -> Exhibit:
        """What a link leads to.

        Raises `errors.Forbidden` for a link that has ended or is none of ours, `errors.NotFound` when the thing is not
        kept any more, `errors.BooksAway`.
        """
        ends, now = artefacts.ends(query), self._clock.wall()
        if ends is None or not any(artefacts.is_genuine(path, query, key) for key in self._keys()):
            raise errors.Forbidden("This link is not one of this relay's.", code="invalid_link")
        if now >= ends:
            raise errors.Forbidden("This link has ended; ask for the job again to get a new one.", code="link_expired")
        try:
            found = await self._store.find(path.removeprefix(artefacts.ROOT).partition("/")[0])
        except BankAway as error:
            raise books_away() from error
        exhibit = None if found is None else self._exhibit(found, now, int(ends - now))
        if exhibit is None:
            raise errors.NotFound("This is not kept any more.", code="artefact_gone")
        return exhibit

    def read(self, exhibit: Exhibit, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`. Raises `ports.Absent`, `ports.PlaceAway`."""
        return self._places[exhibit.place].read(exhibit.job, exhibit.file.digest, start, length)

    def _exhibit(self, found: Artefact, now: float, lasts: int) -> Exhibit | None:
        """None for what is not kept, or lies in a place that the configuration does not name any more."""
        if found.state is not State.STORED or found.file is None or found.place is None:
            return None
        if found.place not in self._places:
            return None
        return Exhibit(found.job, found.file, found.place, found.stored_at or now, lasts)

    def _linked(self, job: Job, kept: Collection[Artefact]) -> Job:
        if job.result is None:
            return job
        return msgspec.structs.replace(job, result=self.links(job.result, kept, self._clock.wall()))

    def links(self, result: Result, kept: Collection[Artefact], now: float) -> Result:
        """`result` with links, made at `now`, in the place of what is kept of it."""
        key, base, expires = self._keys()[0], self._base().rstrip("/"), artefacts.end(now, self._seconds())
        urls = {each.slot: base + artefacts.path(each, key, expires) for each in kept if each.state is State.STORED}
        return artefacts.linked(result, urls)
