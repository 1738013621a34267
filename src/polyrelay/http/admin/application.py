"""The control plane as a FastAPI application. Imported only through `admin.control`."""

from typing import cast

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from uvicorn._types import ASGI3Application

from polyrelay.http.admin.instance import Instance
from polyrelay.kernel import errors
from polyrelay.wire.openai_chat import errors as wire_errors


class Health(BaseModel):
    """How the instance is. `uptime` in seconds."""

    status: str
    version: str
    uptime: float
    channels: int


async def _refused(request: Request, error: Exception) -> Response:
    """An unknown path or a wrong method, in the shape of every other refusal of the relay."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = f"{request.method} {request.url.path}"
    refusal = (
        errors.MethodNotAllowed(f"{what} is not allowed.")
        if status == errors.MethodNotAllowed.status
        else errors.NotFound(f"Unknown request URL: {what}", code="unknown_url")
    )
    _, headers, body = wire_errors.render(refusal)
    return Response(body, refusal.status, {name.decode(): value.decode() for name, value in headers})


def build(instance: Instance) -> ASGI3Application:
    """The application for `instance`."""
    application = FastAPI(title="polyrelay control plane", docs_url=None, redoc_url=None, openapi_url=None)

    application.add_exception_handler(HTTPException, _refused)

    @application.get("/admin/v1/health")
    async def health() -> Health:
        """Version, uptime and number of channels."""
        return Health(
            status="ok", version=instance.version, uptime=round(instance.uptime(), 3), channels=instance.channels()
        )

    return cast("ASGI3Application", application)
