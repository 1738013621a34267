"""Tariffs: dated prices. A version never changes; a new price is a new version, an old one is ended or retired."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import msgspec

from polyrelay.metering import read, write
from polyrelay.metering.book import TariffBook
from polyrelay.metering.sheet import BadTariff
from polyrelay.metering.tariff import Source, Tariff
from polyrelay.service.administration import pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, shown
from polyrelay.service.administration.owned import API, FILE, NOTHING_OWNED, SEED, Owned
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Query, Record, Session

Zones = Callable[[str], tzinfo]

_KEY = ("id", "version")
_LONGEST = {"model": 200, "id": 200, "version": 64}
"""Characters, as many as the columns have."""


@dataclass(frozen=True, slots=True)
class StoredTariff:
    """A version of a tariff. `document` is as in the configuration file; `owner` is `api`, `file` or `seed` (the
    shipped price lists): only the API's can be retired here.
    """

    id: str
    version: str
    model: str
    owner: str
    document: Mapping[str, Any]
    created_at: str | None
    retired_at: str | None


async def create(desk: Desk, document: Mapping[str, Any], zones: Zones, owned: Owned = NOTHING_OWNED) -> Made:
    """A new version. It must not be in force at the same time as another of the API's for the same model, nor price a
    model that the file prices.
    """
    tariff = parsed(document, zones)
    for each in owned.tariffs:
        if each.source is Source.FILE and not set(each.names).isdisjoint(tariff.names):
            owned.refuse("tariff", each.id)
    for name, longest in _LONGEST.items():
        if len(getattr(tariff, name)) > longest:
            raise refusals.invalid(f"has more than {longest} characters", name)
    known = await desk.session.get(Kind.TARIFFS, tariff.id, tariff.version)
    if known is not None or _of_file(owned, tariff.id, tariff.version) is not None:
        raise refusals.Conflicting(
            f"Tariff {tariff.id!r} has a version {tariff.version!r} already.", code="version_exists"
        )
    living = await desk.session.find(Kind.TARIFFS, Query(where={"retired_at": None}))
    try:
        TariffBook([*(parsed(msgspec.json.decode(row["document"]), zones) for row in living), tariff])
    except BadTariff as error:
        raise refusals.Conflicting(f"{error}; end or retire the other one first", code="overlapping") from error
    row: Record = {
        "id": tariff.id,
        "version": tariff.version,
        "document": msgspec.json.encode(write.tariff(tariff)).decode(),
        "created_at": await desk.session.now(),
        "retired_at": None,
    }
    await desk.session.insert(Kind.TARIFFS, row)
    await desk.session.stamp_configuration()
    seen = _document(row)
    await desk.audit("tariff.create", "tariff", _name(row), None, seen)
    return created(seen, f"/tariffs/{tariff.id}?version={tariff.version}", _state(row))


async def retire(desk: Desk, tariff: str, version: str, owned: Owned) -> Made:
    """From now on it prices nothing; charges made with it stay explained. Again is no error."""
    row = await desk.session.get(Kind.TARIFFS, tariff, version, lock=True)
    if row is None:
        if _of_file(owned, tariff, version) is not None:
            owned.refuse("tariff", tariff)
        raise refusals.missing("tariff", f"{tariff} {version}")
    desk.matches(_state(row))
    if row["retired_at"] is not None:
        return shown(_document(row), _state(row))
    values = {"retired_at": await desk.session.now()}
    await desk.session.update(Kind.TARIFFS, (tariff, version), values)
    await desk.session.stamp_configuration()
    after = _document(row | values)
    await desk.audit("tariff.retire", "tariff", _name(row), _document(row), after)
    return shown(after, _state(row | values))


async def listed(session: Session, page: Page, owned: Owned, tariff: str | None) -> pages.Listing[StoredTariff]:
    """Every version of the database, the file and the price lists, by id and version."""
    rows = list(await session.find(Kind.TARIFFS, page.query({"id": tariff})))
    rows += [
        {"id": each.id, "version": each.version, "tariff": each}
        for each in owned.tariffs
        if tariff in (None, each.id) and (each.id, each.version) > page.start
    ]
    rows.sort(key=lambda row: (row["id"], row["version"]))
    return pages.listing(rows, page, _either, _KEY)


async def one(session: Session, tariff: str, version: str, owned: Owned) -> Made:
    """A version. Raises `Missing`."""
    row = await session.get(Kind.TARIFFS, tariff, version)
    if row is not None:
        return shown(_document(row), _state(row))
    found = _of_file(owned, tariff, version)
    if found is None:
        raise refusals.missing("tariff", f"{tariff} {version}")
    return shown(_shown_file(found))


def parsed(document: Mapping[str, Any], zones: Zones) -> Tariff:
    """The tariff of a document. Raises `Invalid` naming the field."""
    try:
        return read.tariff(document, source=Source.API, zones=zones)
    except BadTariff as error:
        path = error.path.replace("[", ".").replace("]", "").split(".") if error.path else []
        raise refusals.invalid(error.message, *path) from error


def _of_file(owned: Owned, tariff: str, version: str) -> Tariff | None:
    return next((each for each in owned.tariffs if (each.id, each.version) == (tariff, version)), None)


def _document(row: Record) -> StoredTariff:
    document = msgspec.json.decode(row["document"])
    return StoredTariff(
        id=row["id"],
        version=row["version"],
        model=document["model"],
        owner=API,
        document=document,
        created_at=times.text(row["created_at"]),
        retired_at=times.optional(row["retired_at"]),
    )


def _shown_file(tariff: Tariff) -> StoredTariff:
    owner = SEED if tariff.source is Source.SEED else FILE
    return StoredTariff(tariff.id, tariff.version, tariff.model, owner, write.tariff(tariff), None, None)


def _either(row: Record) -> StoredTariff:
    return _shown_file(row["tariff"]) if "tariff" in row else _document(row)


def _state(row: Record) -> str:
    return "live" if row["retired_at"] is None else "retired"


def _name(row: Record) -> str:
    return f"{row['id']} {row['version']}"
