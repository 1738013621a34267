"""The control plane of a running relay: what an operator changes counts at the next request."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.processes import RelayProcess, Vendor, channel, http, polyrelay, relay, until

_numbers = itertools.count()


class Operator:
    def __init__(self, served: RelayProcess) -> None:
        self.served = served
        self.token = polyrelay("admin", "token", "create", "--role", "owner", "--config", str(served.config))["token"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        common = {"authorization": f"Bearer {self.token}", "idempotency-key": f"e2e-{next(_numbers)}"}
        return http.request(method, f"{self.served.url}/admin/v1{path}", json=body, headers={**common, **headers})

    def made(self, path: str, body: Any) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def operator(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    config = channel("main", sandbox.base_url, '"m", "gift"') + '[[tariffs]]\nmodel = "gift"\nsell = { free = true }\n'
    with relay(tmp_path_factory.mktemp("relay"), config) as served:
        yield Operator(served)


def test_a_customer_from_the_first_key_to_the_bill(operator: Operator) -> None:
    served = operator.served
    account = operator.made("/accounts", {"name": "acme"})["id"]
    made = operator.made("/keys", {"account": account, "name": "laptop"})
    key, token = made["key"]["id"], made["token"]
    assert served.ask(key=token).status_code == 429
    operator.made("/topups", {"account": account, "amount": "10", "reason": "cash"})
    assert served.ask(key=token).status_code == 200
    for action, status in (("disable", 401), ("enable", 200)):
        assert operator.call("POST", f"/keys/{key}/{action}").status_code == 200
        assert served.ask(key=token).status_code == status
    restricted = operator.call("PATCH", f"/keys/{key}", {"models": ["other"]}, **{"if-match": "*"})
    assert restricted.status_code == 200
    assert served.ask(key=token).status_code == 403
    assert operator.call("POST", f"/keys/{key}/revoke").status_code == 200
    assert served.ask(key=token).status_code == 401
    until(lambda: operator.call("GET", f"/keys/{key}").json()["last_used_at"] is not None)
    audit = operator.call("GET", f"/audit?kind=key&object={key}").json()["data"]
    assert [entry["action"] for entry in audit] == [
        "key.revoke", "key.change", "key.enable", "key.disable", "key.create",
    ]  # fmt: skip
    assert all(entry["request"].startswith("px_") for entry in audit)


def test_a_customers_key_opens_nothing(operator: Operator) -> None:
    answer = operator.call("GET", "/accounts", authorization=f"Bearer {operator.served.key}")
    assert answer.status_code == 401


def test_health_channels_and_settings(operator: Operator) -> None:
    health = operator.call("GET", "/health").json()
    assert (health["status"], health["channels"], health["role"]) == ("ok", 1, "owner")
    (main,) = operator.call("GET", "/channels").json()["data"]
    assert (main["name"], main["owner"], main["credentials"]) == ("main", "file", [])
    settings = operator.call("GET", "/settings").text
    assert '"data"' in settings
    assert "sandbox-secret" not in settings + operator.call("GET", "/channels").text


def test_a_token_that_is_revoked_opens_nothing(operator: Operator) -> None:
    made = operator.made("/tokens", {"name": "bob", "role": "support"})
    bearer = {"authorization": f"Bearer {made['token']}"}
    assert operator.call("GET", "/accounts", **bearer).status_code == 200
    polyrelay("admin", "token", "revoke", made["id"], "--config", str(operator.served.config))
    assert operator.call("GET", "/accounts", **bearer).status_code == 401


def test_a_model_that_the_file_prices_is_the_file_s_and_others_are_priced_at_once(operator: Operator) -> None:
    refused = operator.call("POST", "/tariffs", {"model": "m", "sell": {"per_request": "1"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "owned_by_file")
    operator.made("/tariffs", {"model": "elsewhere", "sell": {"per_request": "1"}})


def test_what_is_given_away_is_counted(operator: Operator) -> None:
    before = operator.call("GET", "/health").json()["unpaid_requests"]
    assert operator.served.ask("gift").status_code == 200
    assert operator.served.ask("m").status_code == 200
    assert operator.call("GET", "/health").json()["unpaid_requests"] == before + 1
