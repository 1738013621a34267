"""Charges: what each exchange used, and how its bill came about."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from polyrelay.kernel import money
from polyrelay.service.administration import pages, refusals, times
from polyrelay.service.administration.desk import Made, shown
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Office, Query, Record, Session, Work

EXPORTED_ROWS = 250
"""Read at a time while exporting: some milliseconds, because on PostgreSQL rows are read on the event loop."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One exchange. Amounts are decimal strings; `amount` is null when nothing was to be charged, `cost` is what the
    upstream takes, `margin` the one less the other. `lines` explain the bill: quantity x unit price, each.
    """

    id: str
    at: str
    account: str
    project: str | None
    key: str
    customer_group: str
    surface: str
    model: str
    channel: str | None
    status: int
    outcome: str
    attempts: int
    seconds: float
    first_token: float | None
    finish: str | None
    error: str | None
    label: str | None
    billing_group: str | None
    source: str | None
    input_tokens: int
    output_tokens: int
    usage: dict[str, int] | None
    estimated: bool
    indeterminate: bool
    held: str
    amount: str | None
    write_off: str
    cost: str | None
    margin: str | None
    tariff: str | None
    tariff_version: str | None
    multiplier: str | None
    lines: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exchanges; None does not count. `since` and `until` in Unix seconds."""

    account: str | None = None
    project: str | None = None
    key: str | None = None
    model: str | None = None
    channel: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def where(self) -> Mapping[str, Any]:
        """By column."""
        return {
            "account_id": self.account,
            "project_id": self.project,
            "key_id": self.key,
            "model": self.model,
            "channel": self.channel,
        }

    @property
    def served(self) -> Mapping[str, Any]:
        """The part of `where` by which an index of the table orders exchanges."""
        if self.key is not None:
            return {"key_id": self.key}
        return {} if self.account is None else {"account_id": self.account}

    def query(self, page: Page, *, newest_first: bool) -> Query:
        """Times become bounds of the id, which begins with its time: one index serves both."""
        return page.query(
            self.where,
            since={} if self.since is None else {"id": _first_id(self.since)},
            until={} if self.until is None else {"id": _first_id(self.until)},
            newest_first=newest_first,
        )


async def listed(session: Session, page: Page, wanted: Filter) -> pages.Listing[Charge]:
    """Exchanges, the newest first. See `pages.sparse`: the page may have fewer rows than its limit, and a next one."""
    query = wanted.query(page, newest_first=True)
    return await pages.sparse(session, Kind.EXCHANGES, query, page, wanted.served, document)


async def gathered(office: Office, page: Page, wanted: Filter) -> pages.Listing[Charge]:
    """Exchanges, the newest first: as many as the page takes, however many have to be looked at for them. Each part is
    read in a transaction of its own.
    """
    found: list[Charge] = []
    after = page.after
    while True:
        rest = Page(page.limit - len(found), after)
        part = await office.read(lambda session, rest=rest: listed(session, rest, wanted))  # type: ignore[misc]
        found += part.data
        after = part.next
        if after is None or len(found) == page.limit:
            return pages.Listing(found, after)


async def one(session: Session, exchange: str) -> Made:
    """An exchange. Raises `Missing`."""
    row = await session.get(Kind.EXCHANGES, exchange)
    if row is None:
        raise refusals.missing("exchange", exchange)
    return shown(document(row))


async def exported(office: Office, wanted: Filter) -> AsyncIterator[Sequence[Charge]]:
    """Every exchange, the oldest first, in batches; each is read in a transaction of its own."""
    after: str | None = None
    while True:
        found = await office.read(_batch(wanted, Page(EXPORTED_ROWS, after)))
        if found.data:
            yield found.data
        if found.next is None:
            return
        after = found.next


def _batch(wanted: Filter, page: Page) -> Work[pages.Listing[Charge]]:
    async def work(session: Session) -> pages.Listing[Charge]:
        rows = await session.find(Kind.EXCHANGES, wanted.query(page, newest_first=False))
        return pages.listing(rows, page, document)

    return work


def document(row: Record) -> Charge:
    """A row as it is shown."""
    amount, cost = row["amount"], row["cost"]
    return Charge(
        id=row["id"],
        at=times.text(row["at"]),
        account=row["account_id"],
        project=row["project_id"],
        key=row["key_id"],
        customer_group=row["customer_group"],
        surface=row["surface"],
        model=row["model"],
        channel=row["channel"],
        status=row["status"],
        outcome=row["outcome"],
        attempts=row["attempts"],
        seconds=row["seconds"],
        first_token=row["first_token"],
        finish=row["finish"],
        error=row["error"],
        label=row["label"],
        billing_group=row["billing_group"],
        source=row["source"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        usage=_parsed(row["usage"]),
        estimated=bool(row["estimated"]),
        indeterminate=bool(row["indeterminate"]),
        held=money.show(row["held"]),
        amount=_shown(amount),
        write_off=money.show(row["write_off"]),
        cost=_shown(cost),
        margin=None if amount is None or cost is None else money.show(amount - cost),
        tariff=row["tariff"],
        tariff_version=row["tariff_version"],
        multiplier=row["multiplier"],
        lines=_parsed(row["lines"]),
    )


def _first_id(seconds: float) -> str:
    """Below every id of an exchange at or after `seconds`."""
    return f"px_{max(0, int(seconds * 1000)):012x}"


def _shown(amount: int | None) -> str | None:
    return None if amount is None else money.show(amount)


def _parsed(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
