"""`polyrelay projects`: parts of an account, with limits and budgets of their own."""

from typing import Annotated, Any

import msgspec
import typer

from polyrelay.cli import office, options, output
from polyrelay.cli.accounts import Account, Count, Tags, limits
from polyrelay.service.administration import projects as use_cases
from polyrelay.service.administration.desk import Desk, Made
from polyrelay.service.administration.pages import Listing, Page
from polyrelay.service.administration.ports import Session
from polyrelay.service.administration.projects import Project

projects = typer.Typer(no_args_is_help=True, help="Make, list and change the projects of accounts.")


@projects.command()
def create(
    account: Account,
    name: Annotated[str, typer.Argument(help="Unique within the account.")],
    *,
    rpm: Count = None,
    rpd: Count = None,
    tpm: Count = None,
    concurrency: Count = None,
    tag: Tags = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make a project. `polyrelay accounts budget PROJECT` gives it a budget."""
    fields = {"name": name, "limits": limits(rpm, rpd, tpm, concurrency), "tags": tag or []}

    async def make(at: Desk) -> Made:
        found = await office.account_named(at.session, account)
        return await use_cases.create(at, {**fields, "account": found["id"]})

    made = office.perform(options.store(config, data), make)
    if as_json:
        output.document(made)
    else:
        output.line(f"Project {made['id']} of account {made['account']} is made.")


@projects.command("list")
def list_projects(
    account: Annotated[str | None, typer.Argument(help="Only of this account, by its name or id.")] = None,
    *,
    limit: office.Limit = office.PAGE,
    after: office.After = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List projects, the oldest first."""

    async def find(session: Session) -> Listing[Project]:
        owner = None if account is None else (await office.account_named(session, account))["id"]
        return await use_cases.listed(session, Page(limit, after), owner)

    listing = msgspec.to_builtins(office.read(options.store(config, data), find))
    columns = ("id", "account", "name", "disabled", "tags", "created_at")
    office.page(listing, columns, as_json=as_json)


@projects.command("set")
def change(
    project: Annotated[str, typer.Argument(help="The id that `projects list` shows.")],
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    rpm: Count = None,
    rpd: Count = None,
    tpm: Count = None,
    concurrency: Count = None,
    tag: Tags = None,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable", help="Refuse all its keys, or not.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Change what is given; the rest stays. Running relays follow at their next request."""
    given: dict[str, Any] = {"name": name, "tags": tag, "disabled": disabled}
    fields = {field: value for field, value in given.items() if value is not None}
    if changed := limits(rpm, rpd, tpm, concurrency):
        fields["limits"] = changed
    if not fields:
        raise typer.BadParameter("say what to change")
    made = office.perform(options.store(config, data), lambda at: use_cases.change(at, project, fields))
    if as_json:
        output.document(made)
    else:
        output.line(f"Project {made['id']} is changed.")
