"""Links: in the place of upstreams' addresses, followed back to things, and refused when they are not ours."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import pytest

from polyrelay.exchange.job import Result
from polyrelay.exchange.music import Song
from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import File, State
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel import errors
from polyrelay.service.artefacts.gallery import Gallery
from polyrelay.storage.delivery.memory import MemoryArtefactStore, MemoryDeliveryStore, MemoryPlace
from support.books import HandClock
from support.made import keeps, kept, made

T = TypeVar("T")
SECONDS = 86400.0
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
        self.gallery = Gallery(
            self.store, places, lambda: self.keys, self.clock, lambda: "https://relay.example.com/", lambda: SECONDS
        )

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
    found = run(bench.gallery.find(path, query))
    assert (found.file.digest, found.place, found.stored_at) == ("a" * 64, "memory", 5.0)
    assert SECONDS <= found.lasts <= SECONDS * 1.25 + 4


def test_a_link_ends() -> None:
    bench = Bench()
    path, query = bench.link()
    ends = artefacts.ends(query)
    assert ends is not None
    bench.clock.now = ends - 1
    assert run(bench.gallery.find(path, query)).lasts == 1
    bench.clock.now = ends
    with pytest.raises(errors.Forbidden) as caught:
        run(bench.gallery.find(path, query))
    assert caught.value.code == "link_expired"


def test_links_survive_a_rotation_until_the_old_secret_is_gone() -> None:
    bench = Bench(keys=[OLD])
    path, query = bench.link()
    bench.keys = [NEW, OLD]
    assert run(bench.gallery.find(path, query)).file.size == 3
    bench.keys = [NEW]
    with pytest.raises(errors.Forbidden) as caught:
        run(bench.gallery.find(path, query))
    assert caught.value.code == "invalid_link"


@pytest.mark.parametrize("query", ["", "expires=", "expires=9999999999", "expires=x&signature=y", "signature=y"])
def test_what_is_no_link(query: str) -> None:
    bench = Bench()
    path, _ = bench.link()
    with pytest.raises(errors.Forbidden):
        run(bench.gallery.find(path, query))


def test_what_is_not_kept_any_more() -> None:
    bench = Bench()
    path, query = bench.link()
    bench.store.rows.clear()
    with pytest.raises(errors.NotFound) as caught:
        run(bench.gallery.find(path, query))
    assert caught.value.code == "artefact_gone"


def test_the_pure_part() -> None:
    bench = Bench()
    job = bench.end(kept(1), "0-audio", "1-audio")
    rows = [row.artefact for row in bench.store.rows.values()]
    result = job.result
    assert isinstance(result, Song)
    linked: Result = bench.gallery.links(result, rows, 1000.0)
    assert isinstance(linked, Song)
    assert linked.clips[0].audio_url != result.clips[0].audio_url
    assert bench.gallery.links(result, rows, 1000.0) == linked
    assert bench.gallery.links(result, [], 1000.0) == result
