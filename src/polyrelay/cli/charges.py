"""`polyrelay charges`: what each exchange cost, and why."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from polyrelay.cli import office, options, output
from polyrelay.cli.accounts import Account
from polyrelay.service import reports
from polyrelay.service.administration import charges as use_cases
from polyrelay.service.administration import refusals, times
from polyrelay.service.administration.charges import Charge, Filter
from polyrelay.service.administration.pages import Listing, Page
from polyrelay.service.administration.ports import Kind, Session
from polyrelay.storage.administration.office import SqlOffice
from polyrelay.storage.administration.session import SqlSession
from polyrelay.storage.reports import doubtful, statements
from polyrelay.storage.reports.doubtful import Doubtful
from polyrelay.storage.sql.database import Database
from polyrelay.storage.sql.transaction import Tx

charges = typer.Typer(no_args_is_help=True, help="List what exchanges cost, and explain single charges.")

COLUMNS = ("id", "at", "key", "model", "channel", "status", "input_tokens", "output_tokens", "amount", "outcome")
LINE_COLUMNS = ("bucket", "quantity", "unit_price", "priced_as", "amount")
ENTRY_COLUMNS = (
    "last",
    "until",
    "billing_group",
    "source",
    "models",
    "calls",
    "input_tokens",
    "output_tokens",
    "amount",
)
DOUBTFUL_COLUMNS = ("id", "ended_at", "late_at", "account", "model", "channel", "credential", "upstream")

OnlyModel = Annotated[str | None, typer.Option("--model", help="Only this model.")]
OnlyChannel = Annotated[str | None, typer.Option("--channel", help="Only by this channel.")]
OnlyAccount = Annotated[str | None, typer.Option("--account", help="Only of this account, by its name or id.")]
OnlyProject = Annotated[str | None, typer.Option("--project", help="Only of the project with this id.")]
OnlyKey = Annotated[str | None, typer.Option("--key", help="Only of the key with this id.")]
Since = Annotated[str | None, typer.Option(help="From this instant (2026-11-22 or 2026-11-22T09:00+08:00).")]
Until = Annotated[str | None, typer.Option(help="To before this instant.")]


@charges.command("list")
def list_charges(
    *,
    account: OnlyAccount = None,
    project: OnlyProject = None,
    key: OnlyKey = None,
    model: OnlyModel = None,
    channel: OnlyChannel = None,
    since: Since = None,
    until: Until = None,
    limit: office.Limit = office.PAGE,
    after: office.After = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List exchanges, the newest first."""
    first, end = instant(since), instant(until)

    async def find(database: Database) -> Listing[Charge]:
        async def owner(tx: Tx) -> str | None:
            return None if account is None else (await office.account_named(SqlSession(tx), account))["id"]

        wanted = Filter(await database.read(owner), project, key, model, channel, first, end)
        return await use_cases.gathered(SqlOffice(database), Page(limit, after), wanted)

    listing = msgspec.to_builtins(office.within(options.store(config, data), find))
    office.page(listing, COLUMNS, as_json=as_json)


@charges.command()
def explain(
    charge_id: Annotated[str, typer.Argument(help="The id of the exchange: x-request-id of the answer, px_...")],
    *,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Explain a charge: its lines, the multiplier, and how they were rounded to what was charged."""

    async def find(session: Session) -> Charge:
        row = await session.get(Kind.EXCHANGES, charge_id)
        if row is None:
            raise refusals.missing("exchange", charge_id)
        return use_cases.document(row)

    charge = office.read(options.store(config, data), find)
    document: dict[str, Any] = msgspec.to_builtins(charge)
    if as_json:
        output.document(document)
        return
    output.table(LINE_COLUMNS, [office.cells(line, LINE_COLUMNS) for line in charge.lines or ()])
    summary = [("model", charge.model), ("account", charge.account), *reports.explained(charge)]
    output.table(("charge", charge.id), summary)


@charges.command()
def deductions(
    account: Account,
    *,
    limit: office.Limit = office.PAGE,
    after: office.After = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List what an account was charged, the newest first; consecutive calls of one billing group are one entry."""

    async def find(tx: Tx) -> dict[str, Any]:
        owner = await office.account_named(SqlSession(tx), account)
        return reports.deductions(*await statements.deductions(tx, owner["id"], limit, after))

    async def ask(database: Database) -> dict[str, Any]:
        return await database.read(find)

    listing = office.within(options.store(config, data), ask)
    office.page(listing, ENTRY_COLUMNS, as_json=as_json)


@charges.command("doubtful")
def list_doubtful(
    *,
    since: Since = None,
    until: Until = None,
    limit: office.Limit = office.PAGE,
    after: office.After = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List jobs that nobody was charged for, though an upstream may bill them, the oldest first.

    Some had been given up, and succeeded after all: `late_at` says when. The relay died while it handed others on, and
    whether they were taken on is not known.
    """
    first, end = instant(since), instant(until)

    async def ask(database: Database) -> tuple[list[Doubtful], str | None]:
        return await database.read(lambda tx: doubtful.doubtful(tx, first, end, limit, after))

    found, following = office.within(options.store(config, data), ask)
    rows = [_dated(msgspec.to_builtins(each)) for each in found]
    office.page({"data": rows, "next": following}, DOUBTFUL_COLUMNS, as_json=as_json)


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "ended_at": times.optional(row["ended_at"]), "late_at": times.optional(row["late_at"])}


def instant(text: str | None) -> float | None:
    """Unix seconds of a day or an instant on the command line, in UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither a day nor an instant, such as 2026-11-22T09:00Z") from error
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
