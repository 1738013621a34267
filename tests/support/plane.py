"""The control plane over a real database, spoken to without a socket."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import msgspec

from polyrelay.config import documents
from polyrelay.http.admin import application
from polyrelay.http.admin.instance import Instance
from polyrelay.service.administration import desk, tokens
from polyrelay.service.administration.desk import Errand
from polyrelay.service.administration.owned import NOTHING_OWNED, Owned
from polyrelay.service.administration.plane import Plane
from polyrelay.service.administration.ports import Office
from polyrelay.service.administration.refusals import Flaw
from polyrelay.service.administration.roles import Role
from polyrelay.settings.root import Settings
from polyrelay.storage import folder
from polyrelay.storage.administration.memory import MemoryOffice
from polyrelay.storage.administration.office import SqlOffice
from polyrelay.storage.administration.opening import RingSecrets
from polyrelay.storage.secrecy import custody
from polyrelay.storage.sql.database import Database, open_postgres, open_sqlite

ROOT = "/admin/v1"
PROVIDERS = frozenset({"openai", "sandbox"})
_numbers = itertools.count(1)


def check(document: Mapping[str, Any]) -> list[Flaw]:
    found = documents.problems(document, PROVIDERS)
    return [Flaw(f"{problem.found}; allowed: {problem.allowed}", problem.path) for problem in found]


class Door:
    """Requests to one control plane, as one role unless told otherwise."""

    def __init__(
        self, runner: asyncio.Runner, database: Database, data: Path, owned: Owned, *, memory: bool = False
    ) -> None:
        self._runner = runner
        self.database = database
        self.data = data
        self.bumps = 0
        self.office: Office = MemoryOffice(self._bump) if memory else SqlOffice(database, self._bump)
        self.secrets = RingSecrets(data)
        plane = Plane(self.office, self.secrets, ZoneInfo, check, lambda: owned, Settings)
        self.app: Any = application.build(Instance("1.2.3", time.monotonic(), lambda: 4, plane))
        self.tokens = {role: self.make_token(role) for role in Role}

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def make_token(self, role: Role, expires_at: float | None = None) -> str:
        errand = Errand("test", "setup")
        work = desk.perform(
            self.office, errand, lambda at: tokens.create(at, self.secrets, role.value, role, expires_at)
        )
        token: str = msgspec.json.decode(self.run(work).body)["token"]
        return token

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.OWNER,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        return self.calls([(method, path, body, headers)], role=role, token=token, content=content)[0]

    def calls(
        self, wanted: Sequence[tuple[str, str, Any, Mapping[str, str] | None]], *, role: Role = Role.OWNER,
        token: str | None = None, content: bytes | None = None,
    ) -> list[httpx2.Response]:  # fmt: skip
        """Several at once."""
        bearer = self.tokens[role] if token is None else token
        common = {"authorization": f"Bearer {bearer}"} if bearer else {}
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)

        async def send() -> list[httpx2.Response]:
            async with httpx2.AsyncClient(transport=transport, base_url="http://relay") as client:
                return list(
                    await asyncio.gather(
                        *(
                            client.request(
                                method,
                                ROOT + path,
                                headers={**common, **(headers or {})},
                                **({"json": body} if content is None else {"content": content}),
                            )
                            for method, path, body, headers in wanted
                        )
                    )
                )

        return list(self.run(send()))

    def made(self, path: str, body: Any, **more: Any) -> Any:
        """What a POST made."""
        headers = {"idempotency-key": f"key-{next(_numbers)}"}
        answer = self.call("POST", path, body, headers=headers, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def account(self, **fields: Any) -> str:
        name = f"account {next(_numbers)} {secrets.token_hex(4)}"
        found: str = self.made("/accounts", {"name": name, **fields})["id"]
        return found

    def _bump(self) -> None:
        self.bumps += 1


@contextmanager
def door(data: Path, url: str = "", owned: Owned = NOTHING_OWNED, *, memory: bool = False) -> Iterator[Door]:
    """A control plane over SQLite in `data`, or PostgreSQL at `url`, or in `memory`."""
    folder.prepare(data)
    with asyncio.Runner() as runner:
        database = runner.run(open_postgres(url) if url else open_sqlite(data))
        try:
            runner.run(custody.establish(data, database))
            yield Door(runner, database, data, owned, memory=memory)
        finally:
            runner.run(database.close())
