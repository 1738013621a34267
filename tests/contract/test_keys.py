"""The promises of every key store, and of what looks keys up, on each implementation."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from polyrelay.access import key
from polyrelay.access.principal import Budget, KeyLimits, LimitScope
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.service.ports import Keys
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage.access import key_changes, keys, records
from polyrelay.storage.access.directory import KeyDirectory
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.memory import MemoryKeys
from polyrelay.storage.access.records import KeyTerms, LimitTerms, StoredAccount, StoredKey, StoredProject
from polyrelay.storage.access.source import open_keys
from polyrelay.storage.rings import Ring
from polyrelay.storage.sql.database import Database, Tx, opened
from support import postgres

RING = Ring("f-2", {"f-1": bytes(range(32)), "f-2": bytes(range(32, 64))})
DEFAULTS = KeyDefaults(requests_per_minute=60, requests_per_day=1000)


@dataclass
class HandClock:
    now: float = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        self.now += 1
        return self.now


class Store(Protocol):
    async def create_account(self, name: str) -> StoredAccount: ...
    async def ensure_account(self, name: str) -> StoredAccount: ...
    async def list_accounts(self) -> list[StoredAccount]: ...
    async def create_project(self, account: AccountId, name: str) -> StoredProject: ...
    async def create_key(
        self, account: AccountId, token: str, terms: KeyTerms = ..., project: str | None = None
    ) -> StoredKey: ...
    async def list_keys(self, account: AccountId | None = None) -> list[StoredKey]: ...
    async def get_key(self, key: KeyId, /) -> StoredKey: ...
    async def update(self, key: KeyId, /, terms: KeyTerms) -> StoredKey: ...
    async def revoke(self, key: KeyId, /) -> StoredKey: ...
    async def set_disabled(self, key: KeyId, *, disabled: bool) -> StoredKey: ...
    async def rotate(self, key: KeyId, /, token: str, overlap: float) -> StoredKey: ...


@dataclass
class Bench:
    """`generation` counts what the store told of; the directory sees it at each look-up, as it does in a relay."""

    store: Store
    keys: Keys
    database: Database | None = None
    generation: int = 0

    def changed(self) -> None:
        self.generation += 1


Act = Callable[[Bench], Coroutine[Any, Any, None]]
Run = Callable[[Act], None]


@asynccontextmanager
async def bench_in_memory() -> AsyncIterator[Bench]:
    memory = MemoryKeys(RING, HandClock(), DEFAULTS)
    yield Bench(memory, memory)


@asynccontextmanager
async def bench_in_database(url: str, data: Path) -> AsyncIterator[Bench]:
    async with opened(url, data) as database:
        bench = Bench(MemoryKeys(RING, HandClock()), MemoryKeys(RING, HandClock()), database)
        bench.store = KeyStore(database, lambda: RING, HandClock(), bench.changed)
        source = open_keys(url, data)
        with closing(KeyDirectory(source, lambda: RING.keys, DEFAULTS, lambda: bench.generation)) as directory:
            bench.keys = directory
            yield bench


def runner(bench: Callable[[], Any]) -> Run:
    def run(act: Act) -> None:
        async def within() -> None:
            async with bench() as made:
                await act(made)

        asyncio.run(within())

    return run


def url_of(kind: str) -> str:
    return postgres.ready_database() if kind == "postgresql" else ""


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    if request.param == "memory":
        return runner(bench_in_memory)
    url = url_of(request.param)
    return runner(lambda: bench_in_database(url, tmp_path))


@pytest.fixture(params=["sqlite", "postgresql"])
def run_stored(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    url = url_of(request.param)
    return runner(lambda: bench_in_database(url, tmp_path))


def new_token() -> str:
    return key.token(secrets.token_bytes(32))


def test_a_new_key_is_found_at_once(run: Run) -> None:
    async def act(bench: Bench) -> None:
        token = new_token()
        assert bench.keys.find(token) is None
        account = await bench.store.create_account("acme")
        made = await bench.store.create_key(account.id, token)
        found = bench.keys.find(token)
        assert found is not None
        assert (found.key_id, found.account_id, found.account) == (made.id, account.id, "acme")
        assert made.id.startswith("key_")
        assert account.id.startswith("acc_")
        assert made.hint == key.hint(token)
        assert made.secret_id == "f-2"

    run(act)


@pytest.mark.parametrize("token", ["", "sk-abc", "pr-ü", "pr-" + "a" * 43, "pr-\udcff"])
def test_what_was_never_made_is_not_found(run: Run, token: str) -> None:
    async def act(bench: Bench) -> None:
        assert bench.keys.find(token) is None

    run(act)


def test_terms_reach_the_principal(run: Run) -> None:
    limits = LimitTerms(tokens_per_minute=5, concurrency=0, requests_per_day=7)
    terms = KeyTerms("ci", ("gpt-*",), ("10.0.0.0/8",), 2e9, limits, ("blue", "ü"))

    async def act(bench: Bench) -> None:
        token = new_token()
        account = await bench.store.create_account("acme")
        project = await bench.store.create_project(account.id, "web")
        stored = await bench.store.create_key(account.id, token, terms, project.id)
        found = bench.keys.find(token)
        assert found is not None
        assert (found.models, found.networks, found.expires_at) == (("gpt-*",), ("10.0.0.0/8",), 2e9)
        assert found.limits == KeyLimits(requests_per_minute=60, tokens_per_minute=5, concurrency=0, requests_per_day=7)
        assert (found.project_id, found.project, found.tags) == (project.id, "web", ("blue", "ü"))
        assert (found.group, found.zone, found.hold_policy) == ("default", "UTC", "clamp")
        assert await bench.store.list_keys() == [stored]
        changed = await bench.store.update(stored.id, KeyTerms("ci"))
        assert changed.terms == KeyTerms("ci")
        found = bench.keys.find(token)
        assert found is not None
        assert (found.models, found.limits.requests_per_day, found.tags) == ((), 1000, ())

    run(act)


def test_a_revoked_key_is_gone_and_stays_listed(run: Run) -> None:
    async def act(bench: Bench) -> None:
        token = new_token()
        made = await bench.store.create_key((await bench.store.create_account("acme")).id, token)
        assert bench.keys.find(token) is not None
        revoked = await bench.store.revoke(made.id)
        assert bench.keys.find(token) is None
        assert revoked.revoked_at is not None
        assert await bench.store.revoke(made.id) == revoked
        assert await bench.store.list_keys() == [revoked]

    run(act)


def test_a_disabled_key_is_found_as_such_and_can_come_back(run: Run) -> None:
    async def act(bench: Bench) -> None:
        token = new_token()
        made = await bench.store.create_key((await bench.store.create_account("acme")).id, token)
        for disabled in (True, False):
            assert (await bench.store.set_disabled(made.id, disabled=disabled)).disabled is disabled
            found = bench.keys.find(token)
            assert found is not None
            assert found.disabled is disabled

    run(act)


@pytest.mark.parametrize(("own_end", "expected"), [(None, 1_700_000_103.0), (1_700_000_050.0, 1_700_000_050.0)])
def test_a_rotated_key_works_until_its_overlap_or_its_own_end(run: Run, own_end: float | None, expected: float) -> None:
    async def act(bench: Bench) -> None:
        old_token, token = new_token(), new_token()
        account = await bench.store.create_account("acme")
        project = await bench.store.create_project(account.id, "web")
        terms = KeyTerms("ci", tags=("blue",), expires_at=own_end)
        old = await bench.store.create_key(account.id, old_token, terms, project.id)
        made = await bench.store.rotate(old.id, token, 100 - 1)
        assert (made.terms, made.project_id) == (terms, project.id)
        found, before = bench.keys.find(token), bench.keys.find(old_token)
        assert found is not None
        assert before is not None
        assert (found.key_id, before.key_id, before.expires_at) == (made.id, old.id, expected)
        assert (await bench.store.get_key(old.id)).replaced_by == made.id
        with pytest.raises(records.StoreError, match=f"replaced by {made.id}"):
            await bench.store.rotate(old.id, new_token(), 1)
        await bench.store.revoke(made.id)
        with pytest.raises(records.StoreError, match="revoked"):
            await bench.store.rotate(made.id, new_token(), 1)
        assert len(await bench.store.list_keys()) == 2

    run(act)


def test_names_are_unique_and_accounts_can_be_ensured(run: Run) -> None:
    async def act(bench: Bench) -> None:
        made = await bench.store.create_account("acme")
        with pytest.raises(records.AccountExists, match="acme"):
            await bench.store.create_account("acme")
        assert await bench.store.ensure_account("acme") == made
        other = await bench.store.ensure_account("other")
        assert await bench.store.list_accounts() == [made, other]
        with pytest.raises(records.StoreError, match="name"):
            await bench.store.create_account("  ")
        await bench.store.create_project(made.id, "web")
        await bench.store.create_project(other.id, "web")
        with pytest.raises(records.ProjectExists, match="web"):
            await bench.store.create_project(made.id, "web")

    run(act)


def test_keys_are_listed_by_account(run: Run) -> None:
    async def act(bench: Bench) -> None:
        first, second = await bench.store.create_account("a"), await bench.store.create_account("b")
        made = [await bench.store.create_key(account.id, new_token()) for account in (first, second, first)]
        assert await bench.store.list_keys() == made
        assert await bench.store.list_keys(first.id) == [made[0], made[2]]

    run(act)


def test_unknown_ids_are_refused(run: Run) -> None:
    async def act(bench: Bench) -> None:
        nobody, none = AccountId("acc_none"), KeyId("key_none")
        with pytest.raises(records.UnknownAccount):
            await bench.store.create_key(nobody, new_token())
        with pytest.raises(records.UnknownAccount):
            await bench.store.create_project(nobody, "web")
        for call in (bench.store.revoke(none), bench.store.get_key(none), bench.store.update(none, KeyTerms())):
            with pytest.raises(records.UnknownKey):
                await call
        with pytest.raises(records.UnknownKey):
            await bench.store.set_disabled(none, disabled=True)
        with pytest.raises(records.UnknownKey):
            await bench.store.rotate(none, new_token(), 1)
        account, other = await bench.store.create_account("a"), await bench.store.create_account("b")
        project = await bench.store.create_project(other.id, "web")
        with pytest.raises(records.UnknownProject):
            await bench.store.create_key(account.id, new_token(), project=project.id)

    run(act)


def test_bad_keys_and_terms_are_refused(run: Run) -> None:
    async def act(bench: Bench) -> None:
        account = (await bench.store.create_account("acme")).id
        with pytest.raises(records.StoreError, match="format"):
            await bench.store.create_key(account, "sk-nothing-of-ours")
        for terms in (
            KeyTerms(networks=("300.0.0.0/8",)),
            KeyTerms(models=("",)),
            KeyTerms(limits=LimitTerms(concurrency=-1)),
            KeyTerms(limits=LimitTerms(requests_per_day=-1)),
        ):
            with pytest.raises(records.InvalidTerms):
                await bench.store.create_key(account, new_token(), terms)
        token = new_token()
        await bench.store.create_key(account, token)
        with pytest.raises(records.StoreError, match="already"):
            await bench.store.create_key(account, token)
        assert len(await bench.store.list_keys()) == 1

    run(act)


def test_nothing_shows_a_token_or_its_fingerprint(run: Run) -> None:
    async def act(bench: Bench) -> None:
        token = new_token()
        made = await bench.store.create_key((await bench.store.create_account("acme")).id, token)
        shown = repr(made) + repr(bench.keys.find(token))
        assert token[3:] not in shown
        assert repr(made.fingerprint) not in shown

    run(act)


def test_what_stands_behind_a_key_reaches_it(run_stored: Run) -> None:
    async def act(bench: Bench) -> None:
        assert bench.database is not None
        token, other = new_token(), new_token()
        account = await bench.store.create_account("acme")
        project = await bench.store.create_project(account.id, "web")
        made = await bench.store.create_key(account.id, token, project=project.id)
        await bench.store.create_key(account.id, other)
        budgets = [
            ("account", account.id, "month", 30),
            ("project", project.id, "day", 20),
            ("key", made.id, "total", 1),
        ]

        async def change(tx: Tx) -> int:
            await tx.execute(
                "UPDATE accounts SET customer_group = 'gold', zone = 'Asia/Shanghai', hold_policy = 'strict', "
                "requests_per_day = 9 WHERE id = $1",
                account.id,
            )
            await tx.execute("INSERT INTO customer_groups (name, concurrency, created_at) VALUES ('gold', 4, 0)")
            await tx.execute("UPDATE projects SET tokens_per_minute = 5 WHERE id = $1", project.id)
            sql = "INSERT INTO budgets (id, account_id, scope, owner, period, amount, created_at) "
            sql += "VALUES ($1, $2, $3, $4, $5, $6, 0)"
            await tx.many(sql, [(f"b{nanos}", account.id, *rest, nanos) for *rest, nanos in budgets])
            return await key_changes.touch(tx, account=account.id)

        assert await bench.database.write(change) == 2
        bench.changed()
        found, outside = bench.keys.find(token), bench.keys.find(other)
        assert found is not None
        assert outside is not None
        assert (found.group, found.zone, found.hold_policy) == ("gold", "Asia/Shanghai", "strict")
        assert [scope.id for scope in found.scopes] == [
            ("account", account.id), ("project", project.id), ("group", "gold"),
        ]  # fmt: skip
        assert LimitScope(("project", project.id), "your project", KeyLimits(tokens_per_minute=5)) in found.scopes
        assert [scope.id[0] for scope in outside.scopes] == ["account", "group"]
        by_scope = {"account": account.id, "project": project.id, "key": made.id}
        assert set(found.budgets) == {
            Budget(by_scope["account"], "account", "month", 30),
            Budget(by_scope["project"], "project", "day", 20),
            Budget(by_scope["key"], "key", "total", 1),
        }
        assert [budget.limit for budget in outside.budgets] == [30]

    run_stored(act)


@pytest.mark.parametrize("kind", ["account", "project"])
def test_who_is_disabled_takes_the_keys_along(run_stored: Run, kind: str) -> None:
    async def act(bench: Bench) -> None:
        assert bench.database is not None
        token = new_token()
        account = await bench.store.create_account("acme")
        project = await bench.store.create_project(account.id, "web")
        await bench.store.create_key(account.id, token, project=project.id)

        async def disable(tx: Tx) -> int:
            await tx.execute(f"UPDATE {kind}s SET disabled = 1")
            if kind == "account":
                return await key_changes.touch(tx, account=account.id)
            return await key_changes.touch(tx, project=project.id)

        assert await bench.database.write(disable) == 1
        bench.changed()
        found = bench.keys.find(token)
        assert found is not None
        assert found.disabled

    run_stored(act)


def test_touching_reaches_those_concerned_and_no_revoked_ones(run_stored: Run) -> None:
    async def act(bench: Bench) -> None:
        database = bench.database
        assert database is not None
        account = await bench.store.create_account("acme")
        one, _, gone = [await bench.store.create_key(account.id, new_token()) for _ in range(3)]
        await bench.store.revoke(gone.id)
        seen = await database.write(key_changes.next_number) - 1
        assert await database.write(lambda tx: key_changes.touch(tx, key=one.id)) == 1
        assert [change.key for change in await database.read(lambda tx: key_changes.since(tx, seen))] == [one.id]
        assert await database.write(lambda tx: key_changes.touch(tx, group="default")) == 2
        assert await database.write(lambda tx: key_changes.touch(tx, key=KeyId("key_none"))) == 0

    run_stored(act)


def test_last_use_only_grows_and_tells_nobody(run_stored: Run) -> None:
    async def act(bench: Bench) -> None:
        database = bench.database
        assert database is not None
        made = await bench.store.create_key((await bench.store.create_account("acme")).id, new_token())
        number = await database.write(key_changes.next_number)
        for at in (5.0, 9.0, 7.0):
            await database.write(lambda tx, at=at: keys.mark_used(tx, {made.id: at}))  # type: ignore[misc]
        assert (await bench.store.get_key(made.id)).last_used_at == 9.0
        assert await database.write(key_changes.next_number) == number

    run_stored(act)
