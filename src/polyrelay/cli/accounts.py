"""`polyrelay accounts`: who pays, under which terms, within which budgets."""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import typer

from polyrelay.cli import office, options, output
from polyrelay.config import tariffs
from polyrelay.service.administration import accounts as use_cases
from polyrelay.service.administration import budgets, payments, refusals
from polyrelay.service.administration.desk import Desk, Made
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Session
from polyrelay.wiring import overrides
from polyrelay.wiring.overrides import Overrides

accounts = typer.Typer(no_args_is_help=True, help="Make, show and change accounts, and set budgets.")

Account = Annotated[str, typer.Argument(help="The account by its name or id.")]
Count = Annotated[int | None, typer.Option(min=0, max=office.MOST, help="0 is unlimited.")]
Period = Literal["day", "week", "month", "total"]

_SCOPES: dict[str, tuple[Kind, str]] = {"prj_": (Kind.PROJECTS, "project"), "key_": (Kind.KEYS, "key")}


def _zone(name: str | None) -> str | None:
    try:
        return None if name is None else str(tariffs.zone(name))
    except (LookupError, ValueError) as error:
        raise typer.BadParameter(f"{name!r} is not a time zone such as Europe/Berlin") from error


Group = Annotated[str | None, typer.Option(help="Customer group: decides prices and limits.")]
Zone = Annotated[
    str | None, typer.Option(callback=_zone, help="Time zone (IANA name) in which budgets and statements count days.")
]
HoldPolicy = Annotated[
    Literal["strict", "clamp"] | None,
    typer.Option(help="When funds do not cover the longest answer: refuse, or shorten the answer."),
]
Overdraft = Annotated[str | None, typer.Option(help="How far below zero the balance may go.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A label for reports; repeatable.")]


@accounts.command()
def create(
    name: Annotated[str, typer.Argument(help="Unique among accounts.")],
    *,
    group: Group = None,
    zone: Zone = None,
    hold_policy: HoldPolicy = None,
    rpm: Count = None,
    rpd: Count = None,
    tpm: Count = None,
    concurrency: Count = None,
    overdraft: Overdraft = None,
    tag: Tags = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make an account. It has no money yet: see `polyrelay topup`."""
    fields = _given(name=name, customer_group=group, zone=zone, hold_policy=hold_policy, tags=tag)
    fields["limits"] = limits(rpm, rpd, tpm, concurrency)
    nanos = None if overdraft is None else office.amount(overdraft)
    groups = _groups(config)

    async def make(at: Desk) -> Made:
        made = await use_cases.create(at, fields, groups)
        if nanos is not None:
            await payments.set_overdraft(at, made.document.id, nanos)
        return made

    made = office.perform(options.store(config, data), make)
    _tell(made, f"Account {made['id']} is made.", as_json=as_json)


@accounts.command("list")
def list_accounts(
    *,
    group: Group = None,
    limit: office.Limit = office.PAGE,
    after: office.After = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List accounts, the oldest first."""
    page = Page(limit, after)
    found = office.read(options.store(config, data), lambda session: use_cases.listed(session, page, None, group))
    listing = msgspec.to_builtins(found)
    columns = ("id", "name", "customer_group", "zone", "hold_policy", "disabled", "created_at")
    office.page(listing, columns, as_json=as_json)


@accounts.command()
def show(
    account: Account, *, config: options.Config = None, data: options.Data = None, as_json: options.Json = False
) -> None:
    """Show an account with its balance, its budgets, and what is left of them."""

    async def find(session: Session) -> dict[str, Any]:
        row = await office.account_named(session, account)
        page = await budgets.listed(session, Page(500), row["id"], None)
        states = [(await budgets.one(session, budget.id, ZoneInfo)).document for budget in page.data]
        return {
            **msgspec.to_builtins(use_cases.document(row)),
            "balance": msgspec.to_builtins(await use_cases.balance_document(session, row["id"])),
            "budgets": [msgspec.to_builtins(state) for state in states],
        }

    found = office.read(options.store(config, data), find)
    if as_json:
        output.document(found)
        return
    states = found.pop("budgets")
    promotions = found["balance"].pop("promotions")
    output.table(("account", found["id"]), office.rows({**found, "balance": found["balance"]}))
    if promotions:
        output.table(("promotion left", "until"), [office.cells(each, ("left", "expires_at")) for each in promotions])
    if states:
        columns = ("meter", "spent", "escrowed", "remaining", "ends_at")
        output.table(
            ("budget", "amount", *columns),
            [[each["budget"]["id"], each["budget"]["amount"], *office.cells(each, columns)] for each in states],
        )


@accounts.command("set")
def change(
    account: Account,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    group: Group = None,
    zone: Zone = None,
    hold_policy: HoldPolicy = None,
    rpm: Count = None,
    rpd: Count = None,
    tpm: Count = None,
    concurrency: Count = None,
    overdraft: Overdraft = None,
    tag: Tags = None,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable", help="Refuse all its keys, or not.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Change what is given; the rest stays. Running relays follow at their next request."""
    fields = _given(
        name=name, customer_group=group, zone=zone, hold_policy=hold_policy, tags=tag, disabled=disabled,
        limits=limits(rpm, rpd, tpm, concurrency) or None,
    )  # fmt: skip
    nanos = None if overdraft is None else office.amount(overdraft)
    if not fields and nanos is None:
        raise typer.BadParameter("say what to change")
    groups = _groups(config)

    async def turn(at: Desk) -> Made:
        found = await office.account_named(at.session, account)
        if nanos is not None:
            await payments.set_overdraft(at, found["id"], nanos)
        if not fields:
            return Made(use_cases.document(found))
        return await use_cases.change(at, found["id"], fields, groups)

    made = office.perform(options.store(config, data), turn)
    _tell(made, f"Account {made['id']} is changed.", as_json=as_json)


@accounts.command()
def budget(
    owner: Annotated[str, typer.Argument(help="An account by its name or id, or a project or a key by its id.")],
    *,
    period: Annotated[Period, typer.Option(help="How long it lasts, by the account's clock.")],
    amount: Annotated[str | None, typer.Option(help="What may be spent in each period.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="End the budget.")] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Set a budget, for the period under way too. Lowered below what is spent, it binds from the next request on."""
    if remove == (amount is not None):
        raise typer.BadParameter("name one of --amount and --remove")
    nanos = 0 if amount is None else office.amount(amount)

    async def turn(at: Desk) -> Made:
        scope, found = await _owner(at.session, owner)
        rows = await at.session.find(Kind.BUDGETS, Page(1).query({"owner": found["id"], "period": period}))
        if remove and not rows:
            raise refusals.missing("budget", f"{owner} {period}")
        if remove:
            return await budgets.remove(at, rows[0]["id"])
        if rows:
            return await budgets.change(at, rows[0]["id"], nanos, ZoneInfo)
        return await budgets.create(at, scope, found["id"], period, nanos)

    made = office.perform(options.store(config, data), turn)
    if made is None:
        output.document({"removed": True}) if as_json else output.line("The budget is removed.")
    else:
        _tell(made, f"{made['scope']} {made['owner']} may spend {made['amount']} each {period}.", as_json=as_json)


def limits(rpm: int | None, rpd: int | None, tpm: int | None, concurrency: int | None) -> dict[str, int]:
    """Limits that were given, by their columns."""
    return _given(requests_per_minute=rpm, requests_per_day=rpd, tokens_per_minute=tpm, concurrency=concurrency)


async def _owner(session: Session, owner: str) -> tuple[str, Record]:
    """Scope and row of what a budget is for. Raises `Missing`."""
    if owner[:4] not in _SCOPES:
        return "account", await office.account_named(session, owner)
    kind, scope = _SCOPES[owner[:4]]
    found = await session.get(kind, owner)
    if found is None:
        raise refusals.missing(scope, owner)
    return scope, found


def _groups(config: options.Config) -> frozenset[str]:
    """The customer groups of the configuration file."""
    found = overrides.read(options.config_file(config), Overrides())
    return frozenset(found.operator.groups or {})


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _tell(made: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        output.document(made)
    else:
        output.line(words)
