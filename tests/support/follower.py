"""A process that does what follows the end of jobs, and nothing else: `python -m support.follower CONFIG`.

It renders jobs in the tests' own dialect, says `ready`, and runs until it is ended, kindly or not.
"""

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from polyrelay.config import channels as channel_settings
from polyrelay.config import load
from polyrelay.routing.catalog import Catalog
from polyrelay.state.clock import SystemClock
from polyrelay.storage.jobs.store import SqlJobStore
from polyrelay.storage.secrecy import custody
from polyrelay.storage.sql.database import opened
from polyrelay.upstream.outside import CurlOutside
from polyrelay.wiring.delivery import Delivery, Surroundings, stores
from support.made import rendered


async def main(config: Path) -> None:
    found = load.read(config, os.environ)
    settings, data = found.settings, Path(found.settings.server.data)
    catalog = Catalog(channel_settings.resolve(settings, os.environ, found.source.where))
    async with opened(settings.database.url, data) as database:
        await custody.establish(data, database)
        outside = CurlOutside(asyncio.get_running_loop())
        around = Surroundings(
            lambda: settings,
            lambda: catalog,
            lambda: settings.server.public_url,
            SystemClock(),
            outside,
            {"suno_native": rendered},
        )
        delivery = Delivery(database, data, SqlJobStore(database, stores(lambda: catalog)), around)
        tasks = [asyncio.create_task(chore) for chore in delivery.chores(tidies=True)]
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
