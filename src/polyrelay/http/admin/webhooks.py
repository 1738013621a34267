"""`/webhook-deliveries`: who was called when a job ended, and what came of it."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import gate
from polyrelay.http.admin.answers import PageOf, listed, read
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import webhooks
from polyrelay.service.administration.pages import Listing
from polyrelay.service.administration.webhooks import Filter

router = gate.router("webhooks")

Name = Annotated[str | None, Query(max_length=40)]


@router.get("/webhook-deliveries", **needs("webhooks", "read", answer=Listing[webhooks.Delivery]))
async def list_deliveries(
    request: Request,
    page: PageOf,
    job: Name = None,
    account: Name = None,
    key: Name = None,
    state: Literal["pending", "delivered", "failed"] | None = None,
) -> Response:
    """List deliveries, the newest first, without their logs.

    A page looks at 10 000 deliveries: when few fit, it may have fewer rows than `limit`, or none. Go on while there
    is `next`.
    """
    return await listed(request, lambda session: webhooks.listed(session, page, Filter(job, account, key, state)))


@router.get("/webhook-deliveries/{delivery}", **needs("webhooks", "read", answer=webhooks.Delivery))
async def get_delivery(request: Request, delivery: str) -> Response:
    """One delivery, with a line for each attempt."""
    return await read(request, lambda session: webhooks.one(session, delivery))
