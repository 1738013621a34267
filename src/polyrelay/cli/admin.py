"""`polyrelay admin`: who may use the control plane."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer

from polyrelay.cli import office, options, output
from polyrelay.service.administration import pages, tokens
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.roles import Role
from polyrelay.storage.administration.opening import RingSecrets

LONGEST_DAYS = 3650
"""Ten years. Who means for ever names no days."""

admin = typer.Typer(no_args_is_help=True, help="Say who may use the control plane, /admin/v1.")
token = typer.Typer(no_args_is_help=True, help="Make, list and revoke admin tokens.")
admin.add_typer(token, name="token", epilog=output.EXIT_CODES)


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
    made = office.perform(where, lambda at: tokens.create(at, RingSecrets(where.data), name, role, expires))
    if as_json:
        output.document(made)
    else:
        output.line(made["token"])
        output.note(f"Admin token {made['id']} of role {made['role']}. Keep it now: it cannot be shown again.")


@token.command("list")
def list_tokens(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List admin tokens, revoked ones included."""
    listing = office.read(options.store(config, data), lambda session: tokens.listed(session, Page(pages.MOST)))
    found = [msgspec.to_builtins(each) for each in listing.data]
    if as_json:
        output.document(found)
        return
    columns = ("id", "name", "role", "hint", "state", "expires_at", "last_used_at")
    output.table(columns, [office.cells(row, columns) for row in found])


@token.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The id that `admin token list` shows.")],
    *,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """End an admin token for good."""
    ended = office.perform(options.store(config, data), lambda at: tokens.revoke(at, token_id))
    if as_json:
        output.document(ended)
    else:
        output.line(f"Admin token {ended['id']} of role {ended['role']} is revoked.")
