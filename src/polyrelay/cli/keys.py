"""`polyrelay keys`: the keys that clients use."""

import asyncio
import secrets
import shlex
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer

from polyrelay.access import key as client_key
from polyrelay.access import policy
from polyrelay.cli import options, output
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.state.clock import SystemClock
from polyrelay.state.generation import Generation
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.records import (
    KeyTerms,
    LimitTerms,
    StoredAccount,
    StoredKey,
    StoreError,
    UnknownAccount,
    UnknownProject,
)
from polyrelay.storage.books import transfers
from polyrelay.storage.secrecy import custody
from polyrelay.storage.sql.database import opened

T = TypeVar("T")

LONGEST_DAYS = 36500
"""A century. Who means for ever names no days."""

HOUR_SECONDS = 3600

MOST = 2**53
"""The largest whole number that every JSON reader keeps exactly (RFC 8259 section 6)."""

ACCOUNT_ID = "acc_"
"""How the ids of accounts begin. What begins so is never the name of a new one."""

keys = typer.Typer(no_args_is_help=True, help="Make, list, suspend, rotate and revoke the keys that clients use.")


def within(where: options.Store, use: Callable[[KeyStore], Coroutine[Any, Any, T]]) -> T:
    """Run `use` on the key store, made on first use; that is told on standard error.

    Running relays of this machine look for changed keys before their next request.
    """

    async def run() -> T:
        async with opened(where.url, where.data) as database:
            secret = await custody.establish(where.data, database)
            if secret.created:
                output.note(f"Made {secret.path}. Back it up together with the database.")
            with closing(Generation.open(where.data)) as generation:
                ring = secret.fingerprint
                return await use(KeyStore(database, lambda: ring, SystemClock(), lambda: generation.bump("keys")))

    return asyncio.run(run())


def _named(account: str) -> str:
    if not account.strip():
        raise typer.BadParameter("an account needs a name")
    return account


def _globs(models: list[str] | None) -> list[str] | None:
    if not all(models or ()):
        raise typer.BadParameter("a model glob must not be empty")
    return models


def _networks(cidrs: list[str] | None) -> list[str] | None:
    try:
        policy.parse_networks(tuple(cidrs or ()))
    except ValueError as error:
        raise typer.BadParameter(f"not a network: {error}") from error
    return cidrs


Account = Annotated[
    str, typer.Option(callback=_named, help="Who the key belongs to, by name or id; a new name makes an account.")
]
Models = Annotated[
    list[str] | None, typer.Option(callback=_globs, help="Allow only models like this glob; repeatable.")
]
KeyName = Annotated[str, typer.Argument(help="The id that `keys list` shows.")]
Networks = Annotated[list[str] | None, typer.Option(callback=_networks, help="Allow only from this CIDR; repeatable.")]


@keys.command()
def create(
    account: Account,
    *,
    project: Annotated[str | None, typer.Option(help="The account's project it is in, by name or id.")] = None,
    name: Annotated[str, typer.Option(help="A label for listings.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A label for reports; repeatable.")] = None,
    model: Models = None,
    network: Networks = None,
    days: Annotated[float | None, typer.Option(min=0, max=LONGEST_DAYS, help="Expire after so many days.")] = None,
    rpm: Annotated[int | None, typer.Option(min=0, max=MOST, help="Requests per minute; 0 is unlimited.")] = None,
    rpd: Annotated[int | None, typer.Option(min=0, max=MOST, help="Requests per day; 0 is unlimited.")] = None,
    tpm: Annotated[int | None, typer.Option(min=0, max=MOST, help="Tokens per minute; 0 is unlimited.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=0, max=MOST, help="Requests at once; 0 is unlimited.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make a key. It is shown this once: only a keyed hash of it is kept."""
    token = client_key.token(secrets.token_bytes(client_key.ENTROPY_BYTES))
    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).timestamp()
    limits = LimitTerms(rpm, tpm, concurrency, rpd)
    for label in (name, *(tag or ())):
        if not label.isprintable():
            raise typer.BadParameter("names and tags must be printable text on one line")
    terms = KeyTerms(name, tuple(model or ()), tuple(network or ()), expires, limits, tuple(tag or ()))

    async def make(store: KeyStore) -> StoredKey:
        if project is None:
            owner = await _owner(store, account)
            return await store.create_key(owner.id, token, terms)
        try:
            owner = await store.find_account(account)
            return await store.create_key(owner.id, token, terms, (await store.find_project(owner.id, project)).id)
        except (UnknownAccount, UnknownProject) as error:
            making = f"polyrelay projects create {shlex.quote(account)} {shlex.quote(project)}"
            raise StoreError(f"{error}; to make a project: {making}") from error

    where = options.store(config, data)
    _hand_over(token, within(where, make), where, as_json=as_json)


@keys.command("list")
def list_keys(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List all keys, revoked ones included."""
    found = [described(each) for each in within(options.store(config, data), KeyStore.list_keys)]
    if as_json:
        output.document(found)
        return
    columns = ("id", "account", "project", "name", "tags", "hint", "status", "models", "created")
    output.table(columns, [[_cell(row[column]) for column in columns] for row in found])


@keys.command()
def revoke(
    key_id: KeyName, *, config: options.Config = None, data: options.Data = None, as_json: options.Json = False
) -> None:
    """End a key for good. A relay on this machine refuses it at the next request, others within a second."""
    ended = within(options.store(config, data), lambda store: store.revoke(KeyId(key_id)))
    _tell(ended, "revoked", as_json=as_json)


@keys.command()
def disable(
    key_id: KeyName, *, config: options.Config = None, data: options.Data = None, as_json: options.Json = False
) -> None:
    """Suspend a key. A relay on this machine refuses it at the next request, others within a second."""
    held = within(options.store(config, data), lambda store: store.set_disabled(KeyId(key_id), disabled=True))
    _tell(held, "disabled", as_json=as_json)


@keys.command()
def enable(
    key_id: KeyName, *, config: options.Config = None, data: options.Data = None, as_json: options.Json = False
) -> None:
    """Let a suspended key work again."""
    freed = within(options.store(config, data), lambda store: store.set_disabled(KeyId(key_id), disabled=False))
    _tell(freed, described(freed)["status"], as_json=as_json)


@keys.command()
def rotate(
    key_id: KeyName,
    *,
    overlap: Annotated[
        float, typer.Option(min=0, max=LONGEST_DAYS * 24, help="Hours for which the old key goes on working.")
    ] = 24.0,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make a key in the place of one, on the same terms. It is shown this once; the old one ends after the overlap."""
    token = client_key.token(secrets.token_bytes(client_key.ENTROPY_BYTES))
    where = options.store(config, data)
    made = within(where, lambda store: store.rotate(KeyId(key_id), token, overlap * HOUR_SECONDS))
    _hand_over(token, made, where, as_json=as_json)


async def _owner(store: KeyStore, account: str) -> StoredAccount:
    """The account of that name, made when absent, or of that id. Raises `UnknownAccount` for an id of none."""
    return await (store.find_account if account.startswith(ACCOUNT_ID) else store.ensure_account)(account)


def _hand_over(token: str, made: StoredKey, where: options.Store, *, as_json: bool) -> None:
    """Show a new key, and on standard error what is to be known of it."""
    if as_json:
        output.document({"key": token, **described(made)})
    else:
        output.line(token)
        output.note(f"Key {made.id} of account {made.account}. Keep it now: it cannot be shown again.")
    if not _has_money(where, made.account_id):
        output.note(f"The account has no money yet. To give it some: polyrelay topup {shlex.quote(made.account)} 10")


def _has_money(where: options.Store, account: AccountId) -> bool:
    async def look() -> transfers.Balance:
        async with opened(where.url, where.data) as database:
            return await database.read(lambda tx: transfers.balance(tx, account))

    found = asyncio.run(look())
    return found.available + found.escrowed > 0


def _tell(key: StoredKey, state: str, *, as_json: bool) -> None:
    if as_json:
        output.document(described(key))
    else:
        output.line(f"Key {key.id} of account {key.account} is {state}.")


def described(key: StoredKey) -> dict[str, Any]:
    """A key for people and programs; never its secret part."""
    terms, limits = key.terms, key.terms.limits
    return {
        "id": key.id,
        "account": key.account,
        "project": key.project,
        "name": terms.name,
        "tags": list(terms.tags),
        "hint": key.hint,
        "status": "revoked" if key.revoked_at is not None else "disabled" if key.disabled else "active",
        "models": list(terms.models),
        "networks": list(terms.networks),
        "expires": _date(terms.expires_at),
        "limits": {
            "requests_per_minute": limits.requests_per_minute,
            "requests_per_day": limits.requests_per_day,
            "tokens_per_minute": limits.tokens_per_minute,
            "concurrency": limits.concurrency,
        },
        "created": _date(key.created_at),
    }


def _date(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")
