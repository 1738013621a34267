"""What customers are told: documents, dates, refusals. The rows are in tests/contract/test_reports.py."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from polyrelay.access.principal import Budget, Principal
from polyrelay.kernel import errors
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.service import billing
from polyrelay.service.bank import BankAway
from polyrelay.service.billing import ALWAYS, Billing, Holdings, ModelUse, Span, Stand

UNIT = 10**9
NOW = 1_800_000_000.0
"""2027-01-15 16:00 in Shanghai."""
HOLDER = Principal(
    KeyId("key_1"),
    AccountId("acc_1"),
    "acme",
    zone="Asia/Shanghai",
    budgets=(Budget("acc_1", "account", "month", 5 * UNIT), Budget("key_1", "key", "total", 3 * UNIT)),
)
MONTH = "account:acc_1:month:2027-01"
USES = [ModelUse("a", 2, 20, 4, UNIT), ModelUse("b", 1, 5, 1, UNIT // 2)]


@dataclass
class Books:
    """Implements `BillingReads`."""

    away: bool = False
    asked: list[tuple[Sequence[str], Sequence[Span]]] = field(default_factory=list)

    async def holdings(self, account: str, key: str, meter_ids: Sequence[str], spans: Sequence[Span]) -> Holdings:
        if self.away:
            raise BankAway("gone")
        assert (account, key) == ("acc_1", "key_1")
        self.asked.append((meter_ids, spans))
        return Holdings(4 * UNIT, UNIT, 5 * UNIT, 0, {MONTH: Stand(2 * UNIT, UNIT)}, [USES] * len(spans))


def ask(path: str, query: bytes = b"", books: Books | None = None, holder: Principal | None = HOLDER) -> Any:
    async def run() -> Any:
        keys = SimpleNamespace(find=lambda token: holder)
        relay = SimpleNamespace(world=SimpleNamespace(keys=keys, clock=SimpleNamespace(wall=lambda: NOW)))
        served = Billing(cast("Any", relay), books or Books(), ZoneInfo)
        assert served.serves(path)
        assert not served.serves("/v1/models")
        return await served.answer(path, query, [(b"authorization", b"Bearer x")], "127.0.0.1")

    status, headers, body = asyncio.run(run())
    assert (b"content-type", b"application/json") in headers
    return status, json.loads(body)


def test_a_key_sees_its_usage_and_what_is_left() -> None:
    books = Books()
    status, found = ask("/v1/usage", books=books)
    assert status == 200
    assert found["balance"] == {
        "available": "4.000000000", "held": "1.000000000", "own": "5.000000000", "overdraft": "0.000000000",
    }  # fmt: skip
    assert found["remaining"] == "2.000000000"
    assert [(each["meter"], each["spent"], each["remaining"], each["ends_at"]) for each in found["budgets"]] == [
        (MONTH, "2.000000000", "2.000000000", "2027-01-31T16:00:00Z"),
        ("key:key_1:total", "0.000000000", "3.000000000", None),
    ]
    assert found["today"] == {"requests": 3, "input_tokens": 25, "output_tokens": 5, "amount": "1.500000000"}
    assert [each["model"] for each in found["this_month"]["models"]] == ["a", "b"]
    ((meters, (today, month)),) = books.asked
    assert meters == [MONTH, "key:key_1:total"]
    hour = int(NOW // 3600)
    assert (today, month) == (Span(hour - 16, hour + 1), Span(hour - 16 - 14 * 24, hour + 1))


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_old_clients_find_a_balance(prefix: str) -> None:
    status, subscription = ask(f"{prefix}/dashboard/billing/subscription")
    assert (status, subscription) == (
        200,
        {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": 3.5,
            "hard_limit_usd": 3.5,
            "system_hard_limit_usd": 3.5,
            "access_until": 0,
        },
    )
    _, usage = ask(f"{prefix}/dashboard/billing/usage")
    assert usage == {"object": "list", "total_usage": 150.0}
    assert subscription["hard_limit_usd"] - usage["total_usage"] / 100 == 2.0


def test_dates_are_days_of_the_account() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    hour = int(NOW // 3600) - 16
    assert billing.dates(b"start_date=2027-01-15&end_date=2027-01-16", zone) == Span(hour, hour + 24)
    assert billing.dates(b"", zone) == ALWAYS
    assert billing.dates(b"start_date=2027-01-15T00:00:00Z", zone) == Span(hour, ALWAYS.end)
    assert billing.dates(b"start_date=0001-01-01&end_date=9999-12-31", zone).first < 24


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (b"start_date=yesterday", "start_date"),
        (b"end_date=2027-02-30", "end_date"),
        (b"start_date=2027-01-15&end_date=2027-01-15", "end_date"),
    ],
)
def test_dates_that_are_none(query: bytes, param: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        billing.dates(query, UTC)
    assert refused.value.param == param
    status, body = ask("/v1/dashboard/billing/usage", query)
    assert (status, body["error"]["param"]) == (400, param)


def test_refusals() -> None:
    assert ask("/v1/usage", holder=None)[1]["error"]["code"] == "invalid_api_key"
    status, body = ask("/v1/usage", books=Books(away=True))
    assert (status, body["error"]["code"]) == (503, "ledger_unavailable")
