"""Which surface gets a request, when several are below one prefix."""

import asyncio
from typing import Any, cast

from polyrelay.kernel.errors import Refusal
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.answers import Slip
from polyrelay.service.jobs.surfaces.table import JobSurfaces
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer


class Desk:
    """As much of `Reception` as the table needs."""

    def slip(self, head: object) -> Slip:
        del head
        return Slip(ExchangeId("px_1"), None, 0.0)

    def identity(self, visit: Visit) -> list[tuple[bytes, bytes]]:
        del visit
        return []


class Plain:
    """Says its name, and what it was asked."""

    def __init__(self, name: str, *routes: tuple[str, str], prefixes: tuple[str, ...] = ("/suno",)) -> None:
        self._name = name
        self.prefixes = prefixes
        self.routes = [Route(method, path, self._handle) for method, path in routes]

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        del visit
        return refusal.status, (), f"{self._name} refuses".encode()

    async def _handle(self, visit: Visit) -> Answer:
        return 200, (), f"{self._name} {visit.method} {dict(visit.names)}".encode()


TABLE = JobSurfaces(
    cast("Any", Desk()),
    [
        Plain("tasks", ("POST", "/submit"), ("GET", "/fetch/(?P<id>[^/]+)")),
        Plain("plain", ("POST", "/generate"), ("GET", "/feed/(?P<ids>[^/]+)"), prefixes=("/suno", "/other")),
    ],
)


def ask(method: str, path: str) -> tuple[int, str]:
    answer = asyncio.run(TABLE.answer(method, path, b"", [], b"", "127.0.0.1"))
    assert isinstance(answer, tuple)
    return answer[0], answer[2].decode()


def test_who_has_a_route_gets_the_request() -> None:
    assert ask("POST", "/suno/submit") == (200, "tasks POST {}")
    assert ask("GET", "/suno/fetch/a") == (200, "tasks GET {'id': 'a'}")
    assert ask("POST", "/suno/generate") == (200, "plain POST {}")
    assert ask("GET", "/suno/feed/a,b") == (200, "plain GET {'ids': 'a,b'}")
    assert ask("GET", "/other/feed/a") == (200, "plain GET {'ids': 'a'}")


def test_who_has_the_path_refuses_another_method() -> None:
    assert ask("GET", "/suno/generate") == (405, "plain refuses")
    assert ask("GET", "/suno/submit") == (405, "tasks refuses")


def test_what_nobody_has_is_refused_by_the_first() -> None:
    assert ask("GET", "/suno/nothing") == (404, "tasks refuses")
    assert ask("GET", "/other/submit") == (404, "plain refuses")


def test_what_is_served() -> None:
    assert all(TABLE.serves(path) for path in ("/suno", "/suno/", "/suno/nothing", "/other/x"))
    assert not any(TABLE.serves(path) for path in ("/", "/sunoapi", "/v1/suno", "/others"))
