"""The control plane as a FastAPI application. Imported only through `admin.control`."""

from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from uvicorn._types import ASGI3Application

from polyrelay.http.admin import accounts, docs, gate, keys, offers, payments, problems, reports, system, webhooks
from polyrelay.http.admin.instance import Instance
from polyrelay.service.administration.ports import Away, Taken
from polyrelay.service.administration.refusals import Refused

ROUTERS = (
    accounts.router,
    keys.router,
    offers.router,
    payments.router,
    reports.router,
    webhooks.router,
    system.router,
    docs.router,
)

DESCRIPTION = """\
Bearer admin tokens with roles. Lists are paged: `next` of a page is `after` of the following one. Updates need
`If-Match` with the `ETag` they are based on. Every write takes an `Idempotency-Key`; moving money needs one. Money is
decimal strings, times are RFC 3339. Refusals are problem details (RFC 9457).
"""

_SCHEMES = {"adminToken": {"type": "http", "scheme": "bearer", "description": "An admin token: `pra-...`"}}
_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "code", "request_id")},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("detail", "pointer", "parameter", "header")},
            },
        },
    },
}


class _Plane(FastAPI):
    """FastAPI with a description that says how one is identified and refused."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document.setdefault("components", {})
            components["securitySchemes"] = _SCHEMES
            components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = _PROBLEM
        return cast("dict[str, Any]", self.openapi_schema)


def build(instance: Instance) -> ASGI3Application:
    """The application for `instance`."""
    application = _Plane(
        title="polyrelay control plane",
        version=instance.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    application.state.instance = instance
    for router in ROUTERS:
        application.include_router(router)
    application.add_middleware(gate.Bounded)
    application.add_exception_handler(Refused, problems.refused)
    application.add_exception_handler(RequestValidationError, problems.invalid)
    application.add_exception_handler(HTTPException, problems.unrouted)
    application.add_exception_handler(Taken, problems.taken)
    application.add_exception_handler(Away, problems.away)
    application.add_exception_handler(Exception, problems.failed)
    return cast("ASGI3Application", application)
