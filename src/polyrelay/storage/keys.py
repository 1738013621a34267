"""Accounts and keys in the database, for those who administer them. Requests use `directory`."""

from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.storage import making, records, schema
from polyrelay.storage.database import Database
from polyrelay.storage.records import (
    UNRESTRICTED,
    AccountExists,
    KeyTerms,
    StoredAccount,
    StoredKey,
    StoreError,
    UnknownAccount,
    UnknownKey,
)


class KeyStore:
    """Every change of a key stamps its row with the next change number, in the same transaction.

    Readers in any process remember the highest number they have seen and fetch the rows above it.
    """

    def __init__(self, database: Database, secret: bytes, clock: Clock) -> None:
        self._database = database
        self._secret = secret
        self._clock = clock

    def create_account(self, name: str) -> StoredAccount:
        """A new account. Raises `AccountExists`."""
        account = making.new_account(name, self._clock)
        try:
            with self._database.write() as connection:
                _insert_account(connection, account)
        except IntegrityError as error:
            raise AccountExists(f"there is already an account named {name!r}") from error
        return account

    def ensure_account(self, name: str) -> StoredAccount:
        """The account of that name, made when absent."""
        account = making.new_account(name, self._clock)
        with self._database.write() as connection:
            found = _find_account(connection, schema.accounts.c.name == name)
            if found is None:
                _insert_account(connection, account)
            return found or account

    def list_accounts(self) -> list[StoredAccount]:
        """All accounts, oldest first."""
        with self._database.read() as connection:
            return [_account(row) for row in connection.execute(select(schema.accounts).order_by("id")).mappings()]

    def create_key(self, account: AccountId, token: str, terms: KeyTerms = UNRESTRICTED) -> StoredKey:
        """Store the fingerprint of `token`.

        Raises:
            UnknownAccount: no account has this id.
            InvalidTerms: the terms make no sense.
            StoreError: `token` is not in the format of a key, or stored already.
        """
        try:
            return self._insert_key(account, token, terms)
        except IntegrityError as error:
            raise StoreError("this key exists already") from error

    def _insert_key(self, account: AccountId, token: str, terms: KeyTerms) -> StoredKey:
        with self._database.write() as connection:
            holder = _find_account(connection, schema.accounts.c.id == account)
            if holder is None:
                raise UnknownAccount(f"no account has the id {account!r}")
            key = making.new_key(holder, token, terms, self._secret, self._clock)
            values = records.to_columns(key) | {"change": _next_change(connection)}
            connection.execute(insert(schema.keys).values(values))
        return key

    def list_keys(self, account: AccountId | None = None) -> list[StoredKey]:
        """Keys, oldest first, revoked ones included; of one account when given."""
        query = _keys_query().order_by(schema.keys.c.id)
        if account is not None:
            query = query.where(schema.keys.c.account_id == account)
        with self._database.read() as connection:
            return [records.from_columns(dict(row)) for row in connection.execute(query).mappings()]

    def revoke(self, key: KeyId) -> StoredKey:
        """End a key for good. Again is no error and keeps the first date. Raises `UnknownKey`."""
        first_date = func.coalesce(schema.keys.c.revoked_at, self._clock.wall())
        return self._change(key, {"revoked_at": first_date})

    def set_disabled(self, key: KeyId, *, disabled: bool) -> StoredKey:
        """Suspend a key, or let it work again. Raises `UnknownKey`."""
        return self._change(key, {"disabled": disabled})

    def change_number(self) -> int:
        """The number of the latest change of any key; 0 when there was none."""
        with self._database.read() as connection:
            return _next_change(connection) - 1

    def _change(self, key: KeyId, values: dict[str, Any]) -> StoredKey:
        with self._database.write() as connection:
            stamped = values | {"change": _next_change(connection)}
            connection.execute(update(schema.keys).where(schema.keys.c.id == key).values(stamped))
            row = connection.execute(_keys_query().where(schema.keys.c.id == key)).mappings().one_or_none()
        if row is None:
            raise UnknownKey(f"no key has the id {key!r}")
        return records.from_columns(dict(row))


def _keys_query() -> Any:
    return select(schema.keys, schema.accounts.c.name.label("account")).join(schema.accounts)


def _next_change(connection: Connection) -> int:
    latest: int | None = connection.execute(select(func.max(schema.keys.c.change))).scalar_one()
    return (latest or 0) + 1


def _insert_account(connection: Connection, account: StoredAccount) -> None:
    connection.execute(insert(schema.accounts).values(id=account.id, name=account.name, created_at=account.created_at))


def _find_account(connection: Connection, condition: Any) -> StoredAccount | None:
    row = connection.execute(select(schema.accounts).where(condition)).mappings().one_or_none()
    return None if row is None else _account(row)


def _account(row: Any) -> StoredAccount:
    return StoredAccount(id=row["id"], name=row["name"], created_at=row["created_at"])
