"""The promises of every key store, and of what looks keys up, on each implementation."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from polyrelay.access import key
from polyrelay.access.principal import KeyLimits
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.service.ports import Keys
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage import folder, records
from polyrelay.storage.database import open_database
from polyrelay.storage.directory import KeyDirectory, SqliteKeySource
from polyrelay.storage.keys import KeyStore
from polyrelay.storage.memory import MemoryKeys
from polyrelay.storage.records import KeyTerms, LimitTerms, StoredAccount, StoredKey

SECRET = bytes(range(32))
DEFAULTS = KeyDefaults(requests_per_minute=60)


@dataclass
class HandClock:
    now: float = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        self.now += 1
        return self.now


class Store(Protocol):
    def create_account(self, name: str) -> StoredAccount: ...
    def ensure_account(self, name: str) -> StoredAccount: ...
    def list_accounts(self) -> list[StoredAccount]: ...
    def create_key(self, account: AccountId, token: str, terms: KeyTerms = ..., /) -> StoredKey: ...
    def list_keys(self, account: AccountId | None = None) -> list[StoredKey]: ...
    def revoke(self, key: KeyId, /) -> StoredKey: ...
    def set_disabled(self, key: KeyId, *, disabled: bool) -> StoredKey: ...


@dataclass
class Bench:
    store: Store
    keys: Keys

    def refresh(self) -> None:
        """What the background loop does four times a second; memory needs none."""
        if isinstance(self.keys, KeyDirectory):
            self.keys.refresh_if_changed()


@pytest.fixture(params=["memory", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        keys = MemoryKeys(SECRET, HandClock(), DEFAULTS)
        yield Bench(keys, keys)
        return
    database = open_database(tmp_path / "data")
    directory = KeyDirectory(SqliteKeySource(tmp_path / "data" / folder.DATABASE), SECRET, DEFAULTS)
    yield Bench(KeyStore(database, SECRET, HandClock()), directory)
    directory.close()
    database.close()


def new_token() -> str:
    return key.token(secrets.token_bytes(32))


def test_a_new_key_is_found_at_once(bench: Bench) -> None:
    token = new_token()
    assert bench.keys.find(token) is None
    account = bench.store.create_account("acme")
    made = bench.store.create_key(account.id, token)
    found = bench.keys.find(token)
    assert found is not None
    assert (found.key_id, found.account_id, found.account) == (made.id, account.id, "acme")
    assert made.id.startswith("key_")
    assert account.id.startswith("acc_")
    assert made.hint == key.hint(token)


@pytest.mark.parametrize("token", ["", "sk-abc", "pr-ü", "pr-" + "a" * 43, "pr-\udcff"])
def test_what_was_never_made_is_not_found(bench: Bench, token: str) -> None:
    assert bench.keys.find(token) is None


def test_terms_reach_the_principal(bench: Bench) -> None:
    token = new_token()
    terms = KeyTerms("ci", ("gpt-*",), ("10.0.0.0/8",), 2e9, LimitTerms(tokens_per_minute=5, concurrency=0))
    stored = bench.store.create_key(bench.store.create_account("acme").id, token, terms)
    found = bench.keys.find(token)
    assert found is not None
    assert (found.models, found.networks, found.expires_at) == (("gpt-*",), ("10.0.0.0/8",), 2e9)
    assert found.limits == KeyLimits(requests_per_minute=60, tokens_per_minute=5, concurrency=0)
    assert bench.store.list_keys() == [stored]


def test_a_revoked_key_is_gone_and_stays_listed(bench: Bench) -> None:
    token = new_token()
    made = bench.store.create_key(bench.store.create_account("acme").id, token)
    assert bench.keys.find(token) is not None
    revoked = bench.store.revoke(made.id)
    bench.refresh()
    assert bench.keys.find(token) is None
    assert revoked.revoked_at is not None
    assert bench.store.revoke(made.id) == revoked
    assert bench.store.list_keys() == [revoked]


def test_a_disabled_key_is_found_as_such_and_can_come_back(bench: Bench) -> None:
    token = new_token()
    made = bench.store.create_key(bench.store.create_account("acme").id, token)
    for disabled in (True, False):
        assert bench.store.set_disabled(made.id, disabled=disabled).disabled is disabled
        bench.refresh()
        found = bench.keys.find(token)
        assert found is not None
        assert found.disabled is disabled


def test_account_names_are_unique_and_can_be_ensured(bench: Bench) -> None:
    made = bench.store.create_account("acme")
    with pytest.raises(records.AccountExists, match="acme"):
        bench.store.create_account("acme")
    assert bench.store.ensure_account("acme") == made
    other = bench.store.ensure_account("other")
    assert bench.store.list_accounts() == [made, other]
    with pytest.raises(records.StoreError, match="name"):
        bench.store.create_account("  ")


def test_keys_are_listed_by_account(bench: Bench) -> None:
    first, second = bench.store.create_account("a"), bench.store.create_account("b")
    made = [bench.store.create_key(account.id, new_token()) for account in (first, second, first)]
    assert bench.store.list_keys() == made
    assert bench.store.list_keys(first.id) == [made[0], made[2]]


def test_unknown_ids_are_refused(bench: Bench) -> None:
    with pytest.raises(records.UnknownAccount):
        bench.store.create_key(AccountId("acc_none"), new_token())
    with pytest.raises(records.UnknownKey):
        bench.store.revoke(KeyId("key_none"))
    with pytest.raises(records.UnknownKey):
        bench.store.set_disabled(KeyId("key_none"), disabled=True)


def test_bad_keys_and_terms_are_refused(bench: Bench) -> None:
    account = bench.store.create_account("acme").id
    with pytest.raises(records.StoreError, match="format"):
        bench.store.create_key(account, "sk-nothing-of-ours")
    for terms in (
        KeyTerms(networks=("300.0.0.0/8",)),
        KeyTerms(models=("",)),
        KeyTerms(limits=LimitTerms(concurrency=-1)),
    ):
        with pytest.raises(records.InvalidTerms):
            bench.store.create_key(account, new_token(), terms)
    token = new_token()
    bench.store.create_key(account, token)
    with pytest.raises(records.StoreError, match="already"):
        bench.store.create_key(account, token)
    assert len(bench.store.list_keys()) == 1


def test_nothing_shows_a_token_or_its_fingerprint(bench: Bench) -> None:
    token = new_token()
    made = bench.store.create_key(bench.store.create_account("acme").id, token)
    shown = repr(made) + repr(bench.keys.find(token))
    assert token[3:] not in shown
    assert repr(made.fingerprint) not in shown
