"""The keys' in-memory twin, for tests and trials. It keeps the store's promises, not its data."""

from dataclasses import replace

from polyrelay.access import key
from polyrelay.access.principal import Principal
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage.access import making
from polyrelay.storage.access.keys import overlapped, refuse_rotation
from polyrelay.storage.access.records import (
    UNRESTRICTED,
    AccountExists,
    KeyTerms,
    ProjectExists,
    StoredAccount,
    StoredKey,
    StoredProject,
    StoreError,
    UnknownAccount,
    UnknownKey,
    UnknownProject,
)
from polyrelay.storage.rings import Ring


class MemoryKeys:
    """`KeyStore` and `KeyDirectory` in one, for one process."""

    def __init__(self, ring: Ring, clock: Clock, defaults: KeyDefaults = KeyDefaults()) -> None:
        self._ring = ring
        self._clock = clock
        self._defaults = defaults
        self._accounts: dict[AccountId, StoredAccount] = {}
        self._projects: dict[str, StoredProject] = {}
        self._keys: dict[KeyId, StoredKey] = {}
        self._by_fingerprint: dict[bytes, KeyId] = {}

    async def create_account(self, name: str) -> StoredAccount:
        """A new account. Raises `AccountExists`."""
        account = making.new_account(name, self._clock)
        if self._named(name) is not None:
            raise AccountExists(f"there is already an account named {name!r}")
        self._accounts[account.id] = account
        return account

    async def ensure_account(self, name: str) -> StoredAccount:
        """The account of that name, made when absent."""
        return self._named(name) or await self.create_account(name)

    async def list_accounts(self) -> list[StoredAccount]:
        """All accounts, oldest first."""
        return list(self._accounts.values())

    async def create_project(self, account: AccountId, name: str) -> StoredProject:
        """A new project. Raises `UnknownAccount`, `ProjectExists`."""
        project = making.new_project(account, name, self._clock)
        self._account(account)
        if any((each.account_id, each.name) == (account, name) for each in self._projects.values()):
            raise ProjectExists(f"the account has a project named {name!r} already")
        self._projects[project.id] = project
        return project

    async def create_key(
        self, account: AccountId, token: str, terms: KeyTerms = UNRESTRICTED, project: str | None = None
    ) -> StoredKey:
        """Keep the fingerprint of `token`. Raises as `KeyStore.create_key` does."""
        return self._insert(account, token, terms, project)

    async def list_keys(self, account: AccountId | None = None) -> list[StoredKey]:
        """Keys, oldest first, revoked ones included; of one account when given."""
        return [stored for stored in self._keys.values() if account in (None, stored.account_id)]

    async def get_key(self, key: KeyId) -> StoredKey:
        """One key. Raises `UnknownKey`."""
        return self._get(key)

    async def update(self, key: KeyId, terms: KeyTerms) -> StoredKey:
        """Put other terms in the place of a key's. Raises `UnknownKey`, `InvalidTerms`."""
        terms.check()
        return self._put(replace(self._get(key), terms=terms))

    async def revoke(self, key: KeyId) -> StoredKey:
        """End a key for good. Again is no error and keeps the first date. Raises `UnknownKey`."""
        stored = self._get(key)
        return self._put(replace(stored, revoked_at=stored.revoked_at or self._clock.wall()))

    async def set_disabled(self, key: KeyId, *, disabled: bool) -> StoredKey:
        """Suspend a key, or let it work again. Raises `UnknownKey`."""
        return self._put(replace(self._get(key), disabled=disabled))

    async def rotate(self, key: KeyId, token: str, overlap: float) -> StoredKey:
        """A new key on the terms of `key`. See `KeyStore.rotate`."""
        old, now = self._get(key), self._clock.wall()
        refuse_rotation(old)
        made = self._insert(old.account_id, token, old.terms, old.project_id)
        ending = replace(old.terms, expires_at=overlapped(old, now + overlap))
        self._put(replace(old, terms=ending, replaced_by=made.id))
        return made

    def find(self, token: str) -> Principal | None:
        """The holder of `token`, or None."""
        if not key.looks_like_key(token):
            return None
        for secret in self._ring.keys.values():
            key_id = self._by_fingerprint.get(key.fingerprint(secret, token))
            if key_id is not None and self._keys[key_id].revoked_at is None:
                return _principal(self._keys[key_id], self._defaults)
        return None

    def _insert(self, account: AccountId, token: str, terms: KeyTerms, project: str | None) -> StoredKey:
        holder = self._account(account)
        within = self._projects.get(project) if project is not None else None
        if project is not None and (within is None or within.account_id != account):
            raise UnknownProject(f"the account has no project with the id {project!r}")
        secret = (self._ring.current, self._ring.secret)
        stored = making.new_key(holder, within, token, terms, secret, self._clock)
        if stored.fingerprint in self._by_fingerprint:
            raise StoreError("this key exists already")
        self._by_fingerprint[stored.fingerprint] = stored.id
        return self._put(stored)

    def _named(self, name: str) -> StoredAccount | None:
        return next((account for account in self._accounts.values() if account.name == name), None)

    def _account(self, account: AccountId) -> StoredAccount:
        if account not in self._accounts:
            raise UnknownAccount(f"no account has the id {account!r}")
        return self._accounts[account]

    def _get(self, key_id: KeyId) -> StoredKey:
        if key_id not in self._keys:
            raise UnknownKey(f"no key has the id {key_id!r}")
        return self._keys[key_id]

    def _put(self, stored: StoredKey) -> StoredKey:
        self._keys[stored.id] = stored
        return stored


def _principal(stored: StoredKey, defaults: KeyDefaults) -> Principal:
    """As requests see it: accounts and projects in memory limit nothing."""
    return Principal(
        key_id=stored.id,
        account_id=stored.account_id,
        account=stored.account,
        disabled=stored.disabled,
        expires_at=stored.terms.expires_at,
        models=stored.terms.models,
        networks=stored.terms.networks,
        limits=stored.terms.limits.over(defaults),
        project_id=stored.project_id,
        project=stored.project,
        tags=stored.terms.tags,
    )
