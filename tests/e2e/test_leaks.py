"""After thousands of exchanges of every kind nothing is left of them: no descriptor, no memory, no task, no object."""

import asyncio
import gc
import os
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from polyrelay.http.answer import Answer
from polyrelay.http.fast_lane import FastLane
from polyrelay.service.attempt import Attempt
from polyrelay.service.dispatch import Dispatch
from polyrelay.wiring.node import Node
from polyrelay.wiring.overrides import Overrides
from support import crowd
from support.processes import Vendor, channel, make_key, prices, relay, until

AT_ONCE = 20
WARM_UP = 300
EXCHANGES = 2000
POOLED_CONNECTIONS = 4 * AT_ONCE
"""Upstream connections that may be kept for the next requests."""
GROWTH_BYTES = 8 * 1024 * 1024
"""4 KB an exchange. The limits remember each for a minute, and allocators keep some pages."""

ENDS = {
    "good": {"200 [DONE]", "200 no end"},  # streamed; unary
    "closes": {"502 no end"},
    "resets": {"502 no end"},
    "reset-midway": {"200 no end"},
    "cut-midway": {"200 no end"},
    "cut-whole": {"502 no end"},
    "refused": {"400 no end"},
    "unheard-of": {"404 no end"},
}


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_relay_is_after_thousands_of_exchanges_as_it_was(fresh: Vendor, tmp_path: Path) -> None:
    with relay(tmp_path, channel("main", fresh.base_url, crowd.MODELS)) as served:
        pid = served.process.popen.pid
        visitors = crowd.Crowd(urlsplit(served.url).port or 0, served.key)

        def at_rest() -> bool:
            """Every exchange has ended, here and at the vendor."""
            return len(served.records()) == visitors.exchanges and fresh.state()["exchanges_active"] == 0

        def own_descriptors() -> int:
            return descriptors(pid) - fresh.state()["connections_open"]

        asyncio.run(visitors.visit(WARM_UP, AT_ONCE))
        until(at_rest, seconds=20)
        before, resident = own_descriptors(), resident_bytes(pid)
        asyncio.run(visitors.visit(EXCHANGES, AT_ONCE))
        until(at_rest, seconds=20)
        until(lambda: own_descriptors() <= before)
        assert fresh.state()["connections_open"] <= POOLED_CONNECTIONS
        assert resident_bytes(pid) - resident < GROWTH_BYTES
        assert crowd.sure_ends(visitors.ends, ENDS) == ENDS
        outcomes = Counter(record["outcome"] for record in served.records())
        assert set(outcomes) == {"complete", "truncated", "upstream_error", "client_gone", "refused"}
        assert "inside the relay" not in served.process.log.read_text()


def left_objects() -> Counter[str]:
    """What lives as long as an exchange or a connection. Objects older than the relay's start are frozen, not seen."""
    gc.collect()
    kinds = (Dispatch, Attempt, Answer, FastLane)
    return Counter(type(found).__name__ for found in gc.get_objects() if isinstance(found, kinds))


def test_no_task_and_no_object_of_an_exchange_outlives_it(fresh: Vendor, tmp_path: Path) -> None:
    """The relay's own composition, in this process, where its inside can be looked at."""
    file = tmp_path / "polyrelay.toml"
    text = channel("main", fresh.base_url, crowd.MODELS)
    server = f'[server]\nport = 0\ndata = "{tmp_path / "data"}"\ndrain_seconds = 1\n[log]\nexchanges = false\n'
    file.write_text(server + text + prices(text))
    node = Node(file, Overrides())
    key = make_key(file)

    async def main() -> None:
        ready = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(node._serve(ready.set_result))
        visitors = crowd.Crowd(urlsplit(await ready).port or 0, key)
        await visitors.visit(60, AT_ONCE)
        await quiet_down()
        tasks = len(asyncio.all_tasks())
        await visitors.visit(600, AT_ONCE)
        await quiet_down()
        assert len(asyncio.all_tasks()) == tasks
        assert left_objects() == Counter()
        node.stop()
        await serving
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def quiet_down() -> None:
        deadline = asyncio.get_running_loop().time() + 10
        while left_objects() or fresh.state()["exchanges_active"]:
            assert asyncio.get_running_loop().time() < deadline, left_objects()
            await asyncio.sleep(0.1)

    uvloop.run(asyncio.sleep(0))  # libuv opens a pipe of its own with the first loop
    before = descriptors(os.getpid())
    try:
        uvloop.run(main())
    finally:
        gc.unfreeze()
    assert descriptors(os.getpid()) <= before
