"""What the books tell those who ask: statements, deductions and holdings, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from polyrelay.kernel import ids
from polyrelay.ledger.statement import Statement
from polyrelay.service.bank import Batch, Row
from polyrelay.service.billing import ALWAYS, Holdings, Span, Stand
from polyrelay.storage.books import transfers
from polyrelay.storage.reports import statements
from polyrelay.storage.reports.holdings import SqlBillingReads
from polyrelay.storage.sql.transaction import Tx
from support.books import HOUR, NOTE, WALLET, SqlBooks, budget, enrolment, opened, row, want

T = TypeVar("T")
Play = Callable[[Callable[[SqlBooks], Awaitable[T]]], T]

AT = 1_800_000_000.0
"""2027-01-15 08:00 UTC, long after whatever is booked while the test runs."""
BUDGET = budget(1_000)


def px(number: int) -> str:
    return ids.exchange_id(int(AT * 1000) + number, bytes(8))


def used(number: int, amount: int | None, *, at: float = AT, **more: Any) -> Row:
    return row(px(number), amount, at=at, input_tokens=10, output_tokens=1, on=(WALLET, BUDGET), **more)


@pytest.fixture(params=["sqlite", "postgresql"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play[Any]:
    async def run(scenario: Callable[[SqlBooks], Awaitable[Any]]) -> Any:
        async with opened(request.param, tmp_path / "data") as books:
            assert isinstance(books, SqlBooks)
            await books.topup("acc_1", 500)
            await books.bank.enrol(enrolment("w1"), 60)
            await books.bank.take("w1", [want(WALLET, 300), want(BUDGET, 300)])
            return await scenario(books)

    return lambda scenario: asyncio.run(run(scenario))


async def posted(books: SqlBooks, *rows: Row) -> None:
    await books.bank.post("w1", Batch(0, 0, 1, rows))


async def month(books: SqlBooks, name: str, zone: Any = UTC, by: Any = "day") -> Statement:
    async def find(tx: Tx) -> Statement:
        return await statements.of_month(tx, "acc_1", name, zone, by)

    return await books.database.read(find)


def test_months_join_and_end_with_the_balance(play: Play[None]) -> None:
    async def scenario(books: SqlBooks) -> None:
        await posted(books, used(1, 30), used(2, 20, at=AT + 40 * 24 * HOUR, model="n"), used(3, None))
        await books.database.write(lambda tx: transfers.refund(tx, px(1), 5, NOTE))
        await books.database.write(lambda tx: transfers.adjust(tx, "acc_1", -7, NOTE))
        now = await books.database.read(lambda tx: transfers.balance(tx, "acc_1"))
        names = [f"{year}-{number:02}" for year in range(2024, 2029) for number in range(1, 13)]
        months = [await month(books, name) for name in names]
        assert months[0].opening == 0
        assert [each.opening for each in months[1:]] == [each.closing for each in months[:-1]]
        assert months[-1].closing == now.own == 500 - 50 + 5 - 7
        assert sum(each.totals.get("charge", 0) for each in months) == -50
        (january,) = [each for each in months if each.month == "2027-01"]
        assert [(line.day, line.amount, line.requests, line.input_tokens) for line in january.lines] == [
            ("2027-01-15", -30, 2, 20)
        ]

    play(scenario)


def test_days_are_those_of_the_zone(play: Play[None]) -> None:
    async def scenario(books: SqlBooks) -> None:
        await posted(books, used(1, 30, at=AT + 8 * HOUR), used(2, 20, at=AT + 7.9 * HOUR, model="n"))
        found = await month(books, "2027-01", ZoneInfo("Asia/Shanghai"))
        assert [(line.day, line.amount) for line in found.lines] == [("2027-01-15", -20), ("2027-01-16", -30)]
        by_model = await month(books, "2027-01", ZoneInfo("Asia/Shanghai"), "model")
        assert [(line.text, line.amount) for line in by_model.lines] == [("m", -30), ("n", -20)]

    play(scenario)


@pytest.mark.parametrize("read_at_once", [1, 2, 500])
def test_deductions_by_pages(play: Play[None], monkeypatch: pytest.MonkeyPatch, read_at_once: int) -> None:
    """Groups a a - b b b - (none) (none) - a, a void within b; other accounts do not count."""
    monkeypatch.setattr(statements, "PAGE", read_at_once)
    groups = ["a", "a", "b", "b", "b", None, None, "a"]

    async def scenario(books: SqlBooks) -> None:
        rows = [used(number, number, billing_group=group, source="chat") for number, group in enumerate(groups, 1)]
        rows.append(row(px(100), None, billing_group="c"))
        rows.insert(3, row(px(0) + "0", None, billing_group="b"))
        rows.append(row(px(101), 0, account_id="acc_2", billing_group="a"))
        await posted(books, *rows)

        async def page(size: int, after: str | None) -> tuple[list[tuple[str | None, int, int]], str | None]:
            found, following = await books.database.read(lambda tx: statements.deductions(tx, "acc_1", size, after))
            return [(each.billing_group, each.calls, each.amount) for each in found], following

        whole, end = await page(50, None)
        assert whole == [("a", 1, 8), (None, 1, 7), (None, 1, 6), ("b", 3, 12), ("a", 2, 3)]
        assert end is None
        for size in (1, 2, 4, 5):
            joined, after = await page(size, None)
            while after is not None:
                more, after = await page(size, after)
                assert len(more) <= size
                joined += more
            assert joined == whole

    play(scenario)


def test_holdings(play: Play[None]) -> None:
    async def scenario(books: SqlBooks) -> None:
        await posted(books, used(1, 30), used(2, 20, at=AT + HOUR, model="n"), row(px(3), 5, key_id="key_2"))
        hour = int(AT // HOUR)
        spans = [ALWAYS, Span(hour, hour + 1), Span(hour + 1, hour + 2)]
        found: Holdings = await SqlBillingReads(books.database).holdings(
            "acc_1", "key_1", [BUDGET.id, "key:key_1:total"], spans
        )
        assert (found.own, found.available, found.escrowed, found.overdraft) == (445, 200, 245, 0)
        assert found.meters == {BUDGET.id: Stand(50, 250)}
        assert [[(use.model, use.requests, use.amount) for use in uses] for uses in found.uses] == [
            [("m", 1, 30), ("n", 1, 20)],
            [("m", 1, 30)],
            [("n", 1, 20)],
        ]

    play(scenario)
