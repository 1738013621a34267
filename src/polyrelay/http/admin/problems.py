"""Refusals as problem details (RFC 9457), whoever refuses: a use case, FastAPI's validation, the router, a defect."""

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin.identity import request_id
from polyrelay.service.administration import refusals
from polyrelay.service.administration.ports import Taken
from polyrelay.service.administration.refusals import Flaw, Refused

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:polyrelay:problem:"
"""Begins `type`; the rest is the code, which is what programs go by."""

_CURABLE = 500
"""From here on waiting may help; below, the same request is refused again."""

_LOCATIONS = {"query": "parameter", "path": "parameter", "header": "header"}


async def refused(request: Request, error: Exception) -> Response:
    """A use case's refusal."""
    if not isinstance(error, Refused):
        raise error
    headers = {"www-authenticate": "Bearer"} if isinstance(error, refusals.Unidentified) else {}
    return _problem(request, error.status, error.title, error.code, error.message, error.flaws, headers)


async def invalid(request: Request, error: Exception) -> Response:
    """FastAPI's findings on parameters and body. What was sent is not repeated: it may be a secret."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    return await refused(
        request,
        refusals.Invalid("The request is not what this operation takes.", flaws=[_flaw(each) for each in found]),
    )


async def unrouted(request: Request, error: Exception) -> Response:
    """An unknown path, or a wrong method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    what = f"{request.method} {request.url.path}"
    if status == refusals.Missing.status:
        return _problem(request, status, "Not found", "unknown_url", f"There is no {what}.", (), {})
    if status == 405:  # noqa: PLR2004 - RFC 9110 15.5.6
        return _problem(
            request, status, "Method not allowed", "method_not_allowed", f"{what} is not allowed.", (), headers
        )
    return _problem(request, status, "Bad request", "bad_request", "The request cannot be read.", (), headers)


async def taken(request: Request, error: Exception) -> Response:
    """A rival was faster in making what must be unique."""
    columns = ", ".join(error.columns) if isinstance(error, Taken) else ""
    return await refused(request, refusals.Conflicting(f"It exists already: {columns or 'something unique'}."))


async def away(request: Request, error: Exception) -> Response:
    """The database cannot be used now."""
    logger.warning("the control plane cannot use the database: %s", error)
    return await refused(request, refusals.Unavailable("The database cannot be used now; try again."))


async def failed(request: Request, _error: Exception) -> Response:
    """A defect of ours. Its traceback is in the log, under the request's id."""
    return _problem(request, 500, "Internal error", "internal_error", "The relay has a defect.", (), {})


def _problem(
    request: Request,
    status: int,
    title: str,
    code: str,
    detail: str,
    flaws: tuple[Flaw, ...],
    headers: Mapping[str, str],
) -> Response:
    document: dict[str, Any] = {
        "type": TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id(request),
    }
    if flaws:
        document["errors"] = [_located(flaw) for flaw in flaws]
    final = {"x-should-retry": "false"} if status < _CURABLE else {}
    return Response(msgspec.json.encode(document), status, {**headers, **final}, MEDIA_TYPE)


def _located(flaw: Flaw) -> dict[str, str]:
    """As in RFC 9457 section 3: a JSON pointer (RFC 6901) into the body, or the name of a parameter or header."""
    found = {"detail": flaw.detail}
    if flaw.path is not None:
        found["pointer"] = "#" + "".join("/" + _escaped(str(step)) for step in flaw.path)
    if flaw.parameter is not None:
        found["parameter"] = flaw.parameter
    if flaw.header is not None:
        found["header"] = flaw.header
    return found


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _flaw(error: Mapping[str, Any]) -> Flaw:
    place, *path = error["loc"]
    message = str(error["msg"])
    if place == "body":
        return Flaw(message, tuple(path))
    name = str(path[0]) if path else ""
    return Flaw(message, header=name) if _LOCATIONS.get(place) == "header" else Flaw(message, parameter=name)
