"""The control plane as a FastAPI application. Imported only through `admin.control`."""

from typing import cast

from fastapi import FastAPI
from pydantic import BaseModel
from uvicorn._types import ASGI3Application

from polyrelay.http.admin.instance import Instance


class Health(BaseModel):
    """How the instance is. `uptime` in seconds."""

    status: str
    version: str
    uptime: float
    channels: int


def build(instance: Instance) -> ASGI3Application:
    """The application for `instance`."""
    application = FastAPI(title="polyrelay control plane", docs_url=None, redoc_url=None, openapi_url=None)

    @application.get("/admin/v1/health")
    async def health() -> Health:
        """Version, uptime and number of channels."""
        return Health(
            status="ok", version=instance.version, uptime=round(instance.uptime(), 3), channels=instance.channels()
        )

    return cast("ASGI3Application", application)
