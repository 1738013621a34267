"""Links: in the place of upstreams' addresses, followed back to things, and refused when they are not ours."""

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import msgspec
import pytest

from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import File, State
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event
from polyrelay.jobs.lifecycle import State as JobState
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.artefacts.gallery import Exhibit, Gallery, Passed
from polyrelay.service.artefacts.passage import Passage
from polyrelay.service.download import Streamed
from polyrelay.service.ports import Head
from polyrelay.storage.delivery.memory import MemoryArtefactStore, MemoryDeliveryStore, MemoryPlace
from support.books import HandClock
from support.made import keeps, kept, made

T = TypeVar("T")
SECONDS = 86400.0
HOST = "https://relay.example.com"
NO_HEAD: Head = {}
OLD, NEW = b"o" * 32, b"n" * 32


@dataclass
class Bench:
    clock: HandClock = field(default_factory=HandClock)
    place: MemoryPlace = field(default_factory=MemoryPlace)
    keys: list[bytes] = field(default_factory=lambda: [NEW, OLD])

    def __post_init__(self) -> None:
        self.store = MemoryArtefactStore(self.clock)
        self.deliveries = MemoryDeliveryStore(self.clock, self.store, keeps)
        places = {self.place.name: self.place}
        self.jobs: dict[str, Job] = {}
        self.configured = True
        self.heads: list[Head] = []
        self.gallery = Gallery(
            self.store,
            places,
            lambda: self.keys,
            self.clock,
            lambda: "https://relay.example.com/",
            lambda: SECONDS,
            Passage(self.load, self.keeps, self.opens),
        )

    async def load(self, ids: Collection[ExchangeId]) -> list[Job]:
        return [self.jobs[name] for name in ids if name in self.jobs]

    def keeps(self, _job: Job) -> OutboundRequest | None:
        return cast("OutboundRequest", "asked") if self.configured else None

    async def opens(self, _job: Job, head: Head) -> Streamed | None:
        self.heads.append(head)
        return STREAMED

    def video(self, **changes: Any) -> Job:
        """A video that its upstream hands out by name only."""
        result = changes.pop("result", Video(seconds=4.0))
        job = made(7, kind=Kind.VIDEO, ask=VideoAsk("sora-2", "a cat"), result=result, **changes)
        self.jobs[job.id] = job
        return job

    def find(self, path: str, query: str, head: Head = NO_HEAD) -> Exhibit | Passed:
        return run(self.gallery.find(path, query, head))

    def kept(self, path: str, query: str) -> Exhibit:
        found = self.find(path, query)
        assert isinstance(found, Exhibit)
        return found

    def end(self, job: Job, *stored: str) -> Job:
        """End `job`, with the things of these slots kept."""
        self.deliveries.ended(job, Event.SUCCEED)
        for row in self.store.rows.values():
            if row.artefact.job == job.id and row.artefact.slot in stored:
                file = File(f"{row.artefact.slot}.mp3", 3, "audio/mpeg", "a" * 64)
                row.artefact = msgspec.structs.replace(
                    row.artefact, state=State.STORED, file=file, place=self.place.name, stored_at=5.0
                )
        return job

    def shown(self, *jobs: Job) -> list[dict[str, str | None]]:
        found = run(self.gallery.shown(jobs))
        return [{medium.slot: medium.url for medium in artefacts.media(job.result)} for job in found]

    def link(self) -> tuple[str, str]:
        """Path and query of a link to something that is kept."""
        url = self.shown(self.end(kept(1), "0-audio"))[0]["0-audio"]
        path, _, query = (url or "").removeprefix("https://relay.example.com").partition("?")
        return path, query


async def nothing() -> bytes:
    return b""


STREAMED = Streamed(200, [(b"content-type", b"video/mp4")], nothing, lambda: None)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_links_to_what_is_kept_and_the_upstream_s_addresses_for_the_rest() -> None:
    bench = Bench()
    (urls,) = bench.shown(bench.end(kept(1), "0-audio"))
    assert urls["0-audio"] is not None
    assert urls["0-audio"].startswith("https://relay.example.com/artefacts/art_")
    assert urls["1-audio"] == "https://cdn.example.com/1.mp3"
    assert bench.shown(made(2), made(3, result=None))[0]["0-audio"] == "https://cdn.example.com/0.mp3"


def test_jobs_keep_their_order_and_everything_else() -> None:
    bench = Bench()
    jobs = [bench.end(kept(1), "0-audio"), made(2), bench.end(kept(3))]
    shown = run(bench.gallery.shown(jobs))
    assert [msgspec.structs.replace(job, result=None) for job in shown] == [
        msgspec.structs.replace(job, result=None) for job in jobs
    ]


def test_a_link_leads_to_its_thing() -> None:
    bench = Bench()
    path, query = bench.link()
    found = bench.kept(path, query)
    assert (found.file.digest, found.place, found.stored_at) == ("a" * 64, "memory", 5.0)
    assert SECONDS <= found.lasts <= SECONDS * 1.25 + 4


def test_a_link_ends() -> None:
    bench = Bench()
    path, query = bench.link()
    ends = artefacts.ends(query)
    assert ends is not None
    bench.clock.now = ends - 1
    assert bench.kept(path, query).lasts == 1
    bench.clock.now = ends
    with pytest.raises(errors.Forbidden) as caught:
        bench.find(path, query)
    assert caught.value.code == "link_expired"


def test_links_survive_a_rotation_until_the_old_secret_is_gone() -> None:
    bench = Bench(keys=[OLD])
    path, query = bench.link()
    bench.keys = [NEW, OLD]
    assert bench.kept(path, query).file.size == 3
    bench.keys = [NEW]
    with pytest.raises(errors.Forbidden) as caught:
        bench.find(path, query)
    assert caught.value.code == "invalid_link"


@pytest.mark.parametrize("query", ["", "expires=", "expires=9999999999", "expires=x&signature=y", "signature=y"])
def test_what_is_no_link(query: str) -> None:
    bench = Bench()
    path, _ = bench.link()
    with pytest.raises(errors.Forbidden):
        bench.find(path, query)


def test_what_is_not_kept_any_more() -> None:
    bench = Bench()
    path, query = bench.link()
    bench.store.rows.clear()
    with pytest.raises(errors.NotFound) as caught:
        bench.find(path, query)
    assert caught.value.code == "artefact_gone"


def test_a_link_is_the_same_for_a_while() -> None:
    bench = Bench()
    job = bench.end(kept(1), "0-audio", "1-audio")
    first = bench.shown(job)
    bench.clock.now += 1
    assert bench.shown(job) == first


def test_a_thing_that_is_kept_is_found_by_its_job() -> None:
    bench = Bench()
    job = bench.end(kept(1), "0-audio")
    found = run(bench.gallery.kept(job, "0-audio"))
    assert found is not None
    assert (found.job, found.file.size, found.lasts) == (job.id, 3, int(SECONDS))
    assert run(bench.gallery.kept(job, "1-audio")) is None


def through(bench: Bench, job: Job) -> tuple[str, str]:
    """Path and query of the link to a video that only its upstream has."""
    url = bench.shown(job)[0]["video"]
    assert url is not None
    path, _, query = url.removeprefix(HOST).partition("?")
    return path, query


def test_a_video_that_only_its_upstream_has_is_handed_on_through_a_link() -> None:
    bench = Bench()
    job = bench.video()
    path, query = through(bench, job)
    assert path == f"/artefacts/{job.id}/video"
    found = bench.find(path, query, {b"range": b"bytes=0-1"})
    assert isinstance(found, Passed)
    assert (found.streamed, bench.heads) == (STREAMED, [{b"range": b"bytes=0-1"}])
    assert SECONDS <= found.lasts <= SECONDS * 1.25 + 4


def test_such_a_link_ends_and_is_for_its_job_alone() -> None:
    bench = Bench()
    path, query = through(bench, bench.video())
    with pytest.raises(errors.Forbidden):
        bench.find(path.replace("px_", "px_1"), query)
    ends = artefacts.ends(query)
    assert ends is not None
    bench.clock.now = ends
    with pytest.raises(errors.Forbidden) as caught:
        bench.find(path, query)
    assert caught.value.code == "link_expired"


@pytest.mark.parametrize(
    "changes",
    [{"result": Video(url="https://cdn.example.com/v.mp4")}, {"state": JobState.EXPIRED}, {"result": None}],
)
def test_there_is_no_such_link_to_what_has_an_address_or_was_not_paid_for(changes: dict[str, Any]) -> None:
    bench = Bench()
    job = bench.video(**changes)
    assert run(bench.gallery.shown([job])) == [job]


def test_there_is_none_where_the_upstream_is_not_configured_any_more() -> None:
    bench = Bench()
    job = bench.video()
    path, query = through(bench, job)
    bench.configured = False
    assert bench.shown(job)[0]["video"] is None
    with pytest.raises(errors.NotFound) as caught:
        bench.find(path, query)
    assert caught.value.code == "artefact_gone"


@pytest.mark.parametrize("gone", [{"hidden": True}, None])
def test_what_its_client_has_thrown_away_is_not_handed_on(gone: dict[str, Any] | None) -> None:
    bench = Bench()
    job = bench.video()
    path, query = through(bench, job)
    if gone is None:
        bench.jobs.clear()
    else:
        bench.jobs[job.id] = msgspec.structs.replace(job, **gone)
    with pytest.raises(errors.NotFound):
        bench.find(path, query)
    assert bench.heads == []


def test_a_video_that_is_kept_has_its_own_link() -> None:
    bench = Bench()
    job = bench.end(kept(8, kind=Kind.VIDEO, ask=VideoAsk("sora-2", "a cat"), result=Video()), "video")
    url = bench.shown(job)[0]["video"]
    assert url is not None
    assert url.startswith(f"{HOST}/artefacts/art_")
