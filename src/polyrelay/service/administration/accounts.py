"""Accounts: who pays."""

import json
from dataclasses import dataclass
from typing import Any

from polyrelay.kernel import money
from polyrelay.service.administration import limits, names, pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, shown
from polyrelay.service.administration.limits import Limits
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Session

DEFAULT_GROUP = "default"


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `zone` is an IANA name: budgets' days begin at its midnight. `hold_policy` is strict or clamp."""

    id: str
    name: str
    customer_group: str
    zone: str
    hold_policy: str
    limits: Limits
    disabled: bool
    tags: list[str]
    created_at: str
    version: int


@dataclass(frozen=True, slots=True)
class Promotion:
    """Promotion credit: what is left of it, and until when."""

    left: str
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Balance:
    """Decimal strings. `available` may be spent now, the overdraft included; `escrowed` is set aside for requests in
    flight; `own` is everything granted and not spent.
    """

    account: str
    available: str
    escrowed: str
    own: str
    overdraft: str
    promotions: list[Promotion]


async def create(desk: Desk, fields: dict[str, Any], groups: frozenset[str]) -> Made:
    """A new account. `groups` are the customer groups of the configuration file."""
    await _check(desk.session, fields, groups)
    row: Record = {
        "id": await desk.new_id("acc_"),
        "name": fields["name"],
        "customer_group": fields.get("customer_group", DEFAULT_GROUP),
        "zone": fields.get("zone", "UTC"),
        "hold_policy": fields.get("hold_policy", "clamp"),
        **dict.fromkeys(limits.COLUMNS),
        **limits.flattened({"limits": fields.get("limits")}),
        "disabled": int(fields.get("disabled", False)),
        "tags": json.dumps(fields.get("tags", [])),
        "created_at": await desk.session.now(),
        "version": 1,
    }
    await desk.session.insert(Kind.ACCOUNTS, row)
    seen = document(row)
    await desk.audit("account.create", "account", row["id"], None, seen)
    return created(seen, f"/accounts/{row['id']}", row["version"])


async def change(desk: Desk, account: str, fields: dict[str, Any], groups: frozenset[str]) -> Made:
    """Change the given fields. All keys of the account follow at their next request."""
    row = await desk.session.get(Kind.ACCOUNTS, account, lock=True)
    if row is None:
        raise refusals.missing("account", account)
    desk.matches(row["version"])
    await _check(desk.session, fields, groups, account)
    values = limits.flattened(fields) | {"version": row["version"] + 1}
    if "tags" in values:
        values["tags"] = json.dumps(values["tags"])
    if "disabled" in values:
        values["disabled"] = int(values["disabled"])
    await desk.session.update(Kind.ACCOUNTS, (account,), values)
    await desk.session.stamp_keys("account", account)
    before, after = document(row), document(row | values)
    await desk.audit("account.change", "account", account, before, after)
    return shown(after, values["version"])


async def listed(session: Session, page: Page, name: str | None, group: str | None) -> pages.Listing[Account]:
    """Accounts, the oldest first."""
    rows = await session.find(Kind.ACCOUNTS, page.query({"name": name, "customer_group": group}))
    return pages.listing(rows, page, document)


async def one(session: Session, account: str) -> Made:
    """An account. Raises `Missing`."""
    row = await find(session, account)
    return shown(document(row), row["version"])


async def find(session: Session, account: str) -> Record:
    """The row of an account. Raises `Missing`."""
    row = await session.get(Kind.ACCOUNTS, account)
    if row is None:
        raise refusals.missing("account", account)
    return row


async def balance(session: Session, account: str) -> Made:
    """What an account has. Raises `Missing`."""
    await find(session, account)
    return shown(await balance_document(session, account))


async def balance_document(session: Session, account: str) -> Balance:
    """The same for an account that exists."""
    funds = await session.funds(account)
    return Balance(
        account=account,
        available=money.show(funds.available),
        escrowed=money.show(funds.escrowed),
        own=money.show(funds.own),
        overdraft=money.show(funds.overdraft),
        promotions=[Promotion(money.show(gift.left), times.optional(gift.expires_at)) for gift in funds.promotions],
    )


def document(row: Record) -> Account:
    """A row as it is shown."""
    return Account(
        id=row["id"],
        name=row["name"],
        customer_group=row["customer_group"],
        zone=row["zone"],
        hold_policy=row["hold_policy"],
        limits=limits.of(row),
        disabled=bool(row["disabled"]),
        tags=json.loads(row["tags"]),
        created_at=times.text(row["created_at"]),
        version=row["version"],
    )


async def _check(session: Session, fields: dict[str, Any], file_groups: frozenset[str], own: str | None = None) -> None:
    """The name is free and the group exists. Raises `Invalid` or `Conflicting`."""
    names.check(fields)
    if "name" in fields:
        taken = await session.find(Kind.ACCOUNTS, Page(1).query({"name": fields["name"]}))
        if any(row["id"] != own for row in taken):
            raise refusals.Conflicting(f"There is already an account named {fields['name']!r}.", code="name_taken")
    group = fields.get("customer_group", DEFAULT_GROUP)
    if group != DEFAULT_GROUP and group not in file_groups and await session.get(Kind.GROUPS, group) is None:
        raise refusals.unknown_reference("customer group", group, "customer_group")
