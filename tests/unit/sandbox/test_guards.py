import base64

import pytest

from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.guards import Guards
from polyrelay.sandbox.surfaces import Guard


def arrived(**headers: str) -> Arrived:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Arrived(b"GET", b"/", pairs, b"", legacy=False, closing=False)


GUARDS = Guards(frozenset({"good"}), frozenset({"user:pass"}))
BASIC = f"Basic {base64.b64encode(b'user:pass').decode()}"


@pytest.mark.parametrize("guard", list(Guard))
def test_without_credentials_of_its_own_the_sandbox_lets_all_in(guard: Guard) -> None:
    assert Guards(frozenset(), frozenset()).allow(guard, arrived())


@pytest.mark.parametrize(
    ("guard", "headers", "allowed"),
    [
        (Guard.OPEN, {}, True),
        (Guard.BEARER, {"authorization": "Bearer good"}, True),
        (Guard.BEARER, {"Authorization": "bearer  good"}, True),
        (Guard.BEARER, {"authorization": "Bearer bad"}, False),
        (Guard.BEARER, {"x_api_key": "good"}, False),
        (Guard.BEARER, {}, False),
        (Guard.API_KEY, {"x_api_key": "good"}, True),
        (Guard.API_KEY, {"authorization": "Bearer good"}, True),
        (Guard.API_KEY, {"x_api_key": "bad"}, False),
        (Guard.API_KEY, {}, False),
        (Guard.BASIC, {"authorization": BASIC}, True),
        (Guard.BASIC, {"authorization": "Basic not base64!"}, False),
        (Guard.BASIC, {"authorization": "Basic Z29vZA=="}, False),
        (Guard.BASIC, {"authorization": "Bearer good"}, False),
        (Guard.BASIC, {}, False),
    ],
)
def test_who_passes(guard: Guard, headers: dict[str, str], allowed: bool) -> None:
    assert GUARDS.allow(guard, arrived(**headers)) is allowed
