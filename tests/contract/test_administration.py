"""The control plane on memory, SQLite and PostgreSQL: what is written is kept whole, once, and on record."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from polyrelay.config.tariffs import zone
from polyrelay.metering import read
from polyrelay.metering.tariff import Source
from polyrelay.service.administration.owned import Owned
from polyrelay.service.administration.roles import Role
from polyrelay.storage import schema
from polyrelay.storage.administration import reading
from polyrelay.storage.secrecy import rotation
from support import postgres
from support.plane import Door, door

TARIFF = {"model": "gpt-4o", "sell": {"input_text": "2.50", "output_text": "10"}}
OWNED = Owned(
    "relay.toml",
    {"filed": {"name": "filed", "base_url": "https://api.example.com/v1", "proxy": "http://me:secret@proxy:3128"}},
    (read.tariff({**TARIFF, "model": "filed-model"}, source=Source.FILE, zones=zone),),
    {"default": "1", "vip": "0.8"},
)
CHANNEL = {
    "name": "main",
    "provider": "openai",
    "base_url": "https://api.example.com/v1",
    "models": ["gpt-4o", {"name": "fast", "upstream": "gpt-4o-mini"}],
}
SECRET = "sk-upstream-0123456789abcdefghij"


@contextmanager
def _opened(where: str, data: Path) -> Iterator[Door]:
    url = postgres.fresh_database() if where == "postgresql" else ""
    with door(data, url, OWNED, memory=where == "memory") as found:
        yield found


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def plane(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    with _opened(request.param, tmp_path / "data") as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """One that the test looks into by SQL."""
    with _opened(request.param, tmp_path / "data") as found:
        yield found


def _dump(plane: Door) -> str:
    """Everything in the database, as text."""

    async def read_all(tx: Any) -> list[str]:
        found = []
        for table in schema.metadata.tables:
            rows = await tx.fetch(f'SELECT * FROM "{table}"')
            found += [repr(tuple(row[name] for name in row.keys())) for row in rows]  # noqa: SIM118
        return found

    return "\n".join(plane.run(plane.database.read(read_all)))


def _count(plane: Door, table: str) -> int:
    rows = plane.run(plane.database.read(lambda tx: tx.fetch(f"SELECT count(*) AS n FROM {table}")))
    return int(rows[0]["n"])


# ── updates, audit, pages ──


def test_updates_say_what_they_are_based_on(plane: Door) -> None:
    account = plane.account(tags=["a"], limits={"concurrency": 3})
    first = plane.call("GET", f"/accounts/{account}")
    etag = first.headers["etag"]
    assert plane.call("PATCH", f"/accounts/{account}", {"tags": []}).status_code == 428
    changed = plane.call(
        "PATCH", f"/accounts/{account}", {"limits": {"requests_per_day": 0}}, headers={"if-match": etag}
    )
    assert changed.status_code == 200
    assert changed.json()["limits"] == {
        "requests_per_minute": None, "requests_per_day": 0, "tokens_per_minute": None, "concurrency": 3,
    }  # fmt: skip
    assert changed.json()["tags"] == ["a"]
    assert changed.headers["etag"] != etag
    late = plane.call("PATCH", f"/accounts/{account}", {"tags": []}, headers={"if-match": etag})
    assert late.status_code == 412
    assert late.json()["code"] == "changed_since"
    assert plane.call("PATCH", f"/accounts/{account}", {"tags": []}, headers={"if-match": "*"}).status_code == 200


def test_of_two_updates_at_once_one_wins(plane: Door) -> None:
    account = plane.account()
    etag = plane.call("GET", f"/accounts/{account}").headers["etag"]
    wanted = [("PATCH", f"/accounts/{account}", {"tags": [str(n)]}, {"if-match": etag}) for n in range(8)]
    assert sorted(answer.status_code for answer in plane.calls(wanted)) == [200] + [412] * 7


def test_every_write_is_on_record_with_actor_before_and_after(stored: Door) -> None:
    account = stored.account()
    etag = stored.call("GET", f"/accounts/{account}").headers["etag"]
    stored.call("PATCH", f"/accounts/{account}", {"disabled": True}, headers={"if-match": etag}, role=Role.OPERATOR)
    entries = stored.call("GET", f"/audit?kind=account&object={account}", role=Role.AUDITOR).json()["data"]
    assert [entry["action"] for entry in entries] == ["account.change", "account.create"]
    change, creation = entries
    assert creation["before"] is None
    assert (change["before"]["disabled"], change["after"]["disabled"]) == (False, True)
    assert change["actor"].startswith("token:tok_")
    assert change["actor"] != creation["actor"]
    before = _count(stored, "audit_log")
    refused = stored.call("PATCH", f"/accounts/{account}", {"customer_group": "none"}, headers={"if-match": "*"})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"detail": "there is no customer group 'none'", "pointer": "#/customer_group"}]
    assert _count(stored, "audit_log") == before


def test_pages_meet_without_gap_or_overlap(plane: Door) -> None:
    made = [plane.account() for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        page = plane.call("GET", f"/accounts?limit=2{after}").json()
        seen += [each["id"] for each in page["data"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == made
    groups, after = [], ""
    for name in ("a1", "Zz"):
        plane.made("/groups", {"name": name, "multiplier": "1.1"})
    while True:
        page = plane.call("GET", f"/groups?limit=1{after}").json()
        groups += [each["name"] for each in page["data"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert groups == ["Zz", "a1", "default", "vip"]


# ── once ──


def test_a_write_repeated_under_its_key_is_done_once(plane: Door) -> None:
    headers = {"idempotency-key": "k1"}
    first = plane.call("POST", "/accounts", {"name": "one"}, headers=headers)
    again = plane.call("POST", "/accounts", {"name": "one"}, headers=headers)
    assert (again.status_code, again.content, again.headers["etag"]) == (201, first.content, first.headers["etag"])
    assert again.headers["location"] == first.headers["location"] == f"/admin/v1/accounts/{first.json()['id']}"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = plane.call("POST", "/accounts", {"name": "two"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    stranger = plane.call("POST", "/accounts", {"name": "two"}, headers=headers, role=Role.OPERATOR)
    assert stranger.status_code == 201
    refused = plane.call("POST", "/accounts", {"name": "one"}, headers={"idempotency-key": "k2"})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")


def test_of_concurrent_duplicates_one_is_done(stored: Door) -> None:
    account = stored.account()
    body = {"account": account, "amount": "5", "reason": "cash"}
    answers = stored.calls([("POST", "/topups", body, {"idempotency-key": "same"})] * 12)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert _count(stored, "transfers") == 1
    assert stored.call("GET", f"/accounts/{account}/balance").json()["available"] == "5.000000000"


def test_tokens_are_shown_once_and_never_kept(stored: Door) -> None:
    account = stored.account()
    shown = []
    for path, body in (
        ("/keys", {"account": account}),
        ("/tokens", {"name": "new", "role": "support"}),
    ):
        headers = {"idempotency-key": f"once-{path}"}
        first = stored.call("POST", path, body, headers=headers)
        again = stored.call("POST", path, body, headers=headers)
        assert again.status_code == 201
        assert again.json() == {**first.json(), "token": None}
        shown.append(first.json()["token"])
    key = stored.call("GET", "/keys").json()["data"][0]["id"]
    shown.append(stored.made(f"/keys/{key}/rotate", {"overlap_seconds": 60})["token"])
    dump = _dump(stored)
    assert all(token not in dump and token[4:-4] not in dump for token in shown)


# ── keys ──


def test_a_key_lives_through_its_operations(plane: Door) -> None:
    account = plane.account()
    project = plane.made("/projects", {"account": account, "name": "p"})["id"]
    made = plane.made(
        "/keys",
        {"account": account, "project": project, "models": ["gpt-*"], "networks": ["10.0.0.0/8"], "tags": ["x"]},
    )
    key = made["key"]["id"]
    assert made["token"].startswith("pr-")
    plane.made("/budgets", {"scope": "key", "owner": key, "period": "month", "amount": "10"})
    bumps = plane.bumps
    etag = plane.call("GET", f"/keys/{key}").headers["etag"]
    changed = plane.call(
        "PATCH", f"/keys/{key}", {"models": [], "expires_at": "2090-01-01T00:00:00Z"}, headers={"if-match": etag}
    )
    assert changed.json()["models"] == []
    assert changed.json()["expires_at"] == "2090-01-01T00:00:00.000Z"
    assert changed.json()["networks"] == ["10.0.0.0/8"]
    assert plane.call("POST", f"/keys/{key}/disable", role=Role.SUPPORT).json()["state"] == "disabled"
    assert plane.call("POST", f"/keys/{key}/enable").json()["state"] == "active"
    replaced = plane.made(f"/keys/{key}/rotate", {"overlap_seconds": 3600})
    old = plane.call("GET", f"/keys/{key}").json()
    assert old["replaced_by"] == replaced["key"]["id"]
    assert old["expires_at"] < "2090"
    assert {name: replaced["key"][name] for name in ("project", "models", "networks", "tags", "expires_at")} == {
        "project": project, "models": [], "networks": ["10.0.0.0/8"], "tags": ["x"],
        "expires_at": "2090-01-01T00:00:00.000Z",
    }  # fmt: skip
    assert len(plane.call("GET", f"/budgets?account={account}").json()["data"]) == 2
    assert plane.call("POST", f"/keys/{key}/rotate", {}).json()["code"] == "already_rotated"
    assert plane.call("POST", f"/keys/{key}/revoke").json()["state"] == "revoked"
    assert plane.call("POST", f"/keys/{key}/revoke").json()["state"] == "revoked"
    assert plane.call("POST", f"/keys/{key}/enable").json()["code"] == "key_revoked"
    assert plane.bumps >= bumps + 5


def test_changes_above_a_key_stamp_it(plane: Door) -> None:
    account = plane.account(customer_group="vip")
    project = plane.made("/projects", {"account": account, "name": "p"})["id"]
    key = plane.made("/keys", {"account": account, "project": project})["key"]["id"]

    def version() -> int:
        return int(plane.call("GET", f"/keys/{key}").json()["version"])

    seen = [version()]
    budget = plane.made("/budgets", {"scope": "account", "owner": account, "period": "day", "amount": "1"})["id"]
    seen.append(version())
    any_version = {"if-match": "*"}
    for method, path, body in (
        ("PATCH", f"/accounts/{account}", {"zone": "Asia/Shanghai"}),
        ("PATCH", f"/projects/{project}", {"disabled": True}),
        ("PATCH", f"/budgets/{budget}", {"amount": "2"}),
        ("DELETE", f"/budgets/{budget}", None),
    ):
        assert plane.call(method, path, body, headers=any_version).status_code in {200, 204}
        seen.append(version())
    assert seen == sorted(set(seen))


def test_a_budget_shows_the_period_under_way(plane: Door) -> None:
    account = plane.account(zone="Asia/Shanghai")
    made = plane.made("/budgets", {"scope": "account", "owner": account, "period": "day", "amount": "0.5"})
    found = plane.call("GET", f"/budgets/{made['id']}").json()
    assert found["meter"].startswith(f"account:{account}:day:")
    assert (found["spent"], found["remaining"]) == ("0.000000000", "0.500000000")
    assert found["ends_at"].endswith("T16:00:00.000Z")
    again = plane.call("POST", "/budgets", {"scope": "account", "owner": account, "period": "day", "amount": "1"})
    assert again.json()["code"] == "budget_exists"


# ── money ──


def test_money_moves_once_with_reason_and_receipt(stored: Door) -> None:
    account = stored.account()
    body = {"account": account, "amount": "12.50", "reason": "invoice 7"}
    without = stored.call("POST", "/topups", body)
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_required")
    receipt = stored.made("/topups", body)
    assert receipt["transfer"]["amount"] == "12.500000000"
    assert receipt["transfer"]["reason"] == "invoice 7"
    assert receipt["balance"]["available"] == "12.500000000"
    gift = stored.made(
        "/promotions", {"account": account, "amount": "1", "expires_at": "2090-01-01T00:00:00Z", "reason": "hello"}
    )
    assert gift["balance"]["promotions"] == [{"left": "1.000000000", "expires_at": "2090-01-01T00:00:00.000Z"}]
    taken = stored.made("/adjustments", {"account": account, "amount": "-2.5", "reason": "mistake"})
    assert taken["balance"]["available"] == "11.000000000"
    much = {"account": account, "amount": "-100", "reason": "mistake"}
    refused = stored.call("POST", "/adjustments", much, headers={"idempotency-key": "much"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_transferable")
    stranger = {"exchange": "px_none", "amount": "1", "reason": "sorry"}
    assert stored.call("POST", "/refunds", stranger, headers={"idempotency-key": "r"}).status_code == 422
    limit = stored.call("PUT", f"/accounts/{account}/overdraft", {"amount": "3"})
    assert (limit.json()["available"], limit.json()["overdraft"]) == ("14.000000000", "3.000000000")
    kinds = [each["kind"] for each in stored.call("GET", f"/transfers?account={account}").json()["data"]]
    assert kinds == ["adjustment", "promotion", "topup"]
    assert _count(stored, "audit_log") >= 5


def test_amounts_are_exact_decimal_strings(plane: Door) -> None:
    account = plane.account()
    for amount in (1.5, 1, "1.5e3", "0", "-1", "1.0000000001", "NaN", "1,5", None, True, "9" * 13):
        body = {"account": account, "amount": amount, "reason": "x"}
        refused = plane.call("POST", "/topups", body, headers={"idempotency-key": "k"})
        assert refused.status_code == 422, amount
        assert refused.json()["errors"][0]["pointer"] == "#/amount"


# ── what is sold ──


def test_what_the_file_owns_is_shown_and_not_written(plane: Door) -> None:
    if_any = {"if-match": "*"}
    for path, change in (
        ("/channels/filed", {"weight": 2}),
        ("/groups/vip", {"multiplier": "2"}),
    ):
        found = plane.call("GET", path).json()
        assert found["owner"] == "file"
        assert "secret" not in json.dumps(found)
        for method, body in (("PATCH", change), ("DELETE", None)):
            refused = plane.call(method, path, body, headers=if_any)
            assert (refused.status_code, refused.json()["code"]) == (409, "owned_by_file")
            assert "relay.toml" in refused.json()["detail"]
    assert plane.call("POST", "/channels", {**CHANNEL, "name": "filed"}).json()["code"] == "owned_by_file"
    assert plane.call("POST", "/groups", {"name": "vip", "multiplier": "1"}).json()["code"] == "owned_by_file"
    assert plane.call("GET", "/tariffs/filed-model?version=1").json()["owner"] == "file"
    refused = plane.call("DELETE", "/tariffs/filed-model?version=1", headers=if_any)
    assert refused.json()["code"] == "owned_by_file"


def test_tariffs_are_versions_that_never_overlap(stored: Door) -> None:
    changes = [stored.run(stored.database.read(reading.change))]
    first = stored.made("/tariffs", {**TARIFF, "version": "a/1"})
    assert first["document"]["sell"] == {"input_text": "2.5", "output_text": "10"}
    changes.append(stored.run(stored.database.read(reading.change)))
    dated = {**TARIFF, "version": "b", "from": "2090-01-01"}
    assert stored.call("POST", "/tariffs", dated).json()["code"] == "overlapping"
    assert stored.call("POST", "/tariffs", {**TARIFF, "version": "a/1"}).json()["code"] == "version_exists"
    one = stored.call("GET", "/tariffs/gpt-4o?version=a/1")
    assert stored.call("DELETE", "/tariffs/gpt-4o?version=a/1").status_code == 428
    retired = stored.call("DELETE", "/tariffs/gpt-4o?version=a/1", headers={"if-match": one.headers["etag"]})
    assert retired.json()["retired_at"] is not None
    stored.made("/tariffs", dated)
    changes.append(stored.run(stored.database.read(reading.change)))
    assert changes == sorted(set(changes))
    kept = stored.run(stored.database.read(lambda tx: reading.kept(tx, lambda sealed, row: "")))
    assert [tariff["version"] for tariff in kept.tariffs] == ["b"]
    assert kept.groups == {}
    stored.made("/groups", {"name": "gold", "multiplier": "0.90"})
    kept = stored.run(stored.database.read(lambda tx: reading.kept(tx, lambda sealed, row: "")))
    assert kept.groups == {"gold": "0.9"}
    long = stored.call("POST", "/tariffs", {**TARIFF, "model": "m" * 201})
    assert (long.status_code, long.json()["errors"][0]["pointer"]) == (422, "#/model")
    floats = stored.call("POST", "/tariffs", {"model": "m", "sell": {"input_text": 2.5}})
    assert floats.status_code == 422
    assert floats.json()["errors"][0]["pointer"] == "#/sell/input_text"
    listed = stored.call("GET", "/tariffs?limit=2").json()
    assert [(each["id"], each["version"]) for each in listed["data"]] == [("filed-model", "1"), ("gpt-4o", "a/1")]
    rest = stored.call("GET", "/tariffs?limit=2&after=" + listed["next"].replace("\n", "%0A")).json()
    assert [each["version"] for each in rest["data"]] == ["b"]


def test_credentials_are_written_never_read_and_stay_with_their_address(stored: Door) -> None:
    made = stored.call("POST", "/channels", CHANNEL)
    assert made.status_code == 201
    answer = stored.call(
        "POST", "/channels/main/credentials", {"name": "k1", "secret": SECRET}, headers={"idempotency-key": "c"}
    )
    assert answer.status_code == 201
    credential = answer.json()["id"]
    vault = rotation.vault(stored.data)

    def secrets() -> list[str]:
        kept = stored.run(stored.database.read(lambda tx: reading.kept(tx, vault.open)))
        return [each.secret for channel in kept.channels for each in channel.credentials]

    assert secrets() == [SECRET]
    answers = [
        stored.call("GET", path).text
        for path in ("/channels", "/channels/main", "/channels/main/credentials", "/audit?limit=500")
    ]
    assert SECRET not in "".join([*answers, answer.text, _dump(stored)])
    if_any = {"if-match": "*"}
    stored.call("PATCH", "/channels/main", {"weight": 3, "base_url": "https://api.example.com/v2"}, headers=if_any)
    assert secrets() == [SECRET]
    moved = stored.call("PATCH", "/channels/main", {"base_url": "https://evil.example.com/v1"}, headers=if_any)
    assert [each["state"] for each in moved.json()["credentials"]] == ["missing"]
    assert secrets() == []
    stored.call("PATCH", f"/channels/main/credentials/{credential}", {"secret": SECRET[::-1]})
    assert secrets() == [SECRET[::-1]]
    stored.call("PATCH", f"/channels/main/credentials/{credential}", {"disabled": True})
    assert secrets() == []
    assert stored.call("DELETE", "/channels/main", headers=if_any).status_code == 204
    assert _count(stored, "credentials") == 0


def test_a_channel_obeys_the_rules_of_the_file(plane: Door) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"provider": "nobody"}, "#/provider"),
        ({"base_url": "file:///etc/passwd"}, "#/base_url"),
        ({"base_url": "https://user:hunter2@host/v1"}, "#/base_url"),
        ({"proxy": "http://user:hunter2@host:1"}, "#/proxy"),
        ({"ca_file": "/etc/shadow"}, "#/ca_file"),
        ({"credentials": [{"env": "HOME"}]}, "#/credentials"),
        ({"models": [{"upstream": "x"}]}, "#/models/0"),
        ({"timeouts": {"connect": -1}}, "#/timeouts/connect"),
    ]
    for change, pointer in wrong:
        refused = plane.call("POST", "/channels", {**CHANNEL, **change})
        assert refused.status_code == 422
        assert pointer in [flaw.get("pointer") for flaw in refused.json()["errors"]]
        assert "hunter2" not in refused.text


# ── hostile input ──


def test_text_is_never_sql(plane: Door) -> None:
    account = plane.account()
    for text in ("' OR 1=1 --", "x'; DROP TABLE accounts; --", "$1", "%", "\\", "\u0000", "名"):
        quoted = "".join(f"%{byte:02x}" for byte in text.encode())
        for path in ("/accounts/{}", "/keys/{}", "/tokens/{}", "/charges/{}", "/tariffs/{}?version=1"):
            assert plane.call("GET", path.format(quoted)).status_code == 404
        assert plane.call("GET", f"/accounts?name={quoted}&after={quoted}").status_code in {200, 422}
    assert plane.call("GET", f"/accounts/{account}").status_code == 200
