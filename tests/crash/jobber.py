"""A relay's books and jobs without its HTTP side: submits songs until it is killed, or waits for all of them to end.

Prints the id of each song that was taken on, as its client would be told.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import uvloop

from polyrelay.kernel import errors, ids
from polyrelay.metering.book import TariffBook
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service import world
from polyrelay.service.jobs.commission import Commission
from polyrelay.service.jobs.desk import JobDesk
from polyrelay.service.ports import Keys, Limits
from polyrelay.service.relay import Relay
from polyrelay.service.world import World
from polyrelay.settings.jobs import JobSettings
from polyrelay.settings.ledger import LedgerSettings
from polyrelay.settings.root import Settings
from polyrelay.state.clock import SystemClock
from polyrelay.state.entropy import Entropy
from polyrelay.state.generation import Generation
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.jobs.store import SqlJobStore
from polyrelay.storage.sql.database import opened
from polyrelay.telemetry.records import NoRecords
from polyrelay.upstream.curl import CurlUpstream
from polyrelay.wiring.books import Books
from polyrelay.wiring.jobs import Jobs
from support.jobs import SONG, SONG_ASK, PlainDialect
from support.workshop import CALL, HOLDER

AT_ONCE = 4
PROVIDER = "sandbox"
SETTINGS = Settings(jobs=JobSettings(pace_seconds=0.1, late_watch_seconds=0.0), ledger=LedgerSettings(lease_seconds=5))


async def serve(url: str, data: Path, vendor: str, *, drain: bool) -> None:
    loop, clock = asyncio.get_running_loop(), SystemClock()
    credential = Credential("#1", "secret")
    catalog = Catalog([Channel("main", PROVIDER, vendor, (credential,), {"song": "song"})])
    nobody = cast("Any", None)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(url, data))
        shared = stack.enter_context(closing(Generation.open(data)))
        upstream = stack.enter_context(closing(CurlUpstream(loop)))
        books = Books(SqlBank(database), data, SETTINGS.ledger, TariffBook([replace(SONG)]), clock, shared)
        adapters = World(
            upstream, cast("Keys", nobody), cast("Limits", nobody), books.treasury, NoRecords(), clock, loop, Entropy()
        )
        relay = Relay(adapters, world.snapshot(SETTINGS, catalog, "polyrelay/test"))
        unseen = cast("Any", nobody)
        jobs = Jobs(
            relay, SqlJobStore(database), books, "polyrelay/test", unseen, unseen, unseen, {PROVIDER: PlainDialect()}
        )
        await stack.enter_async_context(books.running())
        await stack.enter_async_context(jobs.running())
        if drain:
            sql = "SELECT id FROM jobs WHERE watched = 1"
            while await database.read(lambda tx: tx.fetch(sql)):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.05)
        else:
            await asyncio.gather(*[customer(jobs.desk, catalog) for _ in range(AT_ONCE)])


async def customer(desk: JobDesk, catalog: Catalog) -> None:
    candidates, entropy = tuple(catalog.candidates()), Entropy()
    while True:
        name = ids.exchange_id(int(time.time() * 1000), entropy(ids.ENTROPY_BYTES))
        try:
            await desk.submit(Commission(name, HOLDER, "suno", SONG_ASK, CALL, candidates))
        except errors.Refusal as refusal:
            sys.stdout.write(f"refused {name} {refusal.code}\n")
        else:
            sys.stdout.write(f"taken {name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2]), sys.argv[3], drain=sys.argv[4] == "drain"))
