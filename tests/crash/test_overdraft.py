"""Many clients spend one account's last credit through several workers: to the last call, and not one call more."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crash.shop import Shop, opened_shop
from support import customers
from support.customers import Answer
from support.processes import Vendor

CALL_NANOS = 10_000_000
CALLS = 60
CLIENTS = 200
SECONDS = 30.0
DATABASES = ("sqlite", "postgresql")

PER_CALL = '{ per_request = "0.01" }'
PER_TOKEN = '{ input_text = "1", output_text = "2" }'
VENDOR = "sandbox:tokens=20,first=30ms"
WORDY = "sandbox:tokens=60,first=30ms"


def spend(shop: Shop, clients: int = CLIENTS, **members: Any) -> list[Answer]:
    """Every client asks until it is refused for good."""

    async def all_of_them() -> list[list[Answer]]:
        return await asyncio.gather(
            *[customers.insist(shop.port, shop.key, seconds=SECONDS, **members) for _ in range(clients)]
        )

    found = asyncio.run(all_of_them())
    assert Counter(answers[-1].code for answers in found) == {customers.EXHAUSTED: clients}
    return [answer for answers in found for answer in answers]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("database", DATABASES)
def test_credit_for_so_many_calls_is_enough_for_exactly_so_many(
    database: str, stream: bool, fresh: Vendor, tmp_path: Path
) -> None:
    with opened_shop(tmp_path, fresh, database, PER_CALL, VENDOR, credit=CALLS * CALL_NANOS) as shop:
        answers = spend(shop, stream=stream)
        assert Counter(answer.code for answer in answers if not answer.paid).keys() <= {
            customers.EXHAUSTED,
            customers.IN_FLIGHT,
        }
        assert sum(answer.paid for answer in answers) == CALLS
        proof = shop.ledger.posted(answers)
        proof.check(answers)
        assert len(proof.charged) == CALLS
        assert proof.snapshot.pots[f"wallet:{shop.account}"].spent == CALLS * CALL_NANOS
    shop.ledger.read().check_closed()
    assert "database is locked" not in shop.log.read_text()


@pytest.mark.parametrize("tightest", ["account", "project", "key"])
def test_the_tightest_of_all_budgets_decides(tightest: str, fresh: Vendor, tmp_path: Path) -> None:
    fewer = CALLS - 7
    budgets = {scope: (fewer if scope == tightest else CALLS) * CALL_NANOS for scope in ("account", "project", "key")}
    credit = CALLS * CALL_NANOS
    with opened_shop(tmp_path, fresh, "sqlite", PER_CALL, VENDOR, credit=credit, workers=2, budgets=budgets) as shop:
        answers = spend(shop)
        assert sum(answer.paid for answer in answers) == fewer
        final = {answer.message for answer in answers if answer.code == customers.EXHAUSTED}
        assert all("total budget" in message for message in final), final
        shop.ledger.posted(answers).check(answers)


@pytest.mark.parametrize("policy", ["strict", "clamp"])
def test_with_token_prices_nearly_all_of_the_credit_can_be_spent(policy: str, fresh: Vendor, tmp_path: Path) -> None:
    credit = 10_000_000
    members: dict[str, Any] = {"max_tokens": 100} if policy == "strict" else {}
    with opened_shop(tmp_path, fresh, "sqlite", PER_TOKEN, WORDY, credit=credit, workers=2, policy=policy) as shop:
        answers = spend(shop, clients=60, stream=True, **members)
        refused = min(answer.ended for answer in answers if answer.code == customers.EXHAUSTED)
        proof = shop.ledger.posted(answers)
        proof.check(answers)
        before = sum(entry.amount or 0 for entry in proof.entries if entry.at < refused)
        assert before >= 0.9 * credit
        assert proof.snapshot.pots[f"wallet:{shop.account}"].spent <= credit
