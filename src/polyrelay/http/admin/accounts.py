"""`/accounts`, `/projects`, `/budgets`, `/groups`: who pays, and how much."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import bodies, gate
from polyrelay.http.admin.answers import PageOf, listed, read, written
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import accounts, budgets, groups, payments, projects, refusals
from polyrelay.service.administration.pages import Listing

router = gate.router("customers")

Name = Annotated[str | None, Query(max_length=200)]


def _zone(request: Request, fields: dict[str, object]) -> dict[str, object]:
    """The fields, when their time zone is one. Raises `Invalid`."""
    if "zone" in fields:
        try:
            gate.plane(request).zones(str(fields["zone"]))
        except (LookupError, ValueError):
            raise refusals.invalid("is not a time zone such as Europe/Berlin", "zone") from None
    return fields


def _groups(request: Request) -> frozenset[str]:
    return frozenset(gate.plane(request).owned().groups)


@router.post("/accounts", **needs("accounts", "write", answer=accounts.Account, status=201))
async def create_account(request: Request, body: bodies.NewAccount) -> Response:
    """Make an account."""
    fields = _zone(request, body.given())
    return await written(request, lambda desk: accounts.create(desk, fields, _groups(request)))


@router.get("/accounts", **needs("accounts", "read", answer=Listing[accounts.Account]))
async def list_accounts(request: Request, page: PageOf, name: Name = None, group: Name = None) -> Response:
    """List accounts, the oldest first."""
    return await listed(request, lambda session: accounts.listed(session, page, name, group))


@router.get("/accounts/{account}", **needs("accounts", "read", answer=accounts.Account))
async def get_account(request: Request, account: str) -> Response:
    """One account."""
    return await read(request, lambda session: accounts.one(session, account))


@router.patch("/accounts/{account}", **needs("accounts", "write", answer=accounts.Account, match="required"))
async def change_account(request: Request, account: str, body: bodies.AccountChange) -> Response:
    """Change the members that are sent. Needs If-Match."""
    fields = _zone(request, body.given())
    return await written(request, lambda desk: accounts.change(desk, account, fields, _groups(request)))


@router.get("/accounts/{account}/balance", **needs("balances", "read", answer=accounts.Balance))
async def get_balance(request: Request, account: str) -> Response:
    """What an account has."""
    return await read(request, lambda session: accounts.balance(session, account))


@router.put("/accounts/{account}/overdraft", **needs("overdrafts", "write", answer=accounts.Balance))
async def set_overdraft(request: Request, account: str, body: bodies.Overdraft) -> Response:
    """How far below zero the balance may go."""
    return await written(request, lambda desk: payments.set_overdraft(desk, account, body.amount))


@router.post("/projects", **needs("projects", "write", answer=projects.Project, status=201))
async def create_project(request: Request, body: bodies.NewProject) -> Response:
    """Make a project."""
    return await written(request, lambda desk: projects.create(desk, body.given()))


@router.get("/projects", **needs("projects", "read", answer=Listing[projects.Project]))
async def list_projects(request: Request, page: PageOf, account: Name = None) -> Response:
    """List projects, the oldest first."""
    return await listed(request, lambda session: projects.listed(session, page, account))


@router.get("/projects/{project}", **needs("projects", "read", answer=projects.Project))
async def get_project(request: Request, project: str) -> Response:
    """One project."""
    return await read(request, lambda session: projects.one(session, project))


@router.patch("/projects/{project}", **needs("projects", "write", answer=projects.Project, match="required"))
async def change_project(request: Request, project: str, body: bodies.ProjectChange) -> Response:
    """Change the members that are sent. Needs If-Match."""
    return await written(request, lambda desk: projects.change(desk, project, body.given()))


@router.post("/budgets", **needs("budgets", "write", answer=budgets.Budget, status=201))
async def create_budget(request: Request, body: bodies.NewBudget) -> Response:
    """Make a budget."""
    return await written(request, lambda desk: budgets.create(desk, body.scope, body.owner, body.period, body.amount))


@router.get("/budgets", **needs("budgets", "read", answer=Listing[budgets.Budget]))
async def list_budgets(request: Request, page: PageOf, account: Name = None, owner: Name = None) -> Response:
    """List budgets, the oldest first."""
    return await listed(request, lambda session: budgets.listed(session, page, account, owner))


@router.get("/budgets/{budget}", **needs("budgets", "read", answer=budgets.BudgetState))
async def get_budget(request: Request, budget: str) -> Response:
    """One budget, and how it stands in the period under way."""
    zones = gate.plane(request).zones
    return await read(request, lambda session: budgets.one(session, budget, zones))


@router.patch("/budgets/{budget}", **needs("budgets", "write", answer=budgets.Budget, match="required"))
async def change_budget(request: Request, budget: str, body: bodies.BudgetChange) -> Response:
    """Another amount, at once. Needs If-Match."""
    zones = gate.plane(request).zones
    return await written(request, lambda desk: budgets.change(desk, budget, body.amount, zones))


@router.delete("/budgets/{budget}", **needs("budgets", "write", status=204, match="required"))
async def delete_budget(request: Request, budget: str) -> Response:
    """End a budget. Needs If-Match."""
    return await written(request, lambda desk: budgets.remove(desk, budget))


@router.post("/groups", **needs("groups", "write", answer=groups.Group, status=201))
async def create_group(request: Request, body: bodies.NewGroup) -> Response:
    """Make a customer group."""
    return await written(request, lambda desk: groups.create(desk, body.given(), gate.plane(request).owned()))


@router.get("/groups", **needs("groups", "read", answer=Listing[groups.Group]))
async def list_groups(request: Request, page: PageOf) -> Response:
    """List customer groups, those of the configuration file among them."""
    return await listed(request, lambda session: groups.listed(session, page, gate.plane(request).owned()))


@router.get("/groups/{name}", **needs("groups", "read", answer=groups.Group))
async def get_group(request: Request, name: str) -> Response:
    """One customer group."""
    return await read(request, lambda session: groups.one(session, name, gate.plane(request).owned()))


@router.patch("/groups/{name}", **needs("groups", "write", answer=groups.Group, match="required"))
async def change_group(request: Request, name: str, body: bodies.GroupChange) -> Response:
    """Change the members that are sent. Needs If-Match."""
    return await written(request, lambda desk: groups.change(desk, name, body.given(), gate.plane(request).owned()))


@router.delete("/groups/{name}", **needs("groups", "write", status=204, match="required"))
async def delete_group(request: Request, name: str) -> Response:
    """Remove a group that no account is in. Needs If-Match."""
    return await written(request, lambda desk: groups.remove(desk, name, gate.plane(request).owned()))
