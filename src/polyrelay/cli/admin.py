"""`polyrelay admin`: who may use the control plane."""

import asyncio
import getpass
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from polyrelay.cli import options, output
from polyrelay.service.administration import desk, pages, tokens
from polyrelay.service.administration.desk import Errand
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Away, Office
from polyrelay.service.administration.roles import Role
from polyrelay.storage import custody
from polyrelay.storage.administration.opening import LateOffice, RingSecrets
from polyrelay.storage.database import opened

T = TypeVar("T")

LONGEST_DAYS = 3650
"""Ten years. Who means for ever names no days."""

admin = typer.Typer(no_args_is_help=True, help="Say who may use the control plane, /admin/v1.")
token = typer.Typer(no_args_is_help=True, help="Make, list and revoke admin tokens.")
admin.add_typer(token, name="token", epilog=output.EXIT_CODES)


def _within(where: options.Store, use: Callable[[Office], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with opened(where.url, where.data) as database:
            made = await custody.establish(where.data, database)
            if made.created:
                output.note(f"Made {made.path}. Back it up together with the database.")
            return await use(LateOffice(database))

    try:
        return asyncio.run(run())
    except Away as error:
        output.complain(str(error))
        raise typer.Exit(output.Exit.FAILED) from error


def _errand() -> Errand:
    """As the audit log names who sits at this machine."""
    return Errand(actor=f"cli:{getpass.getuser()}", request="cli")


@token.command()
def create(
    *,
    role: Annotated[Role, typer.Option(help="What it may do; see docs/admin.md.")],
    name: Annotated[str, typer.Option(help="Whose it is, for the audit log.")] = "made on the command line",
    days: Annotated[float | None, typer.Option(min=0, max=LONGEST_DAYS, help="Expire after so many days.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make an admin token. It is shown this once: only a keyed hash of it is kept."""
    where = options.store(config, data)
    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).timestamp()

    async def make(office: Office) -> bytes:
        secrets = RingSecrets(where.data)
        return (await desk.perform(office, _errand(), lambda at: tokens.create(at, secrets, name, role, expires))).body

    made = msgspec.json.decode(_within(where, make), type=tokens.NewToken)
    if as_json:
        output.document(msgspec.to_builtins(made))
    else:
        output.line(made.token)
        output.note(f"Admin token {made.id} of role {made.role}. Keep it now: it cannot be shown again.")


@token.command("list")
def list_tokens(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List admin tokens, revoked ones included."""

    async def find(office: Office) -> list[tokens.Token]:
        found = await office.read(lambda session: tokens.listed(session, Page(pages.MOST)))
        return found.data

    found = [msgspec.to_builtins(each) for each in _within(options.store(config, data), find)]
    if as_json:
        output.document(found)
        return
    columns = ("id", "name", "role", "hint", "state", "expires_at", "last_used_at")
    output.table(columns, [[str(row[column] or "") for column in columns] for row in found])


@token.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The id that `admin token list` shows.")],
    *,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """End an admin token for good."""

    async def end(office: Office) -> bytes:
        return (await desk.perform(office, _errand(), lambda at: tokens.revoke(at, token_id))).body

    ended = msgspec.json.decode(_within(options.store(config, data), end), type=tokens.Token)
    if as_json:
        output.document(msgspec.to_builtins(ended))
    else:
        output.line(f"Admin token {ended.id} of role {ended.role} is revoked.")
