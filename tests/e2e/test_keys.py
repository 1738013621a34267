"""Keys and their limits, changed by one process while another serves."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polyrelay.cli import keys, options
from polyrelay.kernel.ids import KeyId
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.records import KeyTerms, LimitTerms, StoredKey
from support import postgres, raw
from support.processes import RelayProcess, Vendor, channel, make_key, polyrelay, relay, until


@pytest.fixture(scope="module")
def served(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    config = channel("main", sandbox.base_url, '{ name = "m", upstream = "vendor-m" }')
    config += "[key_defaults]\nrequests_per_minute = 1000\n"
    with relay(tmp_path_factory.mktemp("relay"), config) as found:
        yield found


def create(served: RelayProcess, *terms: str) -> dict[str, Any]:
    return dict(polyrelay("keys", "create", "--account", "test", "--config", str(served.config), *terms))


def code(served: RelayProcess, key: str) -> str | None:
    answer = served.ask(key=key)
    return None if answer.status_code == 200 else str(answer.json()["error"]["code"])


def works_until_revoked(served: RelayProcess) -> None:
    made = create(served)
    assert code(served, made["key"]) is None
    ended = polyrelay("keys", "revoke", made["id"], "--config", str(served.config))
    assert ended["status"] == "revoked"
    refused = served.ask(key=made["key"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_key_works_at_once_and_is_refused_at_the_next_request_after_its_end(served: RelayProcess) -> None:
    works_until_revoked(served)


def test_the_same_on_postgresql(sandbox: Vendor, tmp_path: Path) -> None:
    config = channel("main", sandbox.base_url, '{ name = "m", upstream = "vendor-m" }')
    config += f'[database]\nurl = "{postgres.fresh_database()}"\n'
    with relay(tmp_path, config) as served:
        assert code(served, served.key) is None
        works_until_revoked(served)
        found = polyrelay("doctor", "--config", str(served.config))
    assert not (tmp_path / "data" / "polyrelay.db").exists()
    assert [each["state"] for each in found if each["check"] == "data folder"] == ["ok"]


def test_revoking_ends_no_stream_that_is_under_way(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("vendor-m", tokens=30, pace="20ms")
    made = create(served)
    with raw.connected(served) as streaming:
        streaming.send(raw.chat(made["key"]))
        streaming.read_until(b"data: ", 2)
        keys.within(options.store(served.config, None), lambda store: store.revoke(KeyId(made["id"])))
        assert code(served, made["key"]) == "invalid_api_key"
        streaming.read_until(b"[DONE]")


def test_an_expired_key(served: RelayProcess) -> None:
    made = create(served, "--days", "0.00001")
    until(lambda: code(served, made["key"]) == "key_expired", seconds=3)
    assert served.ask(key=made["key"]).status_code == 401
    assert code(served, create(served, "--days", "1")["key"]) is None


def test_a_disabled_key_can_come_back(served: RelayProcess) -> None:
    made = create(served)

    async def disable(store: KeyStore, *, disabled: bool) -> StoredKey:
        return await store.set_disabled(KeyId(made["id"]), disabled=disabled)

    for disabled, expected in ((True, "key_disabled"), (False, None)):
        keys.within(options.store(served.config, None), partial(disable, disabled=disabled))
        assert code(served, made["key"]) == expected


@pytest.mark.parametrize(("network", "expected"), [("10.0.0.0/8", "network_not_allowed"), ("127.0.0.0/8", None)])
def test_a_key_for_a_network(network: str, expected: str | None, served: RelayProcess) -> None:
    key = make_key(served.config, KeyTerms(networks=(network,)))
    assert code(served, key) == expected
    if expected:
        answer = served.ask(key=key)
        assert (answer.status_code, answer.headers["x-should-retry"]) == (403, "false")


def test_requests_per_minute(served: RelayProcess) -> None:
    made = create(served, "--rpm", "2")
    first, second, third = [served.ask(key=made["key"]) for _ in range(3)]
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert [answer.headers["x-ratelimit-limit-requests"] for answer in (first, third)] == ["2", "2"]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in (first, second, third)] == ["1", "0", "0"]
    assert third.headers["x-ratelimit-reset-requests"]
    assert 0 < float(third.headers["retry-after"]) <= 61
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    assert "x-should-retry" not in third.headers
    assert code(served, served.key) is None


def test_tokens_per_minute(served: RelayProcess) -> None:
    key = make_key(served.config, KeyTerms(limits=LimitTerms(tokens_per_minute=500)))
    fine = served.ask(key=key, max_tokens=50)
    assert (fine.status_code, fine.headers["x-ratelimit-limit-tokens"]) == (200, "500")
    assert served.ask(key=key, max_tokens=5000).status_code == 429


def test_concurrency_is_given_back(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("vendor-m", tokens=60, stall=1500)
    made = create(served, "--concurrency", "1")
    with raw.connected(served) as streaming:
        streaming.send(raw.chat(made["key"]))
        streaming.read_until(b"data: ")
        refused = served.ask(key=made["key"])
        assert refused.status_code == 429
        assert float(refused.headers["retry-after"]) > 0
    fresh.clear()
    until(lambda: code(served, made["key"]) is None)


def test_the_configured_defaults_count_for_keys_that_name_no_limits(served: RelayProcess, fresh: Vendor) -> None:
    assert served.ask().headers["x-ratelimit-limit-requests"] == "1000"
    unlimited = make_key(served.config, KeyTerms(limits=LimitTerms(requests_per_minute=0)))
    assert "x-ratelimit-limit-requests" not in served.ask(key=unlimited).headers


def test_many_at_once_never_pass_a_limit(served: RelayProcess, fresh: Vendor) -> None:
    key = make_key(served.config, KeyTerms(limits=LimitTerms(requests_per_minute=10)))
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(served.ask(key=key).status_code)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] * 10 + [429] * 10


def test_what_is_not_a_key_of_this_data_folder(served: RelayProcess, tmp_path: Path) -> None:
    other = polyrelay("keys", "create", "--account", "a", "--data", str(tmp_path / "other"))
    assert code(served, other["key"]) == "invalid_api_key"
