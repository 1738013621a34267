"""Deliveries of webhooks: who was to be called when which job ended, and what came of it."""

from dataclasses import dataclass

from polyrelay.access import destinations
from polyrelay.access.destinations import BadDestination
from polyrelay.service.administration import pages, refusals, times
from polyrelay.service.administration.desk import Made, shown
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Query, Record, Session


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call. `status` is the receiver's, null without an answer; `error` why it does not count as delivered."""

    number: int
    at: str
    seconds: float
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One job's. `url` is shown without its query. `attempts` counts those begun; the `log` has those that ended, and
    is null in lists. `next_at` is when it is tried next, or when an attempt under way is given up.
    """

    id: str
    job: str
    account: str
    key: str
    url: str
    state: str
    attempts: int
    next_at: str | None
    created_at: str
    finished_at: str | None
    log: list[Attempt] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries; None does not count."""

    job: str | None = None
    account: str | None = None
    key: str | None = None
    state: str | None = None


async def listed(session: Session, page: Page, wanted: Filter) -> pages.Listing[Delivery]:
    """Deliveries, the newest first. See `pages.sparse`: the page may have fewer rows than its limit, and a next one."""
    where = {"job_id": wanted.job, "account_id": wanted.account, "key_id": wanted.key, "state": wanted.state}
    query = page.query(where, newest_first=True)
    served = {} if wanted.account is None else {"account_id": wanted.account}
    return await pages.sparse(session, Kind.DELIVERIES, query, page, served, document)


async def one(session: Session, delivery: str) -> Made:
    """A delivery with its log. Raises `Missing`."""
    row = await session.get(Kind.DELIVERIES, delivery)
    if row is None:
        raise refusals.missing("delivery", delivery)
    return shown(await explained(session, row))


async def explained(session: Session, row: Record) -> Delivery:
    """A row with its log."""
    attempts = await session.find(Kind.ATTEMPTS, Query({"delivery_id": row["id"]}))
    return document(row, [_attempt(each) for each in attempts])


def document(row: Record, log: list[Attempt] | None = None) -> Delivery:
    """A row as it is shown."""
    return Delivery(
        id=row["id"],
        job=row["job_id"],
        account=row["account_id"],
        key=row["key_id"],
        url=_shown(row["url"]),
        state=row["state"],
        attempts=row["attempts"],
        next_at=times.optional(row["next_at"]),
        created_at=times.text(row["created_at"]),
        finished_at=times.optional(row["finished_at"]),
        log=log,
    )


def _attempt(row: Record) -> Attempt:
    return Attempt(row["number"], times.text(row["at"]), row["seconds"], row["status"], row["error"])


def _shown(url: str) -> str:
    """Customers have tokens in their queries."""
    try:
        return destinations.read(url).shown
    except BadDestination:
        return "…"
