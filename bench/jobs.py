"""What it costs to watch long jobs: `python bench/jobs.py [--quick] [--jobs 1000] [--out FILE]`.

The poller of one worker, with its real HTTP client, SQLite and books, asks a feed of songs in another process. Prints a
table and writes it to bench/JOBS.md; a quick run writes nothing.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import uvloop
from machine import Machine, resident_mb

from polyrelay.background.poller import Poller
from polyrelay.exchange.call import Demand
from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, MusicAsk, Song
from polyrelay.jobs.job import Job, Kind, Payer, Place, Price
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel import ids
from polyrelay.ledger import meters
from polyrelay.metering import read
from polyrelay.metering.book import TariffBook
from polyrelay.metering.sheet import ONE
from polyrelay.metering.tariff import Source
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service.bank import Enrolment
from polyrelay.service.jobs.rota import Rota
from polyrelay.service.jobs.works import Board, Works
from polyrelay.service.line import Lines
from polyrelay.service.pricing import Pin, Pricing
from polyrelay.settings.jobs import JobSettings
from polyrelay.state.clock import SystemClock
from polyrelay.storage.books import transfers
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.books.transfers import Note
from polyrelay.storage.jobs.store import SqlJobStore
from polyrelay.storage.sql.database import Database, Tx, open_sqlite
from polyrelay.telemetry.records import NoRecords
from polyrelay.upstream.curl import CurlUpstream
from polyrelay.wire.dialect import Asked, Message

ROOT = Path(__file__).parents[1]
OUT = ROOT / "bench" / "JOBS.md"
GOAL = 0.05
OK = 200
LIFE_SECONDS = 120.0
"""Of a song in the row with coming and going: what Suno takes."""
ACCOUNT, KEEPER = "acc_1", "wk_bench"
TARIFF = read.tariff({"model": "song", "version": "1", "sell": {"per_task": "0.1"}}, source=Source.FILE, zones=ZoneInfo)
PRICE = Price(Pin(TARIFF, TARIFF.quote(0.0)).document().decode(), ONE, None)
LYRICS = "la la la, what a song this is, and on it goes\n" * 20


# ── the feed, in a process of its own ────────────────────────────────────────────────────────────────────────────


class Feed(asyncio.Protocol):
    """Answers `GET /feed?ids=…` with two clips each, as Suno's feed has them: about 3 KB a song.

    A song's name ends with the time at which it is complete, so that the feed remembers nothing.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """One answer for each request."""
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            names = head.partition(b"ids=")[2].partition(b" ")[0].decode().split(",")
            body = json.dumps([clip for name in names for clip in _clips(name)]).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


def _clips(name: str) -> list[dict[str, Any]]:
    done = time.time() >= float(name.rpartition("-")[2])
    status = "complete" if done else "streaming"
    return [
        {
            "id": f"{name}_{number}", "status": status, "title": "A song", "audio_url": f"https://cdn.example/{name}.mp3",
            "video_url": "", "image_url": f"https://cdn.example/{name}.jpeg", "major_model_version": "v4",
            "model_name": "chirp-v4", "created_at": "2026-11-22T12:00:00.000Z", "is_liked": False, "user_id": "u" * 36,
            "display_name": "somebody", "play_count": 0, "upvote_count": 0, "is_public": False,
            "metadata": {"tags": "pop", "prompt": LYRICS, "type": "gen", "duration": 120.0 if done else None},
        }
        for number in range(2)
    ]  # fmt: skip


async def feed() -> None:
    """Serve until killed; says its port."""
    server = await asyncio.get_running_loop().create_server(Feed, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class _Metadata(msgspec.Struct):
    tags: str = ""
    prompt: str = ""
    duration: float | None = None


class _Clip(msgspec.Struct):
    id: str
    status: str
    title: str
    audio_url: str
    metadata: _Metadata


_decode = msgspec.json.Decoder(list[_Clip]).decode


@dataclass
class FeedDialect:
    """Implements `Dialect`, as much of it as polling needs. `heard` counts answers about a job."""

    most: int
    heard: int = 0

    def most_polled(self, ask: Ask) -> int:
        """The same for every kind."""
        del ask
        return self.most

    def submit(self, ask: Ask, model: str) -> Message:
        """Songs are made without asking the feed."""
        raise NotImplementedError

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:
        """As above."""
        raise NotImplementedError

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """The feed of these songs."""
        return Message("GET", f"/feed?ids={','.join(job.upstreamed.ids[0] for job in jobs)}")

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
        """Both clips of each."""
        found = _decode(body) if status == OK else []
        self.heard += len(jobs)
        return [_snapshot(found[2 * number : 2 * number + 2]) for number in range(len(jobs))]


def _snapshot(found: Sequence[_Clip]) -> Snapshot:
    clips = tuple(
        Clip(
            each.id, ClipStatus(each.status), each.title, each.audio_url, lyrics=each.metadata.prompt,
            tags=each.metadata.tags, duration=each.metadata.duration,
        )
        for each in found
    )  # fmt: skip
    over = all(clip.status is ClipStatus.COMPLETE for clip in clips)
    return Snapshot(Stage.SUCCEEDED if over else Stage.RUNNING, 50, Song(clips))


# ── the worker ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Worker:
    """A poller with everything it needs, and who makes songs."""

    works: Works
    board: Board
    dialect: FeedDialect
    ended: int = 0
    """Songs that were made and have ended."""

    async def make(self, number: int, life: float, *, spread: bool = False) -> None:
        """So many songs under way that end after `life` seconds, or `spread` over them (0: they have no end)."""
        now, wallet = time.time(), meters.wallet(ACCOUNT)
        for _ in range(number):
            name = ids.exchange_id(int(now * 1000), os.urandom(ids.ENTROPY_BYTES))
            until = now + (random.uniform(0, life) if spread else life) if life else 9e9
            job = Job(
                id=name, payer=Payer(ACCOUNT, None, "key_1", "default", (wallet.id,)), surface="suno", kind=Kind.MUSIC,
                ask=MusicAsk("chirp-v4", LYRICS), model="song", held=100_000_000, price=PRICE, keeper=KEEPER,
                created_at=now, demand=Demand(tasks=1),
            )  # fmt: skip
            await self.works.store.create(job, [wallet], 0)
            place, known = Place("feed", "suno_native", "#1"), Upstreamed((f"{name}-{until}",))
            taken = job.after(Event.ACCEPT, place=place, upstreamed=known, attempts=1, accepted_at=now)
            await self.works.store.accept(taken)
            self.board.watch(taken, self.works.clock.monotonic(), self.works.settings().pace_seconds)

    async def keep(self, number: int) -> None:
        """Make a new song for each that ends."""
        while True:
            await asyncio.sleep(0.25)
            missing = max(0, number - len(self.board.rota))
            self.ended += missing
            await self.make(missing, LIFE_SECONDS)


@asynccontextmanager
async def working(database: Database, port: int, most_polled: int) -> AsyncIterator[Worker]:
    """A worker whose poller runs."""
    loop = asyncio.get_running_loop()
    upstream = CurlUpstream(loop)
    channel = Channel(
        "feed", "suno_native", f"http://127.0.0.1:{port}", (Credential("#1", "secret"),), {"song": "song"}
    )
    catalog, settings = Catalog((channel,)), JobSettings()

    async def nobody(_: Sequence[str]) -> None:
        """There are no others."""

    dialect = FeedDialect(most_polled)
    works = Works(
        store=SqlJobStore(database), upstream=upstream, dialects={"suno_native": dialect},
        pricing=Pricing(TariffBook([TARIFF])), zones=ZoneInfo, records=NoRecords(), refuse=lambda *_: None,
        clock=SystemClock(), timers=loop, user_agent="polyrelay/bench", catalog=lambda: catalog,
        settings=lambda: settings, keeper=lambda: KEEPER, recall=nobody, pause=asyncio.sleep, lines=Lines(),
    )  # fmt: skip
    board = Board(Rota(lambda: random.uniform(-1, 1)))
    poller = Poller(works, board)
    running = asyncio.create_task(poller.run())
    try:
        yield Worker(works, board, dialect)
    finally:
        poller.stop()
        await running
        await poller.close()
        upstream.close()


async def prepared(folder: Path) -> Database:
    """Books with one rich account and one live worker."""
    database = await open_sqlite(folder)

    async def account(tx: Tx) -> None:
        await tx.execute("INSERT INTO accounts (id, name, created_at) VALUES ($1, $1, 0.0)", ACCOUNT)
        await transfers.topup(tx, ACCOUNT, 10**15, Note("bench"))

    await database.write(account)
    await SqlBank(database).enrol(Enrolment(KEEPER, "here", "", os.getpid()), 1e9)
    return database


async def sampled(port: int, jobs: int, most_polled: int, seconds: float, *, coming: bool) -> list[str]:
    """One row of the table."""
    with tempfile.TemporaryDirectory(prefix="polyrelay-jobs-") as folder:
        database = await prepared(Path(folder))
        try:
            async with working(database, port, most_polled) as worker:
                await worker.make(jobs, LIFE_SECONDS if coming else 0.0, spread=True)
                keeping = asyncio.create_task(worker.keep(jobs if coming else 0))
                await asyncio.sleep(2 * worker.works.settings().pace_seconds)
                worker.ended = 0
                cpu, began, heard = time.process_time(), time.perf_counter(), worker.dialect.heard
                await asyncio.sleep(seconds)
                cpu, wall = time.process_time() - cpu, time.perf_counter() - began
                heard = worker.dialect.heard - heard
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        finally:
            await database.close()
    share = cpu / wall
    verdict = "reached" if share < GOAL else f"**missed** by {share / GOAL - 1:.0%}"
    title = f"{worker.ended / wall:.1f} songs end a second, and begin" if coming else "nothing changes"
    resident = f"{resident_mb([os.getpid()]):.0f}"
    return [title, f"{most_polled}", f"{jobs}", f"{heard / wall:.0f}", f"{share:.1%}", verdict, resident]


async def measure(jobs: int, seconds: float) -> list[list[str]]:
    """Every row."""
    command = [sys.executable, __file__, "--feed"]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - once
    try:
        assert serving.stdout is not None
        port = int(serving.stdout.readline())
        cases = ((1, False), (20, False), (20, True))
        return [await sampled(port, jobs, most, seconds, coming=coming) for most, coming in cases]
    finally:
        serving.kill()
        serving.wait()


def report(here: Machine, rows: Sequence[Sequence[str]], seconds: float) -> str:
    """The page."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    head = [
        "what happens",
        "jobs a question",
        "jobs in flight",
        "heard of a second",
        "of a core",
        f"goal {GOAL:.0%}",
        "resident MB",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([
        "# Long jobs\n\nMade by `bench/jobs.py`; do not edit.\n",
        f"* date: {datetime.now(UTC).isoformat(timespec='seconds')}; commit {commit.stdout.strip() or 'unknown'}",
        f"* machine: {here.cpu}, {here.cores} cores, {here.memory_gb} GB, Linux {here.kernel}; Python {here.python}",
        f"* load average when it began: {here.load_average}\n",
        f"CPU of a process that watches songs at a pace of 5 s, with SQLite and its HTTP client, over {seconds:.0f} s.",
        "The feed answers 3 KB for each song.\n",
        *lines,
        "",
    ])  # fmt: skip


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Measure what it costs to watch long jobs.")
    parser.add_argument("--quick", action="store_true", help="some seconds each, to see that everything works")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--feed", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.feed:
        uvloop.run(feed())
        return 0
    seconds = 10.0 if given.quick else 60.0
    here = Machine.here()
    page = report(here, uvloop.run(measure(given.jobs, seconds)), seconds)
    print(page)
    if not given.quick:
        given.out.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
