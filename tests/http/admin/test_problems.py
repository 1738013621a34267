"""Refusals are problem details with the place of each mistake, and say nothing that should not be said."""

from collections.abc import Iterator
from typing import Any

import pytest

from polyrelay.http.admin import gate
from polyrelay.http.application import REQUEST
from polyrelay.service.administration.ports import Away
from support.plane import Door, door

IF_ANY = {"if-match": "*"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("plane")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_url"),
        ("GET", "/accounts/", 404, "unknown_url"),
        ("GET", "/accounts/none", 404, "not_found"),
        ("PUT", "/accounts", 405, "method_not_allowed"),
        ("DELETE", "/audit", 405, "method_not_allowed"),
        ("PATCH", "/audit/aud_1", 405, "method_not_allowed"),
        ("GET", "/accounts?limit=0", 422, "invalid"),
        ("GET", "/accounts?acount=x", 422, "invalid"),
        ("GET", "/docs/../gate.py", 404, "unknown_url"),
        ("GET", "/docs/gate.py", 404, "not_found"),
    ],
)
def test_every_refusal_is_a_problem(plane: Door, method: str, path: str, status: int, code: str) -> None:
    answer = plane.call(method, path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:polyrelay:problem:{code}"
    assert problem.keys() >= {"title", "detail", "request_id"}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 422, "invalid_json"),
        (b'{"name": "a", "name": "b"}', 422, "invalid_json"),
        (b'{"name": NaN}', 422, "invalid_json"),
        (b'{"name": "a\\u0000"}', 422, "invalid_json"),
        (b'{"name": "\\ud800"}', 422, "invalid_json"),
        (b"\xff", 422, "invalid_json"),
        (b"[" * 100_000, 422, "invalid_json"),
        (b"[]", 422, "invalid"),
        (b'"' + b"a" * gate.LARGEST_BODY + b'"', 413, "too_large"),
    ],
)
def test_bodies_that_cannot_be_read(plane: Door, content: bytes, status: int, code: str) -> None:
    answer = plane.call("POST", "/accounts", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_of_another_type_is_415(plane: Door) -> None:
    answer = plane.call("POST", "/accounts", content=b"name=a", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/accounts", {"name": "a", "colour": "red"}, "#/colour"),
        ("/accounts", {}, "#/name"),
        ("/accounts", {"name": "a\nb"}, "#/name"),
        ("/accounts", {"name": "a" * 201}, "#/name"),
        ("/accounts", {"name": "a", "limits": {"concurrency": -1}}, "#/limits/concurrency"),
        ("/accounts", {"name": "a", "limits": {"speed": 1}}, "#/limits/speed"),
        ("/accounts", {"name": "a", "limits": {"concurrency": "1"}}, "#/limits/concurrency"),
        ("/accounts", {"name": "a", "limits": {"concurrency": True}}, "#/limits/concurrency"),
        ("/accounts", {"name": "a", "tags": ["a", ""]}, "#/tags/1"),
        ("/accounts", {"name": "a", "zone": "Mars/Base"}, "#/zone"),
        ("/accounts", {"name": "a", "zone": "../../etc/passwd"}, "#/zone"),
        ("/keys", {"account": "acc_none"}, "#/account"),
        ("/tokens", {"name": "a", "role": "god"}, "#/role"),
        ("/tokens", {"name": "a", "role": "owner", "expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ("/tokens", {"name": "a", "role": "owner", "expires_at": "2090-01-01T00:00:00"}, "#/expires_at"),
        ("/tokens", {"name": "a", "role": "owner", "expires_at": "9999-12-31T23:59:59-12:00"}, "#/expires_at"),
    ],
)
def test_wrong_fields_are_named(plane: Door, path: str, body: Any, pointer: str) -> None:
    answer = plane.call("POST", path, body)
    assert answer.status_code == 422
    assert [flaw["pointer"] for flaw in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("field", [{"networks": ["10.0.0.0/8", "x"]}, {"models": [""]}, {"expires_at": 1}])
def test_wrong_terms_of_a_key_are_named(plane: Door, field: dict[str, Any]) -> None:
    answer = plane.call("POST", "/keys", {"account": plane.account(), **field})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("#/" + next(iter(field)))


def test_refusals_do_not_repeat_what_was_sent(plane: Door) -> None:
    plane.call("POST", "/channels", {"name": "c", "provider": "openai", "base_url": "https://a.test", "models": ["m"]})
    answer = plane.call("POST", "/channels/c/credentials", {"name": "k", "secret": "sk with spaces 1234", "x": 1})
    assert answer.status_code == 422
    assert "sk with" not in answer.text


@pytest.mark.parametrize("key", ["", "a" * 101, "tab\there"])
def test_an_idempotency_key_is_bounded(plane: Door, key: str) -> None:
    answer = plane.call("POST", "/accounts", {"name": "bounded"}, headers={"idempotency-key": key})
    assert (answer.status_code, answer.json()["errors"][0]["header"]) == (400, "Idempotency-Key")


def test_the_last_owner_stays(plane: Door) -> None:
    owners = [each["id"] for each in plane.call("GET", "/tokens").json()["data"] if each["role"] == "owner"]
    answers = [plane.call("POST", f"/tokens/{owner}/revoke") for owner in owners]
    assert [answer.status_code for answer in answers] == [409]


def test_a_database_that_is_away_is_503(plane: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise Away("gone, with details")

    monkeypatch.setattr(type(plane.office), "write", away)
    answer = plane.call("POST", "/accounts", {"name": "late"})
    assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
    assert "details" not in answer.text


def test_a_defect_of_ours_shows_nothing(plane: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("pr-secret")

    monkeypatch.setattr(type(plane.office), "write", broken)
    answer = plane.call("POST", "/accounts", {"name": "late"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


def test_the_page_and_all_it_needs_come_from_here(plane: Door) -> None:
    page = plane.call("GET", "/docs", token="")
    assert "http" not in page.text.replace("<!doctype html>", "")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "favicon.png"):
        assert f"docs/{asset}" in page.text
        assert plane.call("GET", f"/docs/{asset}", token="").status_code == 200


def test_the_description_is_complete(plane: Door) -> None:
    document = plane.call("GET", "/openapi.json", token="").json()
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert len(operations) > 50
    for operation in operations:
        assert operation["security"] == [{"adminToken": []}]
        assert operation["x-roles"]
        assert "Problem" in str(operation["responses"]["default"])
    assert "writeOnly" in str(document["components"]["schemas"]["NewCredential"])


def test_the_audit_log_has_the_id_of_the_answer(plane: Door) -> None:
    app = plane.app

    async def identified(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, REQUEST: "px_7"}, receive, send)

    plane.app = identified
    try:
        plane.call("POST", "/accounts", {"name": "identified"})
        assert plane.call("GET", "/nothing").json()["request_id"] == "px_7"
    finally:
        plane.app = app
    assert plane.call("GET", "/audit?kind=account&limit=1").json()["data"][0]["request"] == "px_7"


def test_settings_show_no_secret(plane: Door) -> None:
    shown = plane.call("GET", "/settings").json()
    assert shown["server"]["port"] == 8080
