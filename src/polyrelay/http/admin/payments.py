"""`/topups`, `/promotions`, `/adjustments`, `/refunds`, `/transfers`: money that moves, once for an Idempotency-Key."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import bodies, gate
from polyrelay.http.admin.answers import PageOf, listed, read, written
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import payments
from polyrelay.service.administration.pages import Listing

router = gate.router("money")

Name = Annotated[str | None, Query(max_length=40)]


@router.post("/topups", **needs("topups", "write", answer=payments.Receipt, status=201, once="required"))
async def topup(request: Request, body: bodies.Payment) -> Response:
    """A customer paid in."""
    return await written(request, lambda desk: payments.topup(desk, body.account, body.amount, body.reason))


@router.post("/promotions", **needs("promotions", "write", answer=payments.Receipt, status=201, once="required"))
async def promote(request: Request, body: bodies.Promotion) -> Response:
    """Give credit that ends; it is spent before everything that ends later."""
    return await written(
        request, lambda desk: payments.promote(desk, body.account, body.amount, body.expires_at, body.reason)
    )


@router.post("/adjustments", **needs("adjustments", "write", answer=payments.Receipt, status=201, once="required"))
async def adjust(request: Request, body: bodies.Adjustment) -> Response:
    """Put something right. A negative amount takes what is available, never more."""
    return await written(request, lambda desk: payments.adjust(desk, body.account, body.amount, body.reason))


@router.post("/refunds", **needs("refunds", "write", answer=payments.Receipt, status=201, once="required"))
async def refund(request: Request, body: bodies.Refund) -> Response:
    """Give a charge back, or a part of it."""
    return await written(request, lambda desk: payments.refund(desk, body.exchange, body.amount, body.reason))


@router.get("/transfers", **needs("transfers", "read", answer=Listing[payments.Transfer]))
async def list_transfers(
    request: Request, page: PageOf, account: Name = None, kind: Name = None, exchange: Name = None
) -> Response:
    """List transfers, the newest first. Pages of one `kind` and all accounts may have fewer rows than `limit`, or none:
    go on while there is `next`.
    """
    return await listed(request, lambda session: payments.listed(session, page, account, kind, exchange))


@router.get("/transfers/{transfer}", **needs("transfers", "read", answer=payments.Transfer))
async def get_transfer(request: Request, transfer: str) -> Response:
    """One transfer."""
    return await read(request, lambda session: payments.one(session, transfer))
