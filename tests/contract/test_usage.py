"""Charges and usage on SQLite and PostgreSQL: pages of many exchanges, sums by hour and day, exports."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from polyrelay.service.administration import charges, pages, times
from polyrelay.service.administration.charges import Filter
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.roles import Role
from support import postgres
from support.plane import Door, door


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    url = postgres.fresh_database() if request.param == "postgresql" else ""
    with door(tmp_path / "data", url) as found:
        yield found


DAYS_BY = "account_id, project_id, key_id, model, channel"


def _exchange(plane: Door, number: int, **changes: Any) -> None:
    hour = 490_000 + number // 2
    row = {
        "id": f"px_{hour * 3_600_000 + number:012x}{number:016x}",
        "at": hour * 3600.0, "account_id": "acc_1", "project_id": None, "key_id": f"key_{number % 2}",
        "customer_group": "default", "surface": "openai_chat", "model": "gpt-4o", "channel": "main", "status": 200,
        "outcome": "complete", "attempts": 1, "seconds": 0.5, "first_token": 0.1, "finish": "stop", "error": None,
        "label": "=cmd()", "billing_group": None, "source": None, "input_tokens": 10, "output_tokens": 20,
        "usage": '{"input_text": 10}', "estimated": 0, "indeterminate": 0, "held": 100, "amount": 1_500_000_000,
        "write_off": 0, "cost": 500_000_000, "tariff": "gpt-4o", "tariff_version": "1", "multiplier": "1",
        "lines": '[{"bucket": "input_text", "quantity": 10, "unit_price": "0.15", "amount": "1.5"}]', "batch": "b",
        **changes,
    }  # fmt: skip
    rollup = {
        "hour": hour, "account_id": "acc_1", "project_id": "", "key_id": row["key_id"], "model": "gpt-4o",
        "channel": "main", "requests": 1, "failures": 0, "input_tokens": 10, "output_tokens": 20,
        "amount": 1_500_000_000, "cost": 500_000_000, "write_off": 0, "seconds": 0.5,
    }  # fmt: skip

    async def insert(tx: Any) -> None:
        for table, values in (("exchanges", row), ("rollups", rollup)):
            places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
            await tx.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values())
        sums = ", ".join(f"sum({name})" for name in list(rollup)[6:])
        await tx.execute("DELETE FROM days")
        await tx.execute(f"INSERT INTO days SELECT hour / 24, {DAYS_BY}, {sums} FROM rollups GROUP BY 1, {DAYS_BY}")

    plane.run(plane.database.write(insert))


def test_charges_and_usage(stored: Door) -> None:
    for number in range(4):
        _exchange(stored, number)
    found = stored.call("GET", "/charges?limit=3", role=Role.SUPPORT).json()
    assert len(found["data"]) == 3
    assert found["data"][0]["margin"] == "1.000000000"
    one = stored.call("GET", f"/charges/{found['data'][0]['id']}").json()
    assert one["lines"][0]["amount"] == "1.5"
    assert len(stored.call("GET", "/charges?key=key_0").json()["data"]) == 2
    span = "since=2025-11-23T00:00:00Z&until=2025-11-27T00:00:00Z"
    total = stored.call("GET", f"/usage?{span}").json()["data"]
    assert [(each["requests"], each["amount"], each["group"]) for each in total] == [(4, "6.000000000", {})]
    by_both = stored.call("GET", f"/usage?{span}&by=key&by=hour").json()["data"]
    assert [(each["group"]["key"], each["requests"]) for each in by_both] == [
        ("key_0", 1), ("key_0", 1), ("key_1", 1), ("key_1", 1),
    ]  # fmt: skip
    by_day = stored.call("GET", f"/usage?{span}&by=day&key=key_1").json()["data"][0]
    assert by_day["requests"] == 2
    assert by_day["group"]["day"].endswith("T00:00:00.000Z")
    assert stored.call("GET", "/usage?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z").status_code == 422
    assert stored.call("GET", "/usage?by=colour").status_code == 422


def test_days_and_ragged_hours_add_up_to_the_whole(stored: Door) -> None:
    """Exchanges of each hour over three days; a report from and to any hour has those in between, by either sum."""
    for number in range(0, 2 * 72, 3):
        _exchange(stored, number)
    hours = [490_000 + number // 2 for number in range(0, 2 * 72, 3)]

    def added_up(first: int, end: int, *by: str) -> list[dict[str, Any]]:
        since, until = (f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%dT%H:%M:%SZ}" for hour in (first, end))
        query = "".join(f"&by={each}" for each in by)
        found: list[dict[str, Any]] = stored.call("GET", f"/usage?since={since}&until={until}{query}").json()["data"]
        return found

    for first, end in (
        (490_008, 490_056),
        (490_000, 490_072),
        (490_007, 490_057),
        (490_009, 490_031),
        (489_000, 491_000),
    ):
        inside = [hour for hour in hours if first <= hour < end]
        days = Counter(hour - hour % 24 for hour in inside)
        assert [each["requests"] for each in added_up(first, end)] == [len(inside)]
        by_day = {times.parse(each["group"]["day"]) / 3600: each["requests"] for each in added_up(first, end, "day")}
        assert by_day == days
        by_key = [each["requests"] for each in added_up(first, end, "key", "day")]
        assert sum(by_key) == len(inside)
        by_hour = [times.parse(each["group"]["hour"]) / 3600 for each in added_up(first, end, "hour")]
        assert by_hour == sorted(set(inside))
    assert added_up(480_000, 481_000) == []


@pytest.mark.parametrize("window", [1, 2, 3, 7, 100])
def test_sparse_pages_look_at_few_rows_and_meet(stored: Door, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(pages, "WINDOW", window)
    for number in range(12):
        _exchange(stored, number, model="rare" if number in {0, 5, 6, 11} else "gpt-4o")

    def seen(query: str, limit: int) -> list[str]:
        found, after = [], ""
        for _ in range(20):
            page = stored.call("GET", f"/charges?limit={limit}{query}{after}").json()
            assert len(page["data"]) <= limit
            found += [each["id"] for each in page["data"]]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"
        raise AssertionError("the pages have no end")

    everything = seen("", 5)
    assert len(everything) == 12
    rare = [everything[number] for number in (0, 5, 6, 11)]
    for limit in (1, 3, 50):
        assert seen("&model=rare", limit) == rare
        assert seen("&model=rare&account=acc_1", limit) == rare
        assert seen("&model=rare&key=key_1&account=acc_1", limit) == [rare[0], rare[2]]
        assert seen("&model=none", limit) == []
    for size, expected in ((1, rare[:1]), (3, rare[:3]), (4, rare), (9, rare)):
        gathered = charges.gathered(stored.office, Page(size), Filter(model="rare"))
        assert [each.id for each in stored.run(gathered).data] == expected


def test_exports_are_whole_and_safe_in_a_spreadsheet(stored: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyrelay.service.administration.charges.EXPORTED_ROWS", 2)
    for number in range(5):
        _exchange(stored, number)
    lines = stored.call("GET", "/usage/export").text.splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["key_0", "key_1", "key_0", "key_1", "key_0"]
    table = stored.call("GET", "/usage/export?format=csv&key=key_1")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == 3
    assert "'=cmd()" in table.text
    assert ",=cmd()" not in table.text
