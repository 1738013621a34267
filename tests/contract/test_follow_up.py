"""What follows a job's end is written in the transaction that ends it, once, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video
from polyrelay.jobs.artefacts import State
from polyrelay.jobs.job import Job, Place
from polyrelay.jobs.lifecycle import Event
from polyrelay.service.artefacts.ports import ArtefactStore
from polyrelay.service.bank import Row
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.webhooks.ports import Claim, DeliveryStore
from polyrelay.storage.delivery.artefacts import SqlArtefactStore
from polyrelay.storage.delivery.memory import MemoryArtefactStore, MemoryDeliveryStore
from polyrelay.storage.delivery.webhooks import SqlDeliveryStore
from polyrelay.storage.jobs.memory import MemoryJobStore
from polyrelay.storage.jobs.store import SqlJobStore
from support.books import KINDS, WALLET, Books, MemoryBooks, SqlBooks, enrolment, opened
from support.jobs import accepted, done, ended, job
from support.made import KEEPING, URL, keeps

ALL = Claim(9, 9, 60)
Scenario = Callable[["Yard"], Awaitable[None]]
Play = Callable[[Scenario], None]


@dataclass
class Yard:
    """Books, jobs, and all that follows their end."""

    books: Books
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs: JobStore
        self.deliveries: DeliveryStore
        self.artefacts: ArtefactStore
        if isinstance(self.books, MemoryBooks):
            self.artefacts = things = MemoryArtefactStore(self.books.bank.clock)
            self.deliveries = calls = MemoryDeliveryStore(self.books.bank.clock, things, keeps)
            self.jobs = MemoryJobStore(self.books.bank, deliveries=calls)
            return
        assert isinstance(self.books, SqlBooks)
        database = self.books.database
        self.artefacts, self.deliveries = SqlArtefactStore(database), SqlDeliveryStore(database)
        self.jobs = SqlJobStore(database, keeps, lambda: self.told.append("ended"))

    async def taken_on(self, number: int = 1, **changes: Any) -> Job:
        made = job(number, **{"notify": URL, **changes})
        await self.jobs.create(made, (WALLET,), 0)
        taken = msgspec.structs.replace(accepted(made), place=Place(KEEPING, "sandbox", "#1"))
        await self.jobs.accept(taken)
        return taken

    async def end(self, of: tuple[Job, Event, Row]) -> bool:
        return await self.jobs.end(*of)


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    async def run(scenario: Scenario) -> None:
        async with opened(request.param, tmp_path / "data") as books:
            await books.bank.enrol(enrolment("w1"), 60)
            await books.topup("acc_1", 10_000)
            await scenario(Yard(books))
            (await books.snapshot()).check()

    return lambda scenario: asyncio.run(run(scenario))


def test_a_success_is_told_and_what_was_made_is_wanted(play: Play) -> None:
    async def scenario(yard: Yard) -> None:
        taken = await yard.taken_on(result=None)
        assert await yard.deliveries.claim(ALL) == []
        assert await yard.end(done(taken))
        things = await yard.artefacts.claim(9, 60)
        assert {each.job for each in things} == {taken.id}
        assert await yard.deliveries.claim(ALL) == []
        for thing in things:
            await yard.artefacts.conclude(msgspec.structs.replace(thing, state=State.FAILED), None, "gone")
        (call,) = await yard.deliveries.claim(ALL)
        assert (call.job, call.url, call.account, call.key) == (taken.id, URL, taken.payer.account, taken.payer.key)
        if not isinstance(yard.books, MemoryBooks):
            assert yard.told == ["ended"]

    play(scenario)


@pytest.mark.parametrize("event", [Event.FAIL, Event.EXPIRE, Event.LOSE])
def test_other_ends_are_told_and_nothing_was_made(play: Play, event: Event) -> None:
    async def scenario(yard: Yard) -> None:
        taken = await yard.taken_on()
        assert await yard.end(ended(taken, event, result=None))
        assert await yard.artefacts.claim(9, 60) == []
        assert [each.job for each in await yard.deliveries.claim(ALL)] == [taken.id]

    play(scenario)


def test_an_end_that_is_not_taken_leaves_nothing(play: Play) -> None:
    async def scenario(yard: Yard) -> None:
        taken = await yard.taken_on(notify=None)
        assert await yard.end(ended(taken, Event.FAIL, result=None))
        late = msgspec.structs.replace(taken, notify=URL)
        assert not await yard.end(done(late))
        assert not await yard.end(ended(late, Event.EXPIRE, result=None))
        assert await yard.deliveries.claim(ALL) == []
        assert await yard.artefacts.claim(9, 60) == []

    play(scenario)


def test_ends_at_once_are_told_once(play: Play) -> None:
    async def scenario(yard: Yard) -> None:
        taken = await yard.taken_on()
        ends = [done(taken), ended(taken, Event.FAIL, result=None), ended(taken, Event.EXPIRE, result=None)]
        told = await asyncio.gather(*(yard.end(end) for end in ends))
        assert sorted(told) == [False, False, True]
        for thing in await yard.artefacts.claim(9, 60):
            await yard.artefacts.conclude(msgspec.structs.replace(thing, state=State.FAILED), None, "gone")
        assert len(await yard.deliveries.claim(ALL)) == 1

    play(scenario)


def test_channels_that_keep_nothing(play: Play) -> None:
    async def scenario(yard: Yard) -> None:
        made = job(1, notify=None)
        await yard.jobs.create(made, (WALLET,), 0)
        taken = accepted(made)
        await yard.jobs.accept(taken)
        assert await yard.end(ended(taken, Event.SUCCEED, Usage(tasks=1), result=Video("https://v.example.com/1.mp4")))
        assert await yard.artefacts.claim(9, 60) == []
        assert await yard.deliveries.claim(ALL) == []

    play(scenario)
