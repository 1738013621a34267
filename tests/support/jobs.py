"""Jobs in every store behind one set of handles, a dialect that needs no vendor, and words of the tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from polyrelay.exchange import job as exchange
from polyrelay.exchange.call import Demand
from polyrelay.exchange.job import Ask, Stage, Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, LyricsAsk, MusicAsk, Song
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.jobs.job import Job, Payer, Place, Price, kind_of
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel import ids
from polyrelay.kernel.ids import ExchangeId
from polyrelay.ledger.escrow import JOBS
from polyrelay.ledger.meters import Meter
from polyrelay.metering.sheet import ONE
from polyrelay.service.bank import Row
from polyrelay.service.jobs import booking
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.pricing import Pin
from polyrelay.storage.jobs.memory import MemoryJobStore
from polyrelay.storage.jobs.store import SqlJobStore
from polyrelay.wire.dialect import Asked, Declined, Garbled, Message, Unsupported
from support.books import WALLET, Books, MemoryBooks, Snapshot, SqlBooks, enrolment, opened
from support.till import tariff

AT = 1_800_000_000.0
TASK = 100
"""Nanos of one job."""
SONG = tariff("song", {"per_task": "0.0000001"})
SONG_ASK = MusicAsk("chirp-v4", prompt="la la la", tags="pop")
PLACE = Place("suno", "suno_native", "#1")
TWO_CLIPS = Song((Clip("up_1", ClipStatus.COMPLETE, audio_url="https://a/1"), Clip("up_2", ClipStatus.COMPLETE)))


def px(number: int, at: float = AT) -> ExchangeId:
    return ids.exchange_id(int(at * 1000), number.to_bytes(8, "big"))


def price(of: Any = SONG) -> Price:
    return Price(Pin(of, of.quote(AT)).document().decode(), ONE, None)


def job(number: int = 1, held: int = TASK, *, on: Sequence[Meter] = (WALLET,), **changes: Any) -> Job:
    """A job that is about to be submitted by worker `w1`."""
    values: dict[str, Any] = {
        "id": px(number), "payer": Payer("acc_1", None, "key_1", "default", tuple(meter.id for meter in on)),
        "surface": "suno", "kind": kind_of(changes.get("ask", SONG_ASK)), "ask": SONG_ASK, "model": "song",
        "held": held, "price": price(), "keeper": "w1", "created_at": AT, "demand": Demand(tasks=1), **changes,
    }  # fmt: skip
    return Job(**values)


def accepted(of: Job, **changes: Any) -> Job:
    """The same, once an upstream has it."""
    values: dict[str, Any] = {"place": PLACE, "upstreamed": Upstreamed(("up_1", "up_2")), "attempts": 1}
    return of.after(Event.ACCEPT, **(values | {"accepted_at": AT + 1} | changes))


def ended(of: Job, event: Event, usage: Usage | None = None, **changes: Any) -> tuple[Job, Event, Row]:
    """What the store is told of an end."""
    over = of.after(event, **({"finished_at": AT + 60, "watched": False} | changes))
    refused = event is Event.REFUSE
    told = booking.refused(over, 400, Outcome.REFUSED, "no") if refused else booking.record(over, event, usage)
    return over, event, booking.row(over, event, told, ZoneInfo)


def done(of: Job, tasks: int = 1) -> tuple[Job, Event, Row]:
    """A success that used so many tasks, at TASK nanos each."""
    return ended(of, Event.SUCCEED, Usage(tasks=tasks), result=TWO_CLIPS, progress=100)


@dataclass
class House:
    """Books and jobs."""

    books: Books
    store: JobStore

    async def work(self, *workers: str, lease: float = 60.0) -> None:
        for worker in workers:
            await self.books.bank.enrol(enrolment(worker), lease)

    async def die(self, worker: str) -> None:
        """Its lease is over."""
        await self.books.bank.renew(worker, -1.0)

    async def open(self, made: Job, on: Sequence[Meter] = (WALLET,), most: int = 0) -> Job:
        """Created and accepted."""
        await self.store.create(made, on, most)
        taken = accepted(made)
        assert await self.store.accept(taken)
        return taken

    async def held(self) -> dict[str, int]:
        return await self.books.bank.slices(JOBS)

    async def one(self, name: ExchangeId) -> Job:
        (found,) = await self.store.load([name])
        return found


@asynccontextmanager
async def housed(kind: str, folder: Path) -> AsyncIterator[House]:
    """Empty books, no jobs, workers `w1` and `w2`."""
    async with opened(kind, folder) as books:
        store: JobStore
        if isinstance(books, MemoryBooks):
            store = MemoryJobStore(books.bank)
        else:
            assert isinstance(books, SqlBooks)
            store = SqlJobStore(books.database)
        house = House(books, store)
        await house.work("w1", "w2")
        yield house


Scenario = Callable[[House], Awaitable[None]]
Play = Callable[[Scenario], Snapshot]


def playing(kind: str, folder: Path) -> Play:
    """Runs a scenario on empty books of a kind, and proves them afterwards."""

    async def run(scenario: Scenario) -> Snapshot:
        async with housed(kind, folder) as house:
            await scenario(house)
            snapshot = await house.books.snapshot()
            snapshot.check()
            return snapshot

    return lambda scenario: asyncio.run(run(scenario))


# ── a dialect of our own ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class PlainDialect:
    """`POST /make` answers an id, `GET /ask?ids=` an object of states by id; 4xx and 5xx have an `error`."""

    most: int = 20

    def most_polled(self, ask: Ask) -> int:
        del ask
        return self.most

    unsupported: frozenset[type] = field(default_factory=frozenset)

    def submit(self, ask: Ask, model: str) -> Message:
        if type(ask) in self.unsupported:
            raise Unsupported("not here")
        return Message("POST", "/make", json.dumps({"model": model, "ask": msgspec.to_builtins(ask)}).encode())

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, exchange.Snapshot]:
        said = self._said(status, body)
        return Upstreamed((said["id"],)), _snapshot(said) or exchange.Snapshot(Stage.SUBMITTED)

    def poll(self, jobs: Sequence[Asked]) -> Message:
        assert len(jobs) <= self.most
        return Message("GET", f"/ask?ids={','.join(job.upstreamed.ids[0] for job in jobs)}")

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[exchange.Snapshot | None]:
        said = self._said(status, body)
        return [_snapshot(said.get(job.upstreamed.ids[0])) for job in jobs]

    @staticmethod
    def _said(status: int, body: bytes) -> dict[str, Any]:
        try:
            said = json.loads(body)
        except ValueError as error:
            raise Garbled("no JSON") from error
        if status >= 400:
            raise Declined(str(said.get("error")), status)
        if not isinstance(said, dict):
            raise Garbled("no object")
        return said


def _snapshot(said: dict[str, Any] | None) -> exchange.Snapshot | None:
    if said is None or "stage" not in said:
        return None
    stage = Stage(said["stage"])
    usage = Usage(**said["usage"]) if "usage" in said else None
    made = TWO_CLIPS if stage is Stage.SUCCEEDED and not said.get("nothing") else None
    return exchange.Snapshot(
        stage, said.get("progress", 0), made, said.get("reason"), usage, tuple(said.get("clips", ()))
    )


LYRICS_ASK = LyricsAsk("rain")
