"""The audit log: who changed what, when. It is only ever added to."""

from dataclasses import dataclass
from typing import Any

import msgspec

from polyrelay.service.administration import pages, refusals, times
from polyrelay.service.administration.desk import Made, shown
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Session


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `before` and `after` are the thing's documents, null where it was not or is no more."""

    id: str
    at: str
    actor: str
    action: str
    kind: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request: str | None


async def listed(
    session: Session, page: Page, kind: str | None, name: str | None, actor: str | None
) -> pages.Listing[Entry]:
    """Entries, the newest first."""
    where = {"kind": kind, "object": name, "actor": actor}
    return pages.listing(await session.find(Kind.AUDIT, page.query(where, newest_first=True)), page, _document)


async def one(session: Session, entry: str) -> Made:
    """An entry. Raises `Missing`."""
    row = await session.get(Kind.AUDIT, entry)
    if row is None:
        raise refusals.missing("audit entry", entry)
    return shown(_document(row))


def _document(row: Record) -> Entry:
    return Entry(
        id=row["id"],
        at=times.text(row["at"]),
        actor=row["actor"],
        action=row["action"],
        kind=row["kind"],
        object=row["object"],
        before=_parsed(row["before"]),
        after=_parsed(row["after"]),
        request=row["request"],
    )


def _parsed(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
