"""Jobs that were made, and all that follows their end, on every kind of store."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from polyrelay.exchange.job import Result, Stage, Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, MusicAsk, Song
from polyrelay.jobs import artefacts as things
from polyrelay.jobs.artefacts import Artefact
from polyrelay.jobs.job import Job, Kind, Payer, Place, Price
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.kernel.ids import ExchangeId, exchange_id
from polyrelay.service.artefacts.ports import ArtefactStore
from polyrelay.service.webhooks.ports import Delivery, DeliveryStore
from polyrelay.storage.delivery import outbox
from polyrelay.storage.delivery.artefacts import SqlArtefactStore
from polyrelay.storage.delivery.memory import MemoryArtefactStore, MemoryDeliveryStore
from polyrelay.storage.delivery.webhooks import SqlDeliveryStore
from polyrelay.storage.jobs import rows
from polyrelay.storage.sql.database import Database, Tx, open_postgres, open_sqlite
from support import postgres
from support.books import HandClock

KINDS = ("memory", "sqlite", "postgresql")
KEEPING = "keeping"
"""Name of the channel whose jobs' things are kept."""

URL = "https://hooks.example.com/done?token=t"


def job_id(number: int) -> ExchangeId:
    return exchange_id(1_800_000_000_000 + number, number.to_bytes(8, "big"))


def clip(number: int, **members: Any) -> Clip:
    urls = {"audio_url": f"https://cdn.example.com/{number}.mp3", "image_url": f"https://cdn.example.com/{number}.jpeg"}
    return Clip(f"up-{number}", ClipStatus.COMPLETE, **{**urls, **members})


SONG = Song((clip(0), clip(1)))


def made(number: int, *, result: Result | None = SONG, **changes: Any) -> Job:
    """A job that has succeeded."""
    job = Job(
        id=job_id(number),
        payer=Payer("acc_1", None, "key_1", "default", ("wallet:acc_1",)),
        surface="suno_native",
        kind=Kind.MUSIC,
        ask=MusicAsk("chirp-v4", prompt="la la"),
        model="chirp-v4",
        held=0,
        price=Price("{}", 1, None),
        keeper="w1",
        created_at=1_800_000_000.0,
        notify=URL,
        state=State.SUCCEEDED,
        stage=Stage.SUCCEEDED,
        progress=100,
        result=result,
        place=Place("main", "sandbox", "#1"),
        upstreamed=Upstreamed(("up-0", "up-1")),
        finished_at=1_800_000_060.0,
    )
    return msgspec.structs.replace(job, **changes)


def kept(number: int, **changes: Any) -> Job:
    """A job whose things are to be kept."""
    return made(number, place=Place(KEEPING, "sandbox", "#1"), **changes)


class Sequel:
    """The stores of what follows a job's end, and the hands of clock and database."""

    deliveries: DeliveryStore
    artefacts: ArtefactStore

    async def end(self, job: Job, event: Event = Event.SUCCEED) -> None:
        """As the transaction does that ends a job."""
        raise NotImplementedError

    async def throw_away(self, job: ExchangeId) -> None:
        """As the transaction does that hides a job."""
        raise NotImplementedError

    async def pass_by(self, seconds: float) -> None:
        """Let so much time go by."""
        raise NotImplementedError

    async def log(self, delivery: str) -> list[tuple[int, int | None, str | None]]:
        """Number, status and error of every attempt that was written down."""
        raise NotImplementedError

    async def state(self, delivery: str) -> tuple[str, int, bool] | None:
        """State, attempts begun, and whether it is still to be looked at."""
        raise NotImplementedError


@dataclass
class MemorySequel(Sequel):
    clock: HandClock
    deliveries: MemoryDeliveryStore
    artefacts: MemoryArtefactStore

    async def end(self, job: Job, event: Event = Event.SUCCEED) -> None:
        self.deliveries.ended(job, event)

    async def throw_away(self, job: ExchangeId) -> None:
        self.artefacts.thrown_away(job)

    async def pass_by(self, seconds: float) -> None:
        self.clock.now += seconds

    async def log(self, delivery: str) -> list[tuple[int, int | None, str | None]]:
        rows = self.deliveries.rows.get(delivery)
        return [] if rows is None else [(n, each.status, each.error) for n, each in sorted(rows.attempts.items())]

    async def state(self, delivery: str) -> tuple[str, int, bool] | None:
        row = self.deliveries.rows.get(delivery)
        return None if row is None else (row.state.value, row.delivery.attempts, row.next_at is not None)


@dataclass
class SqlSequel(Sequel):
    database: Database
    deliveries: SqlDeliveryStore
    artefacts: SqlArtefactStore

    async def end(self, job: Job, event: Event = Event.SUCCEED) -> None:
        await self.database.write(lambda tx: outbox.ended(tx, job, event, keeps))

    async def throw_away(self, job: ExchangeId) -> None:
        await self.database.write(lambda tx: outbox.thrown_away(tx, job))

    async def pass_by(self, seconds: float) -> None:
        """All times move into the past instead: the database's clock is its own."""

        async def work(tx: Tx) -> None:
            for table, columns in _TIMES.items():
                moved = ", ".join(f"{column} = {column} - {seconds}" for column in columns)
                await tx.execute(f"UPDATE {table} SET {moved}")

        await self.database.write(work)

    async def log(self, delivery: str) -> list[tuple[int, int | None, str | None]]:
        sql = "SELECT * FROM webhook_attempts WHERE delivery_id = $1 ORDER BY number"
        rows = await self.database.read(lambda tx: tx.fetch(sql, delivery))
        return [(row["number"], row["status"], row["error"]) for row in rows]

    async def state(self, delivery: str) -> tuple[str, int, bool] | None:
        rows = await self.database.read(lambda tx: tx.fetch("SELECT * FROM webhook_deliveries WHERE id = $1", delivery))
        return (rows[0]["state"], rows[0]["attempts"], rows[0]["next_at"] is not None) if rows else None


_TIMES = {
    "webhook_deliveries": ("next_at", "created_at", "finished_at"),
    "artefacts": ("next_at", "created_at", "stored_at", "expires_at"),
}


def keeps(channel: str) -> bool:
    return channel == KEEPING


@asynccontextmanager
async def opened(kind: str, data: Path) -> AsyncIterator[Sequel]:
    if kind == "memory":
        clock = HandClock()
        kept_things = MemoryArtefactStore(clock)
        yield MemorySequel(clock, MemoryDeliveryStore(clock, kept_things, keeps), kept_things)
        return
    database = await (open_sqlite(data) if kind == "sqlite" else open_postgres(postgres.ready_database()))
    try:
        yield SqlSequel(database, SqlDeliveryStore(database), SqlArtefactStore(database))
    finally:
        await database.close()


def of(deliveries: Sequence[Delivery]) -> set[str]:
    """The jobs of some deliveries."""
    return {each.job for each in deliveries}


def slots(found: Sequence[Artefact]) -> list[str]:
    return sorted(each.slot for each in found)


def rendered(job: Job) -> bytes:
    """A job in a dialect of the tests' own: its id, state and every address in its result."""
    urls = {medium.slot: medium.url for medium in things.media(job.result)}
    return json.dumps({"id": job.id, "state": job.state, "urls": urls}).encode()


async def write(database: Database, job: Job, event: Event = Event.SUCCEED) -> None:
    """The row of a job, and what its end leaves to be done, in one transaction, as `SqlJobStore` does."""
    columns = (*rows.FIXED, *rows.CHANGING)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))

    async def work(tx: Tx) -> None:
        sql = f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({places})"
        await tx.execute(sql, *rows.fixed(job), *rows.changing(job))
        await outbox.ended(tx, job, event, keeps)

    await database.write(work)
