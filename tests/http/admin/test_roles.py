"""Who passes: every route, every role, no token, a customer's key, tokens that have ended."""

import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from polyrelay.access import key as client_key
from polyrelay.http.admin import application, gate
from polyrelay.service.administration import roles
from polyrelay.service.administration.roles import Role
from polyrelay.storage.secrecy import rotation
from support.plane import ROOT, Door, door

ROUTES = [route for router in application.ROUTERS for route in router.routes if isinstance(route, APIRoute)]
PUBLIC = {f"{ROOT}/openapi.json", f"{ROOT}/docs", f"{ROOT}/docs/{{asset}}"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("plane")) as opened:
        yield opened


def _attempts() -> Iterator[tuple[APIRoute, str, str]]:
    for route in ROUTES:
        path = re.sub(r"\{[^}]*\}", "none", route.path).removeprefix(ROOT)
        yield from ((route, method, path) for method in route.methods or ())


def test_every_route_of_the_application_is_guarded() -> None:
    assert len(ROUTES) > 50
    assert all(isinstance(route, gate.GuardedRoute) for router in application.ROUTERS for route in router.routes)
    assert {route.path for route in ROUTES if gate.permission(route) is None} == PUBLIC


def test_a_route_without_a_permission_cannot_be_made() -> None:
    router = gate.router("test")
    with pytest.raises(KeyError):
        router.get("/open")(lambda: None)


def test_every_entry_of_the_table_is_used() -> None:
    assert {gate.permission(route) for route in ROUTES} - {None} == set(roles.TABLE)


@pytest.mark.parametrize("role", list(Role))
def test_every_route_admits_the_roles_of_the_table_and_no_other(plane: Door, role: Role) -> None:
    for route, method, path in _attempts():
        permission = gate.permission(route)
        answer = plane.call(method, path, role=role)
        allowed = permission is None or role in roles.TABLE[permission]
        assert (answer.status_code != 403) == allowed, f"{role} {method} {path}: {answer.status_code}"
        assert answer.status_code not in {401, 500}, f"{role} {method} {path}: {answer.text}"


def test_nobody_else_passes(plane: Door) -> None:
    revoked = plane.make_token(Role.OWNER)
    listed = plane.call("GET", "/tokens?limit=500").json()["data"]
    (found,) = [
        each["id"] for each in listed if each["hint"].endswith(revoked[-4:]) and each["hint"][:8] == revoked[:8]
    ]
    assert plane.call("POST", f"/tokens/{found}/revoke").json()["state"] == "revoked"
    expired = plane.make_token(Role.OWNER, time.time() + 0.05)
    account = plane.account()
    customer = plane.made("/keys", {"account": account})["token"]
    time.sleep(0.06)
    strangers = {
        "none": "",
        "customer": customer,
        "customer as admin": "pra-" + customer.removeprefix("pr-"),
        "unknown": "pra-" + client_key.token(secrets.token_bytes(32)).removeprefix("pr-"),
        "revoked": revoked,
        "expired": expired,
        "injection": "pra-' OR '1'='1" + "a" * 31,
    }
    for route, method, path in _attempts():
        for who, token in strangers.items():
            answer = plane.call(method, path, {"broken": 1} if method in {"POST", "PATCH"} else None, token=token)
            if gate.permission(route) is None:
                assert answer.status_code in {200, 404}
                continue
            assert answer.status_code == 401, f"{who} {method} {path}: {answer.status_code}"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_moves_to_the_current_secret_when_it_is_used(tmp_path: Path) -> None:
    with door(tmp_path) as plane:
        before = plane.run(plane.database.read(lambda tx: tx.fetch("SELECT fingerprint FROM admin_tokens ORDER BY id")))
        rotation.rotate_fingerprint(tmp_path)
        assert plane.call("GET", "/health").status_code == 200
        after = plane.run(plane.database.read(lambda tx: tx.fetch("SELECT fingerprint FROM admin_tokens ORDER BY id")))
        assert [row["fingerprint"] for row in before] != [row["fingerprint"] for row in after]
        assert plane.call("GET", "/health").status_code == 200
