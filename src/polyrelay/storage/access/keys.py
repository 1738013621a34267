"""Accounts, projects and keys in the database, for those who administer them. Requests use `directory`."""

from collections.abc import Callable, Mapping
from typing import Any

from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.storage.access import key_changes, making, records
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
from polyrelay.storage.sql.transaction import Conflict, Database, Row, Tx, Work

_KEYS = """
    SELECT keys.*, accounts.name AS account, projects.name AS project FROM keys
    JOIN accounts ON accounts.id = keys.account_id LEFT JOIN projects ON projects.id = keys.project_id
"""
_NEW_ACCOUNT = "INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, $3)"
_NEW_PROJECT = "INSERT INTO projects (id, account_id, name, created_at) VALUES ($1, $2, $3, $4)"
_USED = "UPDATE keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)"


class KeyStore:
    """Writes what `key_changes` tells the workers of. Every method raises `DatabaseAway` as well."""

    def __init__(
        self, database: Database, ring: Callable[[], Ring], clock: Clock, changed: Callable[[], Any] = lambda: None
    ) -> None:
        """`ring` gives the secrets that key the hashes, `changed` is called after a change of any key was committed."""
        self._database = database
        self._ring = ring
        self._clock = clock
        self._changed = changed

    # ── accounts and projects ──

    async def create_account(self, name: str) -> StoredAccount:
        """A new account. Raises `AccountExists`."""
        account = making.new_account(name, self._clock)
        try:
            await self._database.write(
                lambda tx: tx.execute(_NEW_ACCOUNT, account.id, account.name, account.created_at)
            )
        except Conflict as error:
            raise AccountExists(f"there is already an account named {name!r}") from error
        return account

    async def ensure_account(self, name: str) -> StoredAccount:
        """The account of that name, made when absent."""
        account = making.new_account(name, self._clock)

        async def work(tx: Tx) -> StoredAccount:
            values = (account.id, account.name, account.created_at)
            await tx.execute(f"{_NEW_ACCOUNT} ON CONFLICT (name) DO NOTHING", *values)
            return _account((await tx.fetch("SELECT * FROM accounts WHERE name = $1", name))[0])

        return await self._database.write(work)

    async def find_account(self, name: str) -> StoredAccount:
        """The account of that id or name. Raises `UnknownAccount`."""
        query = "SELECT * FROM accounts WHERE id = $1 OR name = $1 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END"
        rows = await self._database.read(lambda tx: tx.fetch(query, name))
        if not rows:
            raise UnknownAccount(f"there is no account {name!r}")
        return _account(rows[0])

    async def find_project(self, account: AccountId, name: str) -> StoredProject:
        """The account's project of that id or name. Raises `UnknownProject`."""
        query = "SELECT * FROM projects WHERE account_id = $1 AND (id = $2 OR name = $2)"
        rows = await self._database.read(lambda tx: tx.fetch(query, account, name))
        if not rows:
            raise UnknownProject(f"the account has no project {name!r}")
        return _project(rows[0])

    async def list_accounts(self) -> list[StoredAccount]:
        """All accounts, oldest first."""
        rows = await self._database.read(lambda tx: tx.fetch("SELECT * FROM accounts ORDER BY id"))
        return [_account(row) for row in rows]

    async def create_project(self, account: AccountId, name: str) -> StoredProject:
        """A new project. Raises `UnknownAccount`, `ProjectExists`."""
        project = making.new_project(account, name, self._clock)

        async def work(tx: Tx) -> None:
            await _find_account(tx, account)
            await tx.execute(_NEW_PROJECT, project.id, account, name, project.created_at)

        try:
            await self._database.write(work)
        except Conflict as error:
            raise ProjectExists(f"the account has a project named {name!r} already") from error
        return project

    # ── keys ──

    async def create_key(
        self, account: AccountId, token: str, terms: KeyTerms = UNRESTRICTED, project: str | None = None
    ) -> StoredKey:
        """Store the fingerprint of `token`. `project` is the id of one of the account's.

        Raises:
            UnknownAccount: no account has this id.
            UnknownProject: the account has no project of this id.
            InvalidTerms: the terms make no sense.
            StoreError: `token` is not in the format of a key, or stored already.
        """
        secret = self._secret()

        async def work(tx: Tx) -> StoredKey:
            number = await key_changes.next_number(tx)
            holder = await _find_account(tx, account)
            within = None if project is None else await _find_project(tx, account, project)
            return await _insert(tx, number, making.new_key(holder, within, token, terms, secret, self._clock))

        return await self._write_key(work)

    async def list_keys(self, account: AccountId | None = None) -> list[StoredKey]:
        """Keys, oldest first, revoked ones included; of one account when given."""
        if account is None:
            rows = await self._database.read(lambda tx: tx.fetch(f"{_KEYS} ORDER BY keys.id"))
        else:
            query = f"{_KEYS} WHERE keys.account_id = $1 ORDER BY keys.id"
            rows = await self._database.read(lambda tx: tx.fetch(query, account))
        return [records.from_columns(row) for row in rows]

    async def get_key(self, key: KeyId) -> StoredKey:
        """One key. Raises `UnknownKey`."""
        return await self._database.read(lambda tx: _find_key(tx, key))

    async def update(self, key: KeyId, terms: KeyTerms) -> StoredKey:
        """Put other terms in the place of a key's. Raises `UnknownKey`, `InvalidTerms`."""
        terms.check()
        return await self._change(key, records.terms_to_columns(terms))

    async def revoke(self, key: KeyId) -> StoredKey:
        """End a key for good. Again is no error and keeps the first date. Raises `UnknownKey`."""
        now = self._clock.wall()

        async def work(tx: Tx) -> StoredKey:
            number = await key_changes.next_number(tx)
            found = await _find_key(tx, key)
            return found if found.revoked_at is not None else await _update(tx, number, key, {"revoked_at": now})

        return await self._write_key(work)

    async def set_disabled(self, key: KeyId, *, disabled: bool) -> StoredKey:
        """Suspend a key, or let it work again. Raises `UnknownKey`."""
        return await self._change(key, {"disabled": int(disabled)})

    async def rotate(self, key: KeyId, token: str, overlap: float) -> StoredKey:
        """A new key on the terms of `key`, which goes on working for `overlap` seconds beside it.

        Raises:
            UnknownKey: no key has this id.
            StoreError: the key was revoked or replaced already; or as `create_key`.
        """
        secret, now = self._secret(), self._clock.wall()

        async def work(tx: Tx) -> StoredKey:
            number = await key_changes.next_number(tx)
            old = await _find_key(tx, key)
            refuse_rotation(old)
            account = await _find_account(tx, old.account_id)
            project = None if old.project_id is None else await _find_project(tx, old.account_id, old.project_id)
            made = making.new_key(account, project, token, old.terms, secret, self._clock)
            ending = {"expires_at": overlapped(old, now + overlap), "replaced_by": made.id}
            await _update(tx, number, key, ending)
            return await _insert(tx, number, made)

        return await self._write_key(work)

    async def change_number(self) -> int:
        """The number of the latest change of any key; 0 when there was none."""
        rows = await self._database.read(lambda tx: tx.fetch("SELECT max(change) AS latest FROM keys"))
        return int(rows[0]["latest"] or 0)

    def _secret(self) -> tuple[str, bytes]:
        ring = self._ring()
        return ring.current, ring.secret

    async def _change(self, key: KeyId, values: Mapping[str, Any]) -> StoredKey:
        async def work(tx: Tx) -> StoredKey:
            return await _update(tx, await key_changes.next_number(tx), key, values)

        return await self._write_key(work)

    async def _write_key(self, work: Work[StoredKey]) -> StoredKey:
        try:
            written = await self._database.write(work)
        except Conflict as error:
            raise StoreError("this key exists already") from error
        self._changed()
        return written


def refuse_rotation(old: StoredKey) -> None:
    """Raises `StoreError` for a key that cannot have a successor."""
    if old.revoked_at is not None:
        raise StoreError(f"{old.id} is revoked; make a new key")
    if old.replaced_by is not None:
        raise StoreError(f"{old.id} was replaced by {old.replaced_by} already")


def overlapped(old: StoredKey, until: float) -> float:
    """When a replaced key ends: `until`, or when it would have ended anyway."""
    return until if old.terms.expires_at is None else min(until, old.terms.expires_at)


async def mark_used(tx: Tx, used: Mapping[KeyId, float]) -> None:
    """Note when keys were last used, Unix seconds. That changes nothing that they may do, so nobody is told."""
    await tx.many(_USED, sorted(used.items()))


async def _insert(tx: Tx, number: int, key: StoredKey) -> StoredKey:
    values = records.to_columns(key) | {"change": number}
    places = ", ".join(f"${position}" for position in range(1, len(values) + 1))
    await tx.execute(f"INSERT INTO keys ({', '.join(values)}) VALUES ({places})", *values.values())  # noqa: S608 - columns
    return key


async def _update(tx: Tx, number: int, key: KeyId, values: Mapping[str, Any]) -> StoredKey:
    stamped = {**values, "change": number}
    settings = ", ".join(f"{column} = ${position}" for position, column in enumerate(stamped, 2))
    await tx.execute(f"UPDATE keys SET {settings} WHERE id = $1", key, *stamped.values())  # noqa: S608 - columns
    return await _find_key(tx, key)


async def _find_key(tx: Tx, key: KeyId) -> StoredKey:
    rows = await tx.fetch(f"{_KEYS} WHERE keys.id = $1", key)
    if not rows:
        raise UnknownKey(f"no key has the id {key!r}")
    return records.from_columns(rows[0])


async def _find_account(tx: Tx, account: AccountId) -> StoredAccount:
    rows = await tx.fetch("SELECT * FROM accounts WHERE id = $1", account)
    if not rows:
        raise UnknownAccount(f"no account has the id {account!r}")
    return _account(rows[0])


async def _find_project(tx: Tx, account: AccountId, project: str) -> StoredProject:
    rows = await tx.fetch("SELECT * FROM projects WHERE id = $1 AND account_id = $2", project, account)
    if not rows:
        raise UnknownProject(f"the account has no project with the id {project!r}")
    return _project(rows[0])


def _project(row: Row) -> StoredProject:
    return StoredProject(row["id"], row["account_id"], row["name"], row["created_at"])


def _account(row: Row) -> StoredAccount:
    return StoredAccount(row["id"], row["name"], row["created_at"])
