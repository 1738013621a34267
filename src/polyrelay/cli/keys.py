"""`polyrelay keys`: the keys that clients use."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from polyrelay.access import key as client_key
from polyrelay.access import policy
from polyrelay.cli import options, output
from polyrelay.kernel.ids import KeyId
from polyrelay.state.clock import SystemClock
from polyrelay.storage import secrets as server_secrets
from polyrelay.storage.database import open_database
from polyrelay.storage.keys import KeyStore
from polyrelay.storage.records import KeyTerms, LimitTerms, StoredKey

LONGEST_DAYS = 36500
"""A century. Who means for ever names no days."""

MOST = 2**53
"""The largest whole number that every JSON reader keeps exactly (RFC 8259 section 6)."""

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys that clients use.")


@contextmanager
def store(data: Path) -> Iterator[KeyStore]:
    """The key store of a data folder, made on first use; that is told on standard error."""
    secret = server_secrets.load_or_create(data)
    if secret.created:
        output.note(f"Made {secret.path}. Back it up together with the database.")
    database = open_database(data)
    try:
        yield KeyStore(database, secret.fingerprint_key, SystemClock())
    finally:
        database.close()


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
    str, typer.Option(callback=_named, help="Who the key belongs to; the account is made when it is new.")
]
Models = Annotated[
    list[str] | None, typer.Option(callback=_globs, help="Allow only models like this glob; repeatable.")
]
Networks = Annotated[list[str] | None, typer.Option(callback=_networks, help="Allow only from this CIDR; repeatable.")]


@keys.command()
def create(
    account: Account,
    *,
    name: Annotated[str, typer.Option(help="A label for listings.")] = "",
    model: Models = None,
    network: Networks = None,
    days: Annotated[float | None, typer.Option(min=0, max=LONGEST_DAYS, help="Expire after so many days.")] = None,
    rpm: Annotated[int | None, typer.Option(min=0, max=MOST, help="Requests per minute; 0 is unlimited.")] = None,
    tpm: Annotated[int | None, typer.Option(min=0, max=MOST, help="Tokens per minute; 0 is unlimited.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=0, max=MOST, help="Requests at once; 0 is unlimited.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make a key. It is shown this once: only a keyed hash of it is kept."""
    token = client_key.token(secrets.token_bytes(client_key.ENTROPY_BYTES))
    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).timestamp()
    terms = KeyTerms(name, tuple(model or ()), tuple(network or ()), expires, LimitTerms(rpm, tpm, concurrency))
    with store(options.data_folder(config, data)) as stored:
        made = stored.create_key(stored.ensure_account(account).id, token, terms)
    if as_json:
        output.document({"key": token, **described(made)})
    else:
        output.line(token)
        output.note(f"Key {made.id} of account {made.account}. Keep it now: it cannot be shown again.")


@keys.command("list")
def list_keys(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List all keys, revoked ones included."""
    with store(options.data_folder(config, data)) as stored:
        found = [described(each) for each in stored.list_keys()]
    if as_json:
        output.document(found)
        return
    columns = ("id", "account", "name", "hint", "status", "models", "created")
    output.table(columns, [[_cell(row[column]) for column in columns] for row in found])


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")],
    *,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """End a key for good. A running relay refuses it within a quarter of a second."""
    with store(options.data_folder(config, data)) as stored:
        ended = stored.revoke(KeyId(key_id))
    if as_json:
        output.document(described(ended))
    else:
        output.line(f"Key {ended.id} of account {ended.account} is revoked.")


def described(key: StoredKey) -> dict[str, Any]:
    """A key for people and programs; never its secret part."""
    terms, limits = key.terms, key.terms.limits
    return {
        "id": key.id,
        "account": key.account,
        "name": terms.name,
        "hint": key.hint,
        "status": "revoked" if key.revoked_at is not None else "disabled" if key.disabled else "active",
        "models": list(terms.models),
        "networks": list(terms.networks),
        "expires": _date(terms.expires_at),
        "limits": {
            "requests_per_minute": limits.requests_per_minute,
            "tokens_per_minute": limits.tokens_per_minute,
            "concurrency": limits.concurrency,
        },
        "created": _date(key.created_at),
    }


def _date(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")
