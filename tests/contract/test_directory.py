"""What the key directory of a serving process promises beyond finding keys: at once, and whatever happens."""

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from polyrelay.access import key
from polyrelay.access.principal import KeyLimits, Principal
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.settings.root import KeyDefaults
from polyrelay.state.clock import SystemClock
from polyrelay.storage.access.directory import KeyDirectory
from polyrelay.storage.access.key_changes import KeyChange
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.records import LimitTerms, StoredKey
from polyrelay.storage.access.source import open_keys
from polyrelay.storage.rings import Ring
from polyrelay.storage.sql.database import opened
from polyrelay.storage.sql.transaction import DatabaseAway
from support import postgres

SECRETS = {"f-1": bytes(range(32)), "f-2": bytes(range(32, 64))}
RING = Ring("f-2", SECRETS)
DEFAULT_LIMITS = LimitTerms()


def new_token() -> str:
    return key.token(secrets.token_bytes(32))


def change(token: str, *, secret: str = "f-2", gone: bool = False, limits: LimitTerms = DEFAULT_LIMITS) -> KeyChange:
    name = KeyId(f"key_{token[3:7]}")
    fingerprint = key.fingerprint({**SECRETS, "f-3": b"3" * 32}[secret], token)
    principal = None if gone else Principal(name, AccountId("acc_1"), "acme")
    return KeyChange(1, name, fingerprint, secret, limits, principal)


@dataclass
class Source:
    """Committed changes; those at hand were `polled`."""

    committed: list[KeyChange] = field(default_factory=list)
    polled: list[KeyChange] = field(default_factory=list)
    fault: DatabaseAway | None = None
    fetches: int = 0

    def changes(self) -> Sequence[KeyChange]:
        if self.fault:
            raise self.fault
        found, self.polled = self.polled, []
        return found

    def fetch(self) -> Sequence[KeyChange]:
        self.fetches += 1
        if not self.fault:
            self.poll()
        return self.changes()

    def poll(self) -> None:
        self.polled += self.committed
        self.committed = []

    def close(self) -> None: ...


@dataclass
class Scene:
    source: Source
    generation: int = 0
    secrets: dict[str, bytes] = field(default_factory=lambda: dict(SECRETS))

    def directory(self, defaults: KeyDefaults = KeyDefaults()) -> KeyDirectory:
        return KeyDirectory(self.source, lambda: self.secrets, defaults, lambda: self.generation)


def test_a_bumped_generation_counts_for_the_next_look_up_and_only_once() -> None:
    token = new_token()
    scene = Scene(Source([change(token)]))
    directory = scene.directory()
    assert directory.find(token) is not None
    scene.source.committed = [change(token, gone=True)]
    assert directory.find(token) is not None
    scene.generation += 1
    assert directory.find(token) is None
    fetches = scene.source.fetches
    assert directory.find(token) is None
    assert scene.source.fetches == fetches == 2


def test_without_a_bump_a_change_comes_with_the_next_poll() -> None:
    token = new_token()
    scene = Scene(Source([change(token)]))
    directory = scene.directory()
    scene.source.committed = [change(token, gone=True)]
    scene.source.poll()
    assert directory.refresh_if_changed()
    assert not directory.refresh_if_changed()
    assert directory.find(token) is None


def test_known_keys_outlive_an_unreadable_database(caplog: pytest.LogCaptureFixture) -> None:
    token, fresh = new_token(), new_token()
    scene = Scene(Source([change(token)]))
    directory = scene.directory()
    scene.source.fault = DatabaseAway("disk I/O error")
    scene.source.committed = [change(token, gone=True), change(fresh)]
    scene.generation += 1
    for _ in range(3):
        assert directory.find(token) is not None
        assert directory.find(fresh) is None
    assert scene.source.fetches == 2, "each look-up waits for a database that is known to be away"
    assert caplog.messages == ["keys cannot be read, going on with those known: disk I/O error"]
    scene.source.fault = None
    directory.refresh_if_changed()
    assert directory.find(token) is None
    assert directory.find(fresh) is not None


def test_keys_of_retired_and_of_new_secrets_are_found(caplog: pytest.LogCaptureFixture) -> None:
    old, new, newest = new_token(), new_token(), new_token()
    scene = Scene(Source([change(old, secret="f-1"), change(new)]))
    directory = scene.directory()
    assert directory.find(old) is not None
    assert directory.find(new) is not None
    scene.source.committed = [change(newest, secret="f-3")]
    scene.generation += 1
    assert directory.find(newest) is None
    assert "lacks the secret f-3" in caplog.text
    scene.secrets["f-3"] = b"3" * 32
    scene.source.committed = [change(newest, secret="f-3")]
    scene.generation += 1
    assert directory.find(newest) is not None
    assert directory.find(old) is not None


def test_secrets_that_cannot_be_read_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    token = new_token()
    given = iter([SECRETS])

    def load() -> dict[str, bytes]:
        for found in given:
            return found
        raise ConfigurationError("secrets.toml: damaged")

    source = Source([change(token)])
    directory = KeyDirectory(source, load)
    source.polled = [change(new_token(), secret="f-3")]
    assert directory.refresh_if_changed()
    assert "damaged" in caplog.text
    assert directory.find(token) is not None


def test_other_defaults_count_for_keys_that_name_no_limits() -> None:
    plain, own = new_token(), new_token()
    scene = Scene(Source([change(plain), change(own, limits=LimitTerms(concurrency=0))]))
    directory = scene.directory()
    directory.set_defaults(KeyDefaults(concurrency=3, requests_per_day=9))
    found = [directory.find(token) for token in (plain, own)]
    assert [each.limits for each in found if each] == [
        KeyLimits(concurrency=3, requests_per_day=9),
        KeyLimits(requests_per_day=9),
    ]


# ── a server, another machine, an outage ──


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    made = postgres.Server()
    made.start()
    yield made
    made.remove()


def until(directory: KeyDirectory, token: str, *, found: bool, seconds: float) -> None:
    """What the background loop does four times a second."""
    deadline = time.monotonic() + seconds
    while (directory.find(token) is not None) is not found:
        assert time.monotonic() < deadline
        time.sleep(0.25)
        directory.refresh_if_changed()


def test_another_machine_knows_within_a_second_and_through_an_outage(server: postgres.Server) -> None:
    url, token = server.fresh_database(), new_token()

    async def make() -> StoredKey:
        async with opened(url, Path()) as database:
            store = KeyStore(database, lambda: RING, SystemClock())
            return await store.create_key((await store.ensure_account("acme")).id, token)

    async def end(made: StoredKey) -> None:
        async with opened(url, Path()) as database:
            await KeyStore(database, lambda: RING, SystemClock()).revoke(made.id)

    async def prepare() -> None:
        async with opened(url, Path()):
            pass

    asyncio.run(prepare())
    with closing(KeyDirectory(open_keys(url, Path()), lambda: SECRETS)) as directory:
        made = asyncio.run(make())
        until(directory, token, found=True, seconds=1)
        server.stop()
        time.sleep(0.6)
        directory.refresh_if_changed()
        begun = time.monotonic()
        assert directory.find(token) is not None
        assert time.monotonic() - begun < 0.1
        server.start()
        asyncio.run(end(made))
        until(directory, token, found=False, seconds=1.5)


def test_a_server_that_is_away_at_the_start_is_told(server: postgres.Server) -> None:
    url = server.fresh_database()
    server.stop()
    with pytest.raises(DatabaseAway):
        open_keys(url, Path())
