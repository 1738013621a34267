"""The database is away for a while: no client notices while escrow lasts, none is served without funds afterwards."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crash.shop import Shop, opened_shop
from support import customers, postgres
from support.customers import Answer
from support.processes import Vendor, http, until

PER_CALL = '{ per_request = "0.01" }'
CALL_NANOS = 10_000_000
VENDOR = "sandbox:tokens=5,first=30ms"
CLIENTS = 4
PAUSE_SECONDS = 0.25
"""Between two requests of a client: a worker that did not know it would be left alone has escrow for some hundreds."""
BURST = 100
PRIMED = 500
"""Calls that are set apart before the database goes away: more than the clients make meanwhile."""

AFTER_SECONDS = 2.0
AWAY_SECONDS = 10.0
PLENTY = 10**6 * CALL_NANOS
FEW = 400
"""Calls of credit: an eighth of what a burst leaves is set apart beyond what was wanted."""


class Load:
    """Clients that ask until told to stop, in a thread: what stops and starts a server stays in the main one, whose end
    the server would follow.
    """

    def __init__(self, shop: Shop, wanted: int = PRIMED) -> None:
        self._shop = shop
        self._wanted = wanted
        self.answers: list[Answer] = []
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Beside the block, and some moments after it. Bursts come first, because a worker sets apart by how much was
        wanted at once.
        """
        until(self._primed, seconds=30)
        thread = threading.Thread(target=lambda: asyncio.run(self._clients()))
        thread.start()
        try:
            yield
            time.sleep(AFTER_SECONDS)
        finally:
            self._over.set()
            thread.join()

    def _primed(self) -> bool:
        asyncio.run(self._burst())
        return sum(self._shop.ledger.read().snapshot.slices.values()) >= self._wanted * CALL_NANOS

    async def _burst(self) -> None:
        await asyncio.gather(*[self._ask(number) for number in range(BURST)])

    async def _clients(self) -> None:
        await asyncio.gather(*[self._client(number) for number in range(CLIENTS)])

    async def _client(self, number: int) -> None:
        while not self._over.is_set():
            await self._ask(number)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, number: int) -> None:
        answer = await customers.ask(self._shop.port, self._shop.key, stream=number % 2 == 0)
        assert answer is not None
        self.answers.append(answer)


@contextmanager
def locked(shop: Shop) -> Iterator[None]:
    """Another process holds the write lock."""
    connection = sqlite3.connect(shop.ledger.data / "polyrelay.db", isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """One of our own, to stop and start."""
    made = postgres.Server()
    made.start()
    try:
        yield made
    finally:
        made.remove()


def check_all_served(shop: Shop, answers: list[Answer]) -> None:
    assert len(answers) > BURST + 10 * CLIENTS
    wrong = [(answer.status, answer.code, answer.message) for answer in answers if not answer.paid]
    assert wrong == []
    shop.ledger.posted(answers, seconds=20).check(answers)


def stopped(server: postgres.Server) -> None:
    server.stop()
    time.sleep(AWAY_SECONDS)
    server.start()


def read_only(server: postgres.Server) -> None:
    for setting, seconds in (("on", AWAY_SECONDS / 2), ("off", 0)):
        server.sql(f"ALTER SYSTEM SET default_transaction_read_only = {setting}")
        server.sql("SELECT pg_reload_conf()")
        time.sleep(seconds)


@pytest.mark.parametrize("fault", [stopped, read_only])
def test_postgresql_away_under_load_is_not_noticed_while_escrow_lasts(
    fault: Callable[[postgres.Server], None], server: postgres.Server, fresh: Vendor, tmp_path: Path
) -> None:
    url = server.fresh_database()
    with opened_shop(tmp_path, fresh, url, PER_CALL, VENDOR, credit=PLENTY, workers=1) as shop:
        load = Load(shop)
        with load.running():
            fault(server)
        check_all_served(shop, load.answers)
        until(lambda: http.get(f"{shop.relay.url}/readyz").status_code == 200)
    shop.ledger.read().check_closed()


def test_when_escrow_is_used_up_the_refusal_is_honest(server: postgres.Server, fresh: Vendor, tmp_path: Path) -> None:
    url = server.fresh_database()
    with opened_shop(tmp_path, fresh, url, PER_CALL, VENDOR, credit=FEW * CALL_NANOS, workers=1) as shop:
        load = Load(shop, wanted=0)
        with load.running():
            server.stop()
            until(lambda: any(not answer.paid for answer in load.answers), seconds=30)
            server.start()
        refused = [answer for answer in load.answers if not answer.paid]
        assert {(answer.status, answer.code) for answer in refused if answer.code != customers.EXHAUSTED} == {
            (503, "ledger_unavailable")
        }
        assert sum(answer.paid for answer in load.answers) <= FEW
        shop.ledger.posted(load.answers, seconds=20).check(load.answers)


def test_a_locked_sqlite_file_is_not_noticed(fresh: Vendor, tmp_path: Path) -> None:
    with opened_shop(tmp_path, fresh, "sqlite", PER_CALL, VENDOR, credit=PLENTY, workers=1) as shop:
        load = Load(shop)
        with load.running(), locked(shop):
            time.sleep(AWAY_SECONDS / 2)
        check_all_served(shop, load.answers)
        assert "database is locked" not in shop.log.read_text()
    shop.ledger.read().check_closed()
