"""Two machines on one PostgreSQL. One is cut off past its lease, and comes back."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from crash.shop import Shop, opened_shop
from support import customers, postgres
from support.customers import Answer
from support.processes import RelayProcess, Vendor, http, running, until
from support.proxies import Line, line

CALL_NANOS = 10_000_000
CALLS = 300
LEASE_SECONDS = 5.0
NOTICE_SECONDS = 15.0
"""More than what is left of the lease and a look of the other machine at it."""

LEDGER = f"[ledger]\nlease_seconds = {LEASE_SECONDS}\n"


def test_a_worker_cut_off_past_its_lease_spends_nothing_and_loses_nothing(fresh: Vendor, tmp_path: Path) -> None:
    url = postgres.ready_database()
    with line(socket_path(url)) as wire, two_machines(tmp_path, fresh, url, wire) as (shop, far):
        asyncio.run(scene(shop, far, wire))
    shop.ledger.read().check_closed()


async def scene(shop: Shop, far: int, wire: Line) -> None:
    """`shop` is the near machine, `far` the port of the one behind `wire`."""
    answers = [answer for _ in range(3) if (answer := await customers.ask(far, shop.key)) is not None]
    assert all(answer.paid for answer in answers)
    wire.cut()
    cut = time.time()
    steady = asyncio.create_task(ask_until_refused(far, shop.key))
    await asyncio.to_thread(until, lambda: shop.ledger.read().states["suspense"] == 1, NOTICE_SECONDS)
    answers += await steady
    assert [(answer.status, answer.code) for answer in answers if not answer.paid] == [(503, "ledger_unavailable")]
    assert max(answer.began for answer in answers if answer.paid) < cut + LEASE_SECONDS
    assert any(cut < answer.began for answer in answers if answer.paid), "it lived on its escrow"
    assert http.get(f"http://127.0.0.1:{far}/readyz").status_code == 503

    near = await spend(shop.port, shop.key, 4.0)
    held = Counter(answer.code for answer in near)
    assert held[customers.IN_FLIGHT], "what is in suspense may come back, so no refusal is final"
    assert not held[customers.EXHAUSTED]
    answers += near

    wire.heal()
    await asyncio.to_thread(
        until, lambda: http.get(f"http://127.0.0.1:{far}/readyz").status_code == 200, NOTICE_SECONDS
    )
    answers += await spend(far, shop.key, 30.0)
    assert answers[-1].code == customers.EXHAUSTED
    assert sum(answer.paid for answer in answers) == CALLS
    proof = await asyncio.to_thread(shop.ledger.posted, answers)
    proof.check(answers)
    assert len(proof.charged) == CALLS


async def ask_until_refused(port: int, key: str) -> list[Answer]:
    answers: list[Answer] = []
    while not answers or answers[-1].paid:
        answer = await customers.ask(port, key)
        assert answer is not None
        answers.append(answer)
        await asyncio.sleep(0.5)
    return answers


async def spend(port: int, key: str, seconds: float) -> list[Answer]:
    found = await asyncio.gather(*[customers.insist(port, key, seconds=seconds) for _ in range(8)])
    return sorted([answer for answers in found for answer in answers], key=lambda answer: answer.ended)


@contextmanager
def two_machines(folder: Path, vendor: Vendor, url: str, wire: Line) -> Iterator[tuple[Shop, int]]:
    """The near one, and the port of the far one, which shares its database and secrets and has a folder of its own."""
    near, far = folder / "near", folder / "far"
    near.mkdir()
    far.mkdir()
    sell, upstream = '{ per_request = "0.01" }', "sandbox:tokens=5,first=20ms"
    with opened_shop(near, vendor, url, sell, upstream, credit=CALLS * CALL_NANOS, workers=1, more=LEDGER) as shop:
        (far / "data").mkdir(mode=0o700)
        shutil.copy(near / "data" / "secrets.toml", far / "data" / "secrets.toml")
        text = shop.relay.config.read_text().replace(str(near), str(far))
        file = far / "polyrelay.toml"
        file.write_text(text.replace(url, f"postgresql://polyrelay@127.0.0.1:{wire.port}{urlsplit(url).path}"))
        with running(far / "relay.log", "serve", "--config", str(file)) as process:
            yield shop, urlsplit(RelayProcess(process, file, shop.key).url).port or 0


def socket_path(url: str) -> str:
    """Of a database on the shared server."""
    return f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432"
