"""`/charges`, `/usage`, `/audit`: what was used, what it cost, who changed what."""

import asyncio
import csv
import dataclasses
import io
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends, Query
from pydantic import BeforeValidator, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from polyrelay.http.admin import gate
from polyrelay.http.admin.answers import PageOf, listed, read
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import audit, charges, times, usage
from polyrelay.service.administration.charges import Charge, Filter
from polyrelay.service.administration.pages import Listing
from polyrelay.service.administration.ports import By
from polyrelay.service.administration.usage import Wanted

router = gate.router("reports")

Name = Annotated[str | None, Query(max_length=200)]
Instant = Annotated[
    float | None,
    BeforeValidator(lambda value: times.parse(value) if isinstance(value, str) else value),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Query(),
]

_COLUMNS = tuple(field.name for field in dataclasses.fields(Charge))
_HEAD = (",".join(_COLUMNS) + "\r\n").encode()

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by."""


def _filter(
    account: Name = None,
    project: Name = None,
    key: Name = None,
    model: Name = None,
    channel: Name = None,
    since: Instant = None,
    until: Instant = None,
) -> Filter:
    return Filter(account, project, key, model, channel, since, until)


Wish = Annotated[Filter, Depends(_filter)]


@router.get("/charges", **needs("charges", "read", answer=Listing[Charge]))
async def list_charges(request: Request, page: PageOf, wanted: Wish) -> Response:
    """List exchanges and what they were charged, the newest first.

    A page looks at 10 000 exchanges: when few fit, it may have fewer rows than `limit`, or none. Go on while there
    is `next`.
    """
    return await listed(request, lambda session: charges.listed(session, page, wanted))


@router.get("/charges/{exchange}", **needs("charges", "read", answer=Charge))
async def get_charge(request: Request, exchange: str) -> Response:
    """One exchange, with the lines of its bill."""
    return await read(request, lambda session: charges.one(session, exchange))


@router.get("/usage", **needs("usage", "read", answer=usage.Report))
async def get_usage(
    request: Request,
    wanted: Wish,
    by: Annotated[list[By], Query(max_length=len(By))] = [],  # noqa: B006 - never changed
) -> Response:
    """Usage added up in whole hours, by any of hour, day, model, account, project, key and channel."""
    named = {"account": wanted.account, "project": wanted.project, "key": wanted.key}
    named |= {"model": wanted.model, "channel": wanted.channel}
    where = {name: value for name, value in named.items() if value is not None}
    return await listed(request, lambda session: usage.report(session, Wanted(wanted.since, wanted.until, by, where)))


@router.get("/usage/export", **needs("usage", "export"))
async def export_usage(
    request: Request, wanted: Wish, form: Annotated[Literal["csv", "jsonl"], Query(alias="format")] = "jsonl"
) -> Response:
    """Every exchange, the oldest first, as a stream. One that breaks off is not complete."""
    batches = charges.exported(gate.plane(request).office, wanted)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/jsonl"
    lines = _encoded(batches, _csv, _HEAD) if form == "csv" else _encoded(batches, _jsonl, b"")
    headers = {"content-disposition": f'attachment; filename="usage.{form}"', "cache-control": "no-store"}
    return StreamingResponse(lines, 200, headers, kind)


@router.get("/audit", **needs("audit", "read", answer=Listing[audit.Entry]))
async def list_audit(
    request: Request,
    page: PageOf,
    kind: Name = None,
    name: Annotated[str | None, Query(alias="object", max_length=200)] = None,
    actor: Name = None,
) -> Response:
    """List changes, the newest first."""
    return await listed(request, lambda session: audit.listed(session, page, kind, name, actor))


@router.get("/audit/{entry}", **needs("audit", "read", answer=audit.Entry))
async def get_audit(request: Request, entry: str) -> Response:
    """One change."""
    return await read(request, lambda session: audit.one(session, entry))


async def _encoded(
    batches: AsyncIterator[Sequence[Charge]], encode: Callable[[Sequence[Charge]], bytes], head: bytes
) -> AsyncIterator[bytes]:
    """Batches as bytes. In a thread, so that streams on the event loop need not wait for a report."""
    if head:
        yield head
    async for batch in batches:
        yield await asyncio.to_thread(encode, batch)


def _jsonl(batch: Sequence[Charge]) -> bytes:
    return b"".join(msgspec.json.encode(charge) + b"\n" for charge in batch)


def _csv(batch: Sequence[Charge]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_cell(getattr(charge, column)) for column in _COLUMNS] for charge in batch)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A value for spreadsheets: documents as JSON, and no text that they would run."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return "'" + value
    return value


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
