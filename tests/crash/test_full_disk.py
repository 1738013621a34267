"""No space left: a limit on file sizes stands in for the full disk, since both refuse what is not allocated yet."""

import asyncio
import resource
from pathlib import Path

import httpx2

from crash.shop import Shop, opened_shop
from support import customers
from support.customers import Answer
from support.processes import Vendor, http, until

ALLOCATED = 1 << 20
"""Bytes of a new journal, `journal.STEP`: what it has is its own, more is refused."""

STREAMS = 300
"""More than fit: each reserves room for its end, `entries.SETTLE_ROOM`."""

SLOW = "sandbox:tokens=60,pace=30ms"
CREDIT = 1000 * 10**9


def limit(pid: int, size: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def readiness(shop: Shop) -> httpx2.Response:
    return http.get(f"{shop.relay.url}/readyz")


def test_a_full_disk_refuses_new_holds_and_ends_the_old_ones_well(fresh: Vendor, tmp_path: Path) -> None:
    quiet = "[log]\nexchanges = false\n"
    with opened_shop(
        tmp_path, fresh, "sqlite", '{ per_request = "0.01" }', SLOW, credit=CREDIT, workers=1, more=quiet
    ) as shop:
        assert asyncio.run(customers.ask(shop.port, shop.key)) is not None
        limit(shop.relay.process.popen.pid, ALLOCATED)
        answers, seen = asyncio.run(crowd(shop))
        refused = [answer for answer in answers if answer.status != 200]
        assert refused
        assert {answer.status for answer in refused} == {503}
        assert seen.status_code == 503
        assert "the journal cannot be written" in seen.text
        assert all(answer.paid for answer in answers if answer.status == 200)
        assert sum(answer.paid for answer in answers) > STREAMS / 2
        until(lambda: readiness(shop).status_code == 200)  # what ended gave its room back, and nobody had to ask
        after = asyncio.run(more(shop))
        assert all(answer.paid for answer in after)
        limit(shop.relay.process.popen.pid, resource.RLIM_INFINITY)
        after += asyncio.run(more(shop, STREAMS))
        assert all(answer.paid for answer in after)
        shop.ledger.posted([*answers, *after]).check([*answers, *after])
    shop.ledger.read().check_closed()


async def crowd(shop: Shop) -> tuple[list[Answer], httpx2.Response]:
    """More streams at once than the journal has room for, and what /readyz says meanwhile."""
    asking = [asyncio.create_task(customers.ask(shop.port, shop.key, stream=True)) for _ in range(STREAMS)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    seen = await asyncio.to_thread(readiness, shop)
    return [answer for answer in await asyncio.gather(*asking) if answer is not None], seen


async def more(shop: Shop, count: int = 10) -> list[Answer]:
    found = await asyncio.gather(*[customers.ask(shop.port, shop.key, stream=True) for _ in range(count)])
    return [answer for answer in found if answer is not None]
