"""Fetching, putting off, giving up and sweeping, over the twins of stores and places."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from polyrelay.background.collecting import Collecting, sweep
from polyrelay.jobs.artefacts import State
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.fetching import Fetcher
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.storage.delivery.memory import MemoryArtefactStore, MemoryDeliveryStore, MemoryPlace
from polyrelay.upstream.recorded_outside import Recorded, RecordedOutside
from support.books import HandClock
from support.made import keeps, kept

MP3 = ((b"content-type", b"audio/mpeg"),)
GOOD = Recorded(200, MP3, (b"abc",))
DAY = 86400.0


@dataclass
class Bench:
    settings: ArtefactSettings = field(default_factory=lambda: ArtefactSettings(attempts=3, first_delay_seconds=10))
    clock: HandClock = field(default_factory=HandClock)
    outside: RecordedOutside = field(default_factory=RecordedOutside)
    place: MemoryPlace = field(default_factory=MemoryPlace)
    told: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryArtefactStore(self.clock)
        self.deliveries = MemoryDeliveryStore(self.clock, self.store, keeps)
        self.job = kept(1)
        self.deliveries.ended(self.job, Event.SUCCEED)
        for name in list(self.store.rows)[1:]:
            del self.store.rows[name]

    @property
    def row(self) -> tuple[State, float | None, str | None]:
        (row,) = self.store.rows.values()
        return row.artefact.state, None if row.next_at is None else row.next_at - self.clock.now, row.error

    async def round(self) -> None:
        """One look, and what came of it."""

        async def load(ids: Collection[ExchangeId]) -> Sequence[Job]:
            return [self.job]

        fetcher = Fetcher(load, lambda _: None, lambda _: None, self.place, self.outside)
        running = asyncio.create_task(
            Collecting(self.store, fetcher, lambda: self.settings, self.clock, self.tell).run()
        )
        for _ in range(50):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def tell(self) -> None:
        self.told += 1


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_was_fetched_is_kept_for_its_time() -> None:
    bench = Bench()
    bench.outside.script(GOOD)
    run(bench.round())
    assert bench.row == (State.STORED, None, None)
    (row,) = bench.store.rows.values()
    assert (row.artefact.place, row.artefact.stored_at) == ("memory", bench.clock.now)
    assert row.artefact.expires_at == bench.clock.now + 30 * DAY
    assert bench.told == 1


def test_failures_are_tried_again_ever_later_and_then_left(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.outside.script(*[Recorded(503)] * 3)
    for delay in (10.0, 30.0):
        run(bench.round())
        assert bench.row == (State.WANTED, delay, "status 503")
        assert bench.told == 0
        bench.clock.now += delay
    with caplog.at_level(logging.WARNING):
        run(bench.round())
    assert bench.row == (State.FAILED, None, "status 503")
    assert bench.told == 1
    assert "is not kept: status 503" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        Recorded(200, ((b"content-type", b"text/html"),)),
        Recorded(refusal="leads to an address (loopback)"),
        Recorded(200, MP3, (b"too", b"long")),
    ],
)
def test_what_cannot_change_is_not_tried_again(answer: Recorded) -> None:
    bench = Bench(ArtefactSettings(attempts=3, largest_bytes=5))
    bench.outside.script(answer)
    run(bench.round())
    assert bench.row[0] is State.FAILED


def test_a_process_that_dies_leaves_its_work_to_others() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.store.claim(9, bench.settings.timeout_seconds + 60)
        await bench.round()
        assert bench.row[0] == "wanted"
        bench.clock.now += bench.settings.timeout_seconds + 60
        bench.outside.script(GOOD)
        await bench.round()
        assert bench.row[0] == "stored"

    run(main())


def test_what_kills_whoever_fetches_it_is_given_up() -> None:
    """An attempt that never ends counts, too."""

    async def main() -> None:
        bench = Bench()
        for _ in range(bench.settings.attempts):
            await bench.store.claim(9, 60)
            bench.clock.now += 60
        await bench.round()
        assert bench.row == (State.FAILED, None, "no attempt came to an end")
        assert bench.told == 1

    run(main())


def test_retention_of_nought_keeps_all() -> None:
    bench = Bench(ArtefactSettings(retention_days=0))
    bench.outside.script(GOOD)
    run(bench.round())
    (row,) = bench.store.rows.values()
    assert row.artefact.expires_at is None


def test_what_is_over_is_swept_with_its_bytes() -> None:
    bench = Bench()
    bench.outside.script(GOOD)
    run(bench.round())
    run(sweep(bench.store, [bench.place], 60))
    assert bench.place.things
    bench.clock.now += 30 * DAY + 1
    run(sweep(bench.store, [bench.place], 60))
    assert bench.place.things == {}
    assert bench.store.rows == {}
