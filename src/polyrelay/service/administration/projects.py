"""Projects: parts of an account, with budgets and limits of their own."""

import json
from dataclasses import dataclass
from typing import Any

from polyrelay.service.administration import limits, names, pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, shown
from polyrelay.service.administration.limits import Limits
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Session


@dataclass(frozen=True, slots=True)
class Project:
    """A project of an account."""

    id: str
    account: str
    name: str
    limits: Limits
    disabled: bool
    tags: list[str]
    created_at: str
    version: int


async def create(desk: Desk, fields: dict[str, Any]) -> Made:
    """A new project."""
    account = fields["account"]
    if await desk.session.get(Kind.ACCOUNTS, account) is None:
        raise refusals.unknown_reference("account", account, "account")
    await _free(desk.session, account, fields["name"])
    row: Record = {
        "id": await desk.new_id("prj_"),
        "account_id": account,
        "name": fields["name"],
        **dict.fromkeys(limits.COLUMNS),
        **limits.flattened({"limits": fields.get("limits")}),
        "disabled": int(fields.get("disabled", False)),
        "tags": json.dumps(fields.get("tags", [])),
        "created_at": await desk.session.now(),
        "version": 1,
    }
    await desk.session.insert(Kind.PROJECTS, row)
    seen = document(row)
    await desk.audit("project.create", "project", row["id"], None, seen)
    return created(seen, f"/projects/{row['id']}", row["version"])


async def change(desk: Desk, project: str, fields: dict[str, Any]) -> Made:
    """Change the given fields. All keys of the project follow at their next request."""
    row = await desk.session.get(Kind.PROJECTS, project, lock=True)
    if row is None:
        raise refusals.missing("project", project)
    desk.matches(row["version"])
    if "name" in fields:
        await _free(desk.session, row["account_id"], fields["name"], project)
    values = limits.flattened(fields) | {"version": row["version"] + 1}
    if "tags" in values:
        values["tags"] = json.dumps(values["tags"])
    if "disabled" in values:
        values["disabled"] = int(values["disabled"])
    await desk.session.update(Kind.PROJECTS, (project,), values)
    await desk.session.stamp_keys("project", project)
    after = document(row | values)
    await desk.audit("project.change", "project", project, document(row), after)
    return shown(after, values["version"])


async def listed(session: Session, page: Page, account: str | None) -> pages.Listing[Project]:
    """Projects, the oldest first."""
    return pages.listing(await session.find(Kind.PROJECTS, page.query({"account_id": account})), page, document)


async def one(session: Session, project: str) -> Made:
    """A project. Raises `Missing`."""
    row = await session.get(Kind.PROJECTS, project)
    if row is None:
        raise refusals.missing("project", project)
    return shown(document(row), row["version"])


def document(row: Record) -> Project:
    """A row as it is shown."""
    return Project(
        id=row["id"],
        account=row["account_id"],
        name=row["name"],
        limits=limits.of(row),
        disabled=bool(row["disabled"]),
        tags=json.loads(row["tags"]),
        created_at=times.text(row["created_at"]),
        version=row["version"],
    )


async def _free(session: Session, account: str, name: str, own: str | None = None) -> None:
    names.check({"name": name})
    taken = await session.find(Kind.PROJECTS, Page(1).query({"account_id": account, "name": name}))
    if any(row["id"] != own for row in taken):
        raise refusals.Conflicting(f"The account has a project named {name!r} already.", code="name_taken")
