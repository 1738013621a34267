"""Customer groups: a multiplier of every sell price."""

from dataclasses import dataclass
from typing import Any

from polyrelay.kernel import money
from polyrelay.metering import sheet, write
from polyrelay.service.administration import limits, pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, deleted, shown
from polyrelay.service.administration.limits import Limits
from polyrelay.service.administration.owned import API, FILE, Owned
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Session


@dataclass(frozen=True, slots=True)
class Group:
    """A customer group. `owner` is `api`, or `file`: then it is read-only here and has no version."""

    name: str
    multiplier: str
    limits: Limits
    owner: str
    created_at: str | None
    version: int | None


async def create(desk: Desk, fields: dict[str, Any], owned: Owned) -> Made:
    """A new group."""
    name = fields["name"]
    if name in owned.groups:
        owned.refuse("customer group", name)
    if await desk.session.get(Kind.GROUPS, name) is not None:
        raise refusals.Conflicting(f"There is already a customer group {name!r}.", code="name_taken")
    row: Record = {
        "name": name,
        "multiplier": _multiplier(fields["multiplier"]),
        **dict.fromkeys(limits.COLUMNS),
        **limits.flattened({"limits": fields.get("limits")}),
        "created_at": await desk.session.now(),
        "version": 1,
    }
    await desk.session.insert(Kind.GROUPS, row)
    await desk.session.stamp_keys("group", name)
    await desk.session.stamp_configuration()
    seen = document(row)
    await desk.audit("group.create", "group", name, None, seen)
    return created(seen, f"/groups/{name}", row["version"])


async def change(desk: Desk, name: str, fields: dict[str, Any], owned: Owned) -> Made:
    """Change the given fields; the multiplier counts for requests that begin from now on."""
    row = await _find(desk.session, name, owned)
    desk.matches(row["version"])
    values = limits.flattened(fields) | {"version": row["version"] + 1}
    if "multiplier" in values:
        values["multiplier"] = _multiplier(values["multiplier"])
    await desk.session.update(Kind.GROUPS, (name,), values)
    await desk.session.stamp_configuration()
    await desk.session.stamp_keys("group", name)
    after = document(row | values)
    await desk.audit("group.change", "group", name, document(row), after)
    return shown(after, values["version"])


async def remove(desk: Desk, name: str, owned: Owned) -> Made:
    """A group that no account is in goes."""
    row = await _find(desk.session, name, owned)
    desk.matches(row["version"])
    if await desk.session.find(Kind.ACCOUNTS, Page(1).query({"customer_group": name})):
        raise refusals.Conflicting("Accounts are in this group.", code="in_use")
    await desk.session.delete(Kind.GROUPS, name)
    await desk.session.stamp_configuration()
    await desk.audit("group.delete", "group", name, document(row), None)
    return deleted()


async def listed(session: Session, page: Page, owned: Owned) -> pages.Listing[Group]:
    """The groups of the database and of the file, by name."""
    rows = list(await session.find(Kind.GROUPS, page.query({})))
    rows += [
        {"name": name, "multiplier": multiplier}
        for name, multiplier in owned.groups.items()
        if page.after is None or name > page.after
    ]
    rows.sort(key=lambda row: str(row["name"]))
    return pages.listing(rows, page, _either, ("name",))


async def one(session: Session, name: str, owned: Owned) -> Made:
    """A group. Raises `Missing`."""
    if name in owned.groups:
        return shown(_of_file({"name": name, "multiplier": owned.groups[name]}))
    row = await session.get(Kind.GROUPS, name)
    if row is None:
        raise refusals.missing("customer group", name)
    return shown(document(row), row["version"])


def document(row: Record) -> Group:
    """A row as it is shown."""
    return Group(row["name"], row["multiplier"], limits.of(row), API, times.text(row["created_at"]), row["version"])


def _of_file(row: Record) -> Group:
    return Group(row["name"], row["multiplier"], Limits(), FILE, None, None)


def _either(row: Record) -> Group:
    return document(row) if "version" in row else _of_file(row)


async def _find(session: Session, name: str, owned: Owned) -> Record:
    if name in owned.groups:
        owned.refuse("customer group", name)
    row = await session.get(Kind.GROUPS, name, lock=True)
    if row is None:
        raise refusals.missing("customer group", name)
    return row


def _multiplier(text: str) -> str:
    try:
        return write.factor(sheet.factor(text))
    except money.NotMoney as error:
        raise refusals.invalid(str(error), "multiplier") from error
