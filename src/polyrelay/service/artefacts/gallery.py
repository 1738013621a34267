"""What the relay keeps of what jobs made: shown to clients by links, and handed out to whoever has one."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

import msgspec

from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import Artefact, File, State
from polyrelay.jobs.job import Job
from polyrelay.kernel import errors
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.answers import Headers
from polyrelay.service.artefacts.passage import Passage
from polyrelay.service.artefacts.ports import ArtefactStore, Place
from polyrelay.service.bank import BankAway
from polyrelay.service.download import Streamed
from polyrelay.service.ports import Head
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


class Passed(msgspec.Struct, frozen=True):
    """A thing that its upstream keeps, on its way. `lasts` is how many more seconds the link works."""

    streamed: Streamed
    lasts: int


class Lent(msgspec.Struct, frozen=True):
    """A thing that a client gets who asks for it with its key, with `headers` besides its own."""

    exhibit: Exhibit
    headers: Headers


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
        passage: Passage,
    ) -> None:
        self._store = store
        self._places = places
        self._keys = keys
        self._clock = clock
        self._base = base
        self._seconds = seconds
        self._passage = passage

    async def shown(self, jobs: Sequence[Job]) -> list[Job]:
        """`jobs` as clients are to see them: with links to what is kept, by the relay or by upstreams that give it no
        address, and else the upstream's addresses.

        Raises `errors.BooksAway`.
        """
        made = [job.id for job in jobs if job.state.over and artefacts.media(job.result)]
        kept: dict[ExchangeId, list[Artefact]] = {}
        try:
            for each in await self._store.stored(made) if made else ():
                kept.setdefault(each.job, []).append(each)
        except BankAway as error:
            raise books_away() from error
        return [self._linked(job, kept.get(job.id, ())) for job in jobs]

    async def find(self, path: str, query: str, head: Head) -> Exhibit | Passed:
        """What a link leads to, for a client with the headers `head`.

        Raises `errors.Forbidden` for a link that has ended or is none of ours, `errors.NotFound` when the thing is not
        kept any more, `errors.UpstreamFailure` when its upstream does not hand it out, `errors.BooksAway`.
        """
        ends, now = artefacts.ends(query), self._clock.wall()
        if ends is None or not any(artefacts.is_genuine(path, query, key) for key in self._keys()):
            raise errors.Forbidden("This link is not one of this relay's.", code="invalid_link")
        if now >= ends:
            raise errors.Forbidden("This link has ended; ask for the job again to get a new one.", code="link_expired")
        job = artefacts.passing(path)
        if job is not None:
            return Passed(await self._passage.open(job, head), int(ends - now))
        try:
            found = await self._store.find(path.removeprefix(artefacts.ROOT).partition("/")[0])
        except BankAway as error:
            raise books_away() from error
        exhibit = None if found is None else self._exhibit(found, now, int(ends - now))
        if exhibit is None:
            raise errors.NotFound("This is not kept any more.", code="artefact_gone")
        return exhibit

    async def kept(self, job: Job, slot: str) -> Exhibit | None:
        """The thing in `slot` of a job; None when it is not kept. Raises `errors.BooksAway`."""
        try:
            stored = await self._store.stored([job.id])
        except BankAway as error:
            raise books_away() from error
        found = next((each for each in stored if each.slot == slot), None)
        return None if found is None else self._exhibit(found, self._clock.wall(), int(self._seconds()))

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
        stored = [each for each in kept if each.state is State.STORED]
        passed = self._passage.leads_to(job)
        if job.result is None or not (stored or passed):
            return job
        now = self._clock.wall()
        key, base, expires = self._keys()[0], self._base().rstrip("/"), artefacts.end(now, self._seconds())
        urls = {"video": base + artefacts.passage(job.id, key, expires)} if passed else {}
        urls |= {each.slot: base + artefacts.path(each, key, expires) for each in stored}
        return msgspec.structs.replace(job, result=artefacts.linked(job.result, urls))
