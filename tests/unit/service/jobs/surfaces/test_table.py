"""Which surface gets a request, when several are below one prefix."""

import asyncio
from typing import Any, cast

from polyrelay.access.principal import Principal
from polyrelay.kernel.errors import Refusal, Unauthenticated
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.answers import Slip
from polyrelay.service.jobs.surfaces.table import JobSurfaces
from polyrelay.service.jobs.surfaces.visit import Route, Visit
from polyrelay.wire.answers import Answer
from support.till import holder


class Desk:
    """As much of `Reception` as the table needs."""

    def slip(self, head: object) -> Slip:
        del head
        return Slip(ExchangeId("px_1"), None, 0.0)

    def identity(self, visit: Visit) -> list[tuple[bytes, bytes]]:
        del visit
        return []

    def principal(self, visit: Visit, key_header: bytes | None) -> Principal:
        if (key_header or b"authorization") not in visit.head:
            raise Unauthenticated("No key.")
        return holder("acc_1", "key_1")


class Plain:
    """Says its name, and what it was asked."""

    def __init__(
        self,
        name: str,
        *routes: tuple[str, str],
        prefixes: tuple[str, ...] = ("/suno",),
        key_header: bytes | None = None,
    ) -> None:
        self._name = name
        self.key_header = key_header
        self.prefixes = prefixes
        self.routes = [Route(method, path, self._handle) for method, path in routes]

    def refuse(self, refusal: Refusal, visit: Visit) -> Answer:
        del visit
        return refusal.status, (), f"{self._name} refuses".encode()

    async def _handle(self, visit: Visit, holder: Principal) -> Answer:
        assert holder.key_id == "key_1"
        return 200, (), f"{self._name} {visit.method} {dict(visit.names)}".encode()


TABLE = JobSurfaces(
    cast("Any", Desk()),
    [
        Plain("tasks", ("POST", "/submit"), ("GET", "/fetch/(?P<id>[^/]+)")),
        Plain("plain", ("POST", "/generate"), ("GET", "/feed/(?P<ids>[^/]+)"), prefixes=("/suno", "/other")),
        Plain("alone", ("GET", "/x"), prefixes=("/alone",), key_header=b"x-api-key"),
    ],
)


def ask(method: str, path: str, key_header: bytes = b"authorization") -> tuple[int, str]:
    answer = asyncio.run(TABLE.answer(method, path, b"", [(key_header, b"k")], b"", "127.0.0.1"))
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


def test_a_key_is_asked_for_where_there_is_something() -> None:
    assert ask("POST", "/suno/submit", b"x-api-key") == (401, "tasks refuses")
    assert ask("POST", "/suno/nothing", b"x-api-key") == (404, "tasks refuses")
    assert ask("GET", "/alone/x", b"x-api-key") == (200, "alone GET {}")
    assert ask("GET", "/alone/x") == (401, "alone refuses")


def test_what_is_served() -> None:
    assert all(TABLE.serves(path) for path in ("/suno", "/suno/", "/suno/nothing", "/other/x"))
    assert not any(TABLE.serves(path) for path in ("/", "/sunoapi", "/v1/suno", "/others"))
