"""What the description of the API tells those who generate clients from it."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.plane import Door, door

MONEY = {"/topups", "/promotions", "/adjustments", "/refunds"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("plane")) as opened:
        yield opened


def _operations(plane: Door) -> Iterator[tuple[str, str, dict[str, Any]]]:
    paths: dict[str, Any] = plane.call("GET", "/openapi.json").json()["paths"]
    for path, operations in paths.items():
        yield from ((method, path, operation) for method, operation in operations.items())


def _headers(operation: dict[str, Any]) -> dict[str, bool]:
    found = operation.get("parameters", ())
    return {each["name"]: each["required"] for each in found if each["in"] == "header"}


def test_every_write_takes_an_idempotency_key_and_nothing_else_does(plane: Door) -> None:
    seen = 0
    for method, path, operation in _operations(plane):
        wanted = None if method == "get" else any(path.endswith(each) for each in MONEY)
        assert _headers(operation).get("Idempotency-Key") is wanted, (method, path)
        assert "x-once" not in operation
        seen += method != "get"
    assert seen > 20


def test_if_match_is_declared_where_it_is_read(plane: Door) -> None:
    declared = {(method, path): _headers(each).get("If-Match") for method, path, each in _operations(plane)}
    for (method, path), demand in declared.items():
        changes = method in {"patch", "delete"} and not path.endswith("/{credential}")
        stops = path.endswith(("/disable", "/enable", "/keys/{key}/revoke"))
        assert demand is (True if changes else False if stops else None), (method, path)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "a\u202eb", "a\u2066b"])
def test_names_that_steer_terminals_are_refused(plane: Door, name: str) -> None:
    assert plane.call("POST", "/accounts", {"name": name}).status_code == 422
