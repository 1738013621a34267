"""From use cases to answers: reads, lists, and writes that are done once."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import gate
from polyrelay.http.admin.identity import request_id
from polyrelay.service.administration import desk, pages, refusals
from polyrelay.service.administration.desk import Desk, Errand, Made
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Session

T = TypeVar("T")

_DIGEST_BYTES = 32


def _page(
    limit: Annotated[int, Query(ge=1, le=pages.MOST, description="Rows of a page.")] = pages.USUAL,
    after: Annotated[str | None, Query(max_length=400, description="`next` of the page before.")] = None,
) -> Page:
    return Page(limit, after)


PageOf = Annotated[Page, Depends(_page)]


async def read(request: Request, work: Callable[[Session], Coroutine[Any, Any, Made]]) -> Response:
    """One thing as it is now."""
    made = await gate.plane(request).office.read(work)
    return _json(made.document, made.status, {} if made.etag is None else {"etag": made.etag})


async def listed(request: Request, work: Callable[[Session], Coroutine[Any, Any, T]]) -> Response:
    """A list, or another report."""
    return _json(await gate.plane(request).office.read(work), 200, {})


async def written(request: Request, work: Callable[[Desk], Coroutine[Any, Any, Made]]) -> Response:
    """Carry a write out, once."""
    answer = await desk.perform(gate.plane(request).office, await _errand(request), work)
    headers = dict(answer.headers)
    if "location" in headers:
        headers["location"] = gate.ROOT + headers["location"]
    if answer.replayed:
        headers["idempotent-replayed"] = "true"
    return _response(answer.body, answer.status, headers)


async def _errand(request: Request) -> Errand:
    return Errand(
        actor=gate.holder(request).actor,
        request=request_id(request),
        digest=_digest(request, await request.body()),
        key=_idempotency_key(request),
        if_match=request.headers.get("if-match"),
    )


def _digest(request: Request, body: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in (request.method.encode(), request.url.path.encode(), request.url.query.encode(), body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= gate.LONGEST_KEY and key.isascii() and key.isprintable()):
        flaw = refusals.Flaw(f"must be 1 to {gate.LONGEST_KEY} printable ASCII characters", header="Idempotency-Key")
        raise refusals.Malformed("The Idempotency-Key cannot be used.", code="invalid_idempotency_key", flaws=(flaw,))
    return key


def _json(document: Any, status: int, headers: dict[str, str]) -> Response:
    return _response(b"" if document is None else msgspec.json.encode(document), status, headers)


def _response(body: bytes, status: int, headers: dict[str, str]) -> Response:
    """Never cached: it is about money, or shows a key."""
    kind = {"content-type": "application/json"} if body else {}
    return Response(body or None, status, {**headers, **kind, "cache-control": "no-store"})
