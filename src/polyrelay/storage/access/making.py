"""New rows: the one place where stores make ids and fingerprints."""

import secrets

from polyrelay.access import key
from polyrelay.kernel import ids
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.storage.access.records import KeyTerms, StoredAccount, StoredKey, StoredProject, StoreError


def new_account(name: str, clock: Clock) -> StoredAccount:
    """An account row, not stored yet. Raises `StoreError` for a blank name."""
    if not name.strip():
        raise StoreError("an account needs a name")
    now = clock.wall()
    return StoredAccount(AccountId(_id("acc_", now)), name, now)


def new_project(account: AccountId, name: str, clock: Clock) -> StoredProject:
    """A project row, not stored yet. Raises `StoreError` for a blank name."""
    if not name.strip():
        raise StoreError("a project needs a name")
    now = clock.wall()
    return StoredProject(_id("prj_", now), account, name, now)


def new_key(
    account: StoredAccount,
    project: StoredProject | None,
    token: str,
    terms: KeyTerms,
    secret: tuple[str, bytes],
    clock: Clock,
) -> StoredKey:
    """A key row, not stored yet. `secret` is the id and the value of what keys its hash.

    Raises `StoreError` when `token` is none of ours, `InvalidTerms` for bad terms.
    """
    if not key.looks_like_key(token):
        raise StoreError("not in the format of a client key")
    terms.check()
    now = clock.wall()
    return StoredKey(
        id=KeyId(_id("key_", now)),
        account_id=account.id,
        account=account.name,
        fingerprint=key.fingerprint(secret[1], token),
        hint=key.hint(token),
        created_at=now,
        terms=terms,
        project_id=project.id if project is not None else None,
        project=project.name if project is not None else None,
        secret_id=secret[0],
    )


def _id(prefix: str, now: float) -> str:
    return ids.stamped(prefix, int(now * 1000), secrets.token_bytes(ids.ENTROPY_BYTES))
