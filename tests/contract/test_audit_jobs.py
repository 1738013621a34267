"""The audit of jobs: clean after honest work, and each kind of corruption named."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from polyrelay.jobs.lifecycle import Event
from polyrelay.ledger.audit import Findings
from polyrelay.service.bank import Batch
from polyrelay.storage.jobs import pruning
from polyrelay.storage.reports import audit, retention
from support.books import HOUR, WALLET, SqlBooks, budget, row, want
from support.jobs import AT, House, done, ended, housed, job, px

ON = (WALLET, budget(10_000))
Play = Callable[..., Findings]


async def _honest_work(house: House) -> None:
    """Open, submitting, paid, short, failed, expired, refused and stranded jobs, beside a worker of another kind."""
    await house.books.topup("acc_1", 1000)
    await house.books.promote("acc_1", 120, 4e9)
    await house.books.bank.take("w2", [want(WALLET, 50)])
    await house.open(job(1, on=ON), ON)
    await house.store.create(job(2, on=ON), ON, 0)
    assert await house.store.end(*done(await house.open(job(3, on=ON), ON)))
    assert await house.store.end(*done(await house.open(job(4, 30, on=ON), ON)))
    for number, event in ((5, Event.FAIL), (6, Event.EXPIRE), (7, Event.LOSE)):
        assert await house.store.end(*ended(await house.open(job(number, on=ON), ON), event))
    for number, event in ((8, Event.REFUSE), (9, Event.STRAND)):
        made = job(number, on=ON)
        await house.store.create(made, ON, 0)
        assert await house.store.end(*ended(made, event))
    assert await house.store.end(*done(await house.open(job(10, 0, on=ON), ON), 0))


@pytest.fixture(params=["sqlite", "postgresql"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """The audit of honest books after the SQL of a vandal."""

    async def run(*statements: str, prune: float | None = None) -> Findings:
        async with housed(request.param, tmp_path / "data") as house:
            books = house.books
            assert isinstance(books, SqlBooks)
            await books.run("DELETE FROM meta WHERE name = $1", retention.HORIZON)
            await _honest_work(house)
            (await books.snapshot()).check()
            for statement in statements:
                await books.run(statement)
            if prune is not None:
                await books.database.write(lambda tx: retention.prune(tx, prune))
                await books.database.write(lambda tx: pruning.prune(tx, prune))
            return await books.database.read(lambda tx: audit.prove(tx, lambda: ((), ())))

    return lambda *statements, **more: asyncio.run(run(*statements, **more))


def test_honest_jobs_are_clean(play: Play) -> None:
    found = play()
    assert found.offences == []
    assert (found.checked["jobs"], found.checked["exchanges"]) == (10, 8)


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("UPDATE jobs SET held = held + 1 WHERE state = 'accepted'", {"hold"}),
        ("UPDATE jobs SET held = held + 1 WHERE state = 'submitting'", {"hold"}),
        ("UPDATE jobs SET held = held + 1 WHERE state = 'succeeded' AND held = 100", {"job"}),
        ("UPDATE jobs SET held = held + 1 WHERE state = 'failed'", set()),
        ("DELETE FROM jobs WHERE state = 'accepted'", {"hold"}),
        ("UPDATE jobs SET state = 'failed' WHERE state = 'succeeded'", {"job"}),
        ("UPDATE jobs SET state = 'succeeded' WHERE state = 'expired'", {"job"}),
        ("UPDATE jobs SET state = 'failed', finished_at = 1800000060 WHERE state = 'accepted'", {"hold", "job"}),
        ("UPDATE jobs SET state = 'running', finished_at = NULL WHERE state = 'failed'", {"hold", "job"}),
        ("UPDATE jobs SET finished_at = NULL WHERE state = 'failed'", {"job"}),
        ("UPDATE jobs SET finished_at = 1800000060 WHERE state = 'submitting'", {"job"}),
        ("UPDATE jobs SET meters = '[\"wallet:acc_1\"]' WHERE state = 'accepted'", {"hold"}),
        ("UPDATE slices SET amount = amount - 1 WHERE worker_id = 'jobs'", {"hold", "escrow"}),
        ("UPDATE slices SET worker_id = 'w2' WHERE worker_id = 'jobs' AND pot_id LIKE 'key:%'", {"hold"}),
        (f"DELETE FROM exchanges WHERE id = '{px(5)}'", {"job", "rollup"}),
        (f"DELETE FROM exchanges WHERE id = '{px(3)}'", {"job", "batch", "rollup"}),
        (f"UPDATE exchanges SET amount = NULL, lines = NULL WHERE id = '{px(3)}'", {"job", "batch", "rollup"}),
        (f"UPDATE exchanges SET amount = 0 WHERE id = '{px(5)}'", {"job"}),
        (f"UPDATE exchanges SET held = 9 WHERE id = '{px(3)}'", {"job"}),
    ],
)
def test_corruption_is_named(play: Play, statement: str, rules: set[str]) -> None:
    found = play(statement)
    assert {offence.rule for offence in found.offences} == rules


def test_an_open_job_that_is_in_the_books_is_named(tmp_path: Path) -> None:
    async def run() -> Findings:
        async with housed("sqlite", tmp_path) as house:
            books = house.books
            assert isinstance(books, SqlBooks)
            await books.topup("acc_1", 1000)
            await house.open(job())
            await books.bank.post("w2", Batch(0, 0, 1, [row(px(1), None)]))
            return await books.database.read(lambda tx: audit.prove(tx, lambda: ((), ())))

    found = asyncio.run(run())
    assert [(offence.rule, offence.subject) for offence in found.offences] == [("job", px(1))]


def test_jobs_go_with_their_exchanges(play: Play) -> None:
    found = play(prune=AT + 3 * HOUR)
    assert found.offences == []
    assert (found.checked["jobs"], found.checked["exchanges"]) == (2, 0)
