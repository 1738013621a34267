"""The gate: who may pass, and what may be brought in. Every route of the control plane is a `GuardedRoute`.

The order is identity, role, body: nobody without a token makes the relay read or validate anything.
"""

import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin.instance import Instance
from polyrelay.service.administration import refusals, roles, tokens
from polyrelay.service.administration.plane import Plane
from polyrelay.service.administration.refusals import Flaw
from polyrelay.service.administration.tokens import Holder

ROOT = "/admin/v1"
LARGEST_BODY = 1024 * 1024
"""Bytes. The largest honest request is a tariff with many tiers, some kilobytes."""

_PERMISSION = "x-permission"
_PUBLIC = "public"
_ONCE = "x-once"
_READING = frozenset({"GET", "HEAD"})

Demand = Literal["required", "optional"]
"""Of a header."""

LONGEST_KEY = 100
"""Characters of an Idempotency-Key; a UUID has 36."""

_IF_MATCH = {"schema": {"type": "string"}, "description": "The ETag of the version that is meant; * for any."}
_IDEMPOTENCY_KEY = {
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    "description": "Chosen by the caller. The same request with the same key is carried out once.",
}


def router(tag: str) -> APIRouter:
    """A router whose routes are guarded."""
    return APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=[tag])


def needs(
    resource: str,
    action: str,
    *,
    answer: Any = None,
    status: int = 200,
    match: Demand | None = None,
    once: Demand = "optional",
) -> dict[str, Any]:
    """Arguments of a route that roles with this permission may use.

    The rest is documentation: `answer` is what it gives, `match` and `once` whether it reads If-Match, and, when it is
    a write, needs its Idempotency-Key.
    """
    allowed = sorted(role.value for role in roles.TABLE[resource, action])
    extra = {
        _PERMISSION: f"{resource}:{action}",
        "x-roles": allowed,
        "security": [{"adminToken": []}],
        _ONCE: once,
        "parameters": [] if match is None else [_header("If-Match", match, _IF_MATCH)],
    }
    return {"openapi_extra": extra, "response_model": answer, "status_code": status}


def public() -> dict[str, Any]:
    """Arguments of a route for everybody: documentation only."""
    return {"openapi_extra": {_PERMISSION: _PUBLIC}, "include_in_schema": False, "response_model": None}


def permission(route: APIRoute) -> tuple[str, str] | None:
    """Resource and action of a route; None for a public one. Raises KeyError when none is declared."""
    declared: str = (route.openapi_extra or {})[_PERMISSION]
    if declared == _PUBLIC:
        return None
    resource, _, action = declared.partition(":")
    return resource, action


def instance(request: Request) -> Instance:
    """The relay."""
    found: Instance = request.app.state.instance
    return found


def plane(request: Request) -> Plane:
    """What is administered. Raises `Unavailable` when there is nothing."""
    found = instance(request).plane
    if found is None:
        raise refusals.Unavailable("This relay has no database to administer.")
    return found


def holder(request: Request) -> Holder:
    """Who is asking; known once the gate is passed."""
    found: Holder = request.state.holder
    return found


def _header(name: str, demand: Demand, more: dict[str, Any]) -> dict[str, Any]:
    """A parameter, as OpenAPI describes it."""
    return {"name": name, "in": "header", "required": demand == "required", **more}


class GuardedRoute(APIRoute):
    """A route that declares who may use it. One that does not cannot be made: the default is to refuse."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Writes are documented with their Idempotency-Key."""
        super().__init__(*args, **options)
        once: Demand | None = (self.openapi_extra or {}).pop(_ONCE, None)
        if once is not None and self.openapi_extra and not (self.methods or set()) <= _READING:
            self.openapi_extra["parameters"].append(_header("Idempotency-Key", once, _IDEMPOTENCY_KEY))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the gate."""
        handle = super().get_route_handler()
        wanted = permission(self)
        parameters = frozenset(_parameters(self.dependant))

        async def guarded(request: Request) -> Response:
            if wanted is not None:
                await _admit(request, *wanted)
            await _inspect(request, parameters)
            return await handle(request)

        return guarded


async def _admit(request: Request, resource: str, action: str) -> None:
    """Raises `Unidentified` or `NotAllowed`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    administered = plane(request)
    found = await tokens.authenticate(
        administered.office, administered.secrets, token.strip() if scheme.lower() == "bearer" else ""
    )
    if not roles.may(found.role, resource, action):
        raise refusals.NotAllowed(f"The role {found.role.value} may not {action} {resource}.")
    request.state.holder = found


async def _inspect(request: Request, parameters: frozenset[str]) -> None:
    """Unknown parameters, and bodies that are too large, not JSON, or ambiguous."""
    if "\0" in request.url.path or any("\0" in value for value in request.path_params.values()):
        raise refusals.Missing("There is nothing of that name.")
    unknown = [name for name, value in request.query_params.multi_items() if name not in parameters or "\0" in value]
    if unknown:
        known = ", ".join(sorted(parameters)) or "none"
        flaws = [Flaw(f"is not known, or not text; there are: {known}", parameter=name) for name in unknown]
        raise refusals.Invalid("There are unknown parameters.", flaws=flaws)
    body = await request.body()
    if not body:
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise refusals.NotJson("Send JSON, with Content-Type: application/json.")
    try:
        _text(json.loads(body, object_pairs_hook=_members, parse_constant=_constant))
    except (ValueError, RecursionError) as error:
        what = error.args[0] if isinstance(error, _Ambiguous) else "is not JSON in UTF-8"
        raise refusals.Invalid("The body cannot be read.", code="invalid_json", flaws=(Flaw(what, ()),)) from None


class _Ambiguous(ValueError):
    """Readers of JSON disagree on what it means."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Ambiguous("has a member twice")
    return found


def _constant(name: str) -> None:
    raise _Ambiguous(f"{name} is not JSON")


def _text(document: Any) -> None:
    """Databases take no NUL and no half of a surrogate pair (UnicodeEncodeError is a ValueError)."""
    if b"\\u0000" in json.dumps(document, ensure_ascii=False).encode():
        raise _Ambiguous("has a NUL in a text")


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _parameters(each)


class Bounded:
    """ASGI: a body above LARGEST_BODY bytes is refused while it arrives."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection."""
        taken = 0

        async def counted() -> Any:
            nonlocal taken
            event = await receive()
            taken += len(event.get("body", b""))
            if taken > LARGEST_BODY:
                raise refusals.TooLarge(f"The body has more than {LARGEST_BODY} bytes.")
            return event

        await self._app(scope, counted, send)
