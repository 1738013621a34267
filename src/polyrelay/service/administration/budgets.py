"""Budgets: what an account, a project or a key may spend in a period."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from polyrelay.kernel import money
from polyrelay.ledger import meters
from polyrelay.service.administration import pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, deleted, shown
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Session

Zones = Callable[[str], tzinfo]
"""A time zone by its IANA name."""

_OWNERS = {"account": Kind.ACCOUNTS, "project": Kind.PROJECTS, "key": Kind.KEYS}


@dataclass(frozen=True, slots=True)
class Budget:
    """`amount` per `period` (day, week, month, total) for `owner`: an account, a project or a key (`scope`)."""

    id: str
    account: str
    scope: str
    owner: str
    period: str
    amount: str
    created_at: str
    version: int


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget and how it stands. `meter` names the period under way; `escrowed` is for requests in flight."""

    budget: Budget
    meter: str
    spent: str
    escrowed: str
    remaining: str
    ends_at: str | None


@dataclass(frozen=True, slots=True)
class _Limit:
    """As `ledger.meters` wants it."""

    owner: str
    scope: str
    period: str
    limit: int


async def create(desk: Desk, scope: str, owner: str, period: str, amount: int) -> Made:
    """A new budget; `amount` in nanos. It counts from now on."""
    found = await desk.session.get(_OWNERS[scope], owner)
    if found is None:
        raise refusals.unknown_reference(scope, owner, "owner")
    if await desk.session.find(Kind.BUDGETS, Page(1).query({"owner": owner, "period": period})):
        raise refusals.Conflicting(f"This {scope} has a budget for that period already.", code="budget_exists")
    row: Record = {
        "id": await desk.new_id("bud_"),
        "account_id": owner if scope == "account" else found["account_id"],
        "scope": scope,
        "owner": owner,
        "period": period,
        "amount": amount,
        "created_at": await desk.session.now(),
        "version": 1,
    }
    await desk.session.insert(Kind.BUDGETS, row)
    await desk.session.stamp_keys(scope, owner)
    seen = document(row)
    await desk.audit("budget.create", "budget", row["id"], None, seen)
    return created(seen, f"/budgets/{row['id']}", row["version"])


async def change(desk: Desk, budget: str, amount: int, zones: Zones) -> Made:
    """Another amount, for the period under way too. Lowered below what is spent, it binds from the next request on."""
    row = await _find(desk.session, budget, lock=True)
    desk.matches(row["version"])
    values = {"amount": amount, "version": row["version"] + 1}
    await desk.session.update(Kind.BUDGETS, (budget,), values)
    meter, _ = await _meter(desk.session, row, zones)
    await desk.session.set_limit(meter, amount)
    await desk.session.stamp_keys(row["scope"], row["owner"])
    after = document(row | values)
    await desk.audit("budget.change", "budget", budget, document(row), after)
    return shown(after, values["version"])


async def remove(desk: Desk, budget: str) -> Made:
    """Charges count against it no more; what was counted stays in the books."""
    row = await _find(desk.session, budget, lock=True)
    desk.matches(row["version"])
    await desk.session.delete(Kind.BUDGETS, budget)
    await desk.session.stamp_keys(row["scope"], row["owner"])
    await desk.audit("budget.delete", "budget", budget, document(row), None)
    return deleted()


async def listed(session: Session, page: Page, account: str | None, owner: str | None) -> pages.Listing[Budget]:
    """Budgets, the oldest first."""
    rows = await session.find(Kind.BUDGETS, page.query({"account_id": account, "owner": owner}))
    return pages.listing(rows, page, document)


async def one(session: Session, budget: str, zones: Zones) -> Made:
    """A budget and how it stands. Raises `Missing`."""
    row = await _find(session, budget)
    meter, ends = await _meter(session, row, zones)
    state = await session.spending(meter)
    remaining = max(0, row["amount"] - state.spent - state.escrowed)
    standing = BudgetState(
        document(row),
        meter,
        money.show(state.spent),
        money.show(state.escrowed),
        money.show(remaining),
        None if ends == meters.FOREVER else times.text(ends),
    )
    return shown(standing, row["version"])


def document(row: Record) -> Budget:
    """A row as it is shown."""
    return Budget(
        id=row["id"],
        account=row["account_id"],
        scope=row["scope"],
        owner=row["owner"],
        period=row["period"],
        amount=money.show(row["amount"]),
        created_at=times.text(row["created_at"]),
        version=row["version"],
    )


async def _find(session: Session, budget: str, *, lock: bool = False) -> Record:
    row = await session.get(Kind.BUDGETS, budget, lock=lock)
    if row is None:
        raise refusals.missing("budget", budget)
    return row


async def _meter(session: Session, row: Record, zones: Zones) -> tuple[str, float]:
    """The meter of the period under way, and when it ends."""
    account = await session.get(Kind.ACCOUNTS, row["account_id"])
    zone = zones(account["zone"] if account is not None else "UTC")
    limit = _Limit(row["owner"], row["scope"], row["period"], row["amount"])
    found, until = meters.of(row["account_id"], (limit,), zone, await session.now())
    return found[-1].id, until
