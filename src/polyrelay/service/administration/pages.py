"""Lists, a page at a time: the next page begins behind the last row of this one, whatever was added meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from polyrelay.service.administration.ports import Kind, Query, Record, Rows

T = TypeVar("T")

USUAL = 50
MOST = 500
"""Rows of a page; more are a report, which is exported."""

WINDOW = 10_000
"""Rows that one page of a sparse list looks at: some ten milliseconds of SQLite, whatever the table has."""

SEPARATOR = "\n"
"""Between the parts of a key in `after`; no name has a line break."""


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` rows behind the one that `after` names."""

    limit: int = USUAL
    after: str | None = None

    @property
    def start(self) -> tuple[str, ...]:
        """The key behind which it begins; empty at the beginning."""
        return () if self.after is None else tuple(self.after.split(SEPARATOR))

    def query(
        self,
        where: Mapping[str, Any],
        *,
        since: Mapping[str, Any] | None = None,
        until: Mapping[str, Any] | None = None,
        newest_first: bool = False,
    ) -> Query:
        """Its rows, and one more to know whether another page follows. Filters that are None do not count."""
        return Query(
            {name: value for name, value in where.items() if value is not None},
            since or {},
            until or {},
            self.start,
            self.limit + 1,
            newest_first=newest_first,
        )


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A page. `next` is `after` of the following one, null on the last: a page before it may have fewer rows than its
    limit, or none, when few rows fit.
    """

    data: list[T]
    next: str | None


def listing(
    rows: Sequence[Record], page: Page, document: Callable[[Record], T], key: tuple[str, ...] = ("id",)
) -> Listing[T]:
    """The page made of the rows of `page.query`."""
    kept = rows[: page.limit]
    more = SEPARATOR.join(kept[-1][name] for name in key) if len(rows) > page.limit else None
    return Listing([document(row) for row in kept], more)


async def sparse(
    rows: Rows, kind: Kind, query: Query, page: Page, served: Mapping[str, Any], document: Callable[[Record], T]
) -> Listing[T]:
    """The page of a query, newest first, that perhaps few rows fit. `served` is the part of its filters by which an
    index orders rows.

    Where there are other filters, it looks at no more than the next `WINDOW` rows by that index.
    """
    if query.where == served:
        return listing(await rows.find(kind, query), page, document)
    edge = await rows.find(kind, replace(query, where=served, limit=1, offset=WINDOW))
    if not edge:
        return listing(await rows.find(kind, query), page, document)
    last: str = edge[0]["id"]
    found = listing(await rows.find(kind, replace(query, since={**query.since, "id": last})), page, document)
    return found if found.next is not None else replace(found, next=last)
