"""`/health`, `/settings`, `/tokens`: the relay itself, and who administers it."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import bodies, gate
from polyrelay.http.admin.answers import PageOf, listed, read, written
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import settings, tokens
from polyrelay.service.administration.pages import Listing

router = gate.router("system")


@dataclass(frozen=True, slots=True)
class Health:
    """How the process that answers is. `uptime` in seconds; `unpaid_requests` those since its start whose price is
    zero; `role` is that of the token that asks.
    """

    status: Literal["ok"]
    version: str
    uptime: float
    channels: int
    unpaid_requests: int
    role: str


@router.get("/health", **needs("health", "read", answer=Health))
async def health(request: Request) -> Response:
    """Version, uptime and number of channels. While the database is away this is 503, as everything here."""
    relay = gate.instance(request)
    found = {
        "status": "ok",
        "version": relay.version,
        "uptime": round(relay.uptime(), 3),
        "channels": relay.channels(),
        "unpaid_requests": relay.unpaid(),
        "role": gate.holder(request).role.value,
    }
    return Response(msgspec.json.encode(found), media_type="application/json")


@router.get("/settings", **needs("settings", "read", answer=dict[str, Any]))
async def get_settings(request: Request) -> Response:
    """The settings in force in the process that answers, without secrets."""
    shown = settings.effective(gate.plane(request).settings())
    return Response(msgspec.json.encode(shown), media_type="application/json")


@router.post("/tokens", **needs("tokens", "write", answer=tokens.NewToken, status=201))
async def create_token(request: Request, body: bodies.NewToken) -> Response:
    """Make an admin token. `token` is shown this once; repeated under the same Idempotency-Key it is null."""
    secrets = gate.plane(request).secrets
    return await written(request, lambda desk: tokens.create(desk, secrets, body.name, body.wanted, body.expires_at))


@router.get("/tokens", **needs("tokens", "read", answer=Listing[tokens.Token]))
async def list_tokens(request: Request, page: PageOf) -> Response:
    """List admin tokens, the oldest first, revoked ones included."""
    return await listed(request, lambda session: tokens.listed(session, page))


@router.get("/tokens/{token}", **needs("tokens", "read", answer=tokens.Token))
async def get_token(request: Request, token: str) -> Response:
    """One admin token."""
    return await read(request, lambda session: tokens.one(session, token))


@router.post("/tokens/{token}/revoke", **needs("tokens", "write", answer=tokens.Token))
async def revoke_token(request: Request, token: str) -> Response:
    """End it for good. The last owner's stays."""
    return await written(request, lambda desk: tokens.revoke(desk, token))
