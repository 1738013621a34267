"""Five hundred exchanges at once on SQLite: its one writer is never in anybody's way."""

import asyncio
from pathlib import Path

from crash.shop import opened_shop
from support import customers
from support.customers import Answer
from support.processes import Vendor

AT_ONCE = 500
CREDIT = 10**6 * 10**9
OPEN_FOR = "sandbox:tokens=10,first=3s"
"""Long enough for all of them to be open together."""


def test_five_hundred_exchanges_at_once_find_no_lock(fresh: Vendor, tmp_path: Path) -> None:
    with opened_shop(
        tmp_path, fresh, "sqlite", '{ input_text = "1", output_text = "2" }', OPEN_FOR, credit=CREDIT
    ) as shop:
        answers, most = asyncio.run(crowd(shop.port, shop.key, fresh))
        assert most == AT_ONCE
        assert all(answer.paid for answer in answers), {(answer.status, answer.code) for answer in answers}
        shop.ledger.posted(answers, seconds=20).check(answers)
    assert "database is locked" not in shop.log.read_text()
    shop.ledger.read().check_closed()


async def crowd(port: int, key: str, vendor: Vendor) -> tuple[list[Answer], int]:
    """Streams and whole answers, and how many the vendor saw open at once."""
    asking = [asyncio.create_task(customers.ask(port, key, stream=number % 2 == 0)) for number in range(AT_ONCE)]
    most = 0
    while not all(task.done() for task in asking):
        most = max(most, (await asyncio.to_thread(vendor.state))["exchanges_active"])
        await asyncio.sleep(0.05)
    return [answer for task in asking if (answer := task.result()) is not None], most
