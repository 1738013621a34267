"""`/keys`: the keys that clients use."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import bodies, gate
from polyrelay.http.admin.answers import PageOf, listed, read, written
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import keys
from polyrelay.service.administration.pages import Listing

router = gate.router("keys")

Owner = Annotated[str | None, Query(max_length=40)]


@router.post("/keys", **needs("keys", "write", answer=keys.NewKey, status=201))
async def create_key(request: Request, body: bodies.NewKey) -> Response:
    """Make a key. `token` is shown this once; repeated under the same Idempotency-Key it is null."""
    secrets = gate.plane(request).secrets
    return await written(request, lambda desk: keys.create(desk, secrets, body.given()))


@router.get("/keys", **needs("keys", "read", answer=Listing[keys.Key]))
async def list_keys(request: Request, page: PageOf, account: Owner = None, project: Owner = None) -> Response:
    """List keys, the oldest first, revoked ones included."""
    return await listed(request, lambda session: keys.listed(session, page, account, project))


@router.get("/keys/{key}", **needs("keys", "read", answer=keys.Key))
async def get_key(request: Request, key: str) -> Response:
    """One key."""
    return await read(request, lambda session: keys.one(session, key))


@router.patch("/keys/{key}", **needs("keys", "write", answer=keys.Key, match="required"))
async def change_key(request: Request, key: str, body: bodies.KeyChange) -> Response:
    """Change what it may do, from the next request on. Needs If-Match."""
    return await written(request, lambda desk: keys.change(desk, key, body.given()))


@router.post("/keys/{key}/disable", **needs("keys", "stop", answer=keys.Key, match="optional"))
async def disable_key(request: Request, key: str) -> Response:
    """Suspend it, from the next request on."""
    return await written(request, lambda desk: keys.set_disabled(desk, key, disabled=True))


@router.post("/keys/{key}/enable", **needs("keys", "write", answer=keys.Key, match="optional"))
async def enable_key(request: Request, key: str) -> Response:
    """Let it work again."""
    return await written(request, lambda desk: keys.set_disabled(desk, key, disabled=False))


@router.post("/keys/{key}/revoke", **needs("keys", "stop", answer=keys.Key, match="optional"))
async def revoke_key(request: Request, key: str) -> Response:
    """End it for good, from the next request on."""
    return await written(request, lambda desk: keys.revoke(desk, key))


@router.post("/keys/{key}/rotate", **needs("keys", "write", answer=keys.NewKey, status=201))
async def rotate_key(request: Request, key: str, body: bodies.Rotation) -> Response:
    """A new key on the same terms; the old one ends after `overlap_seconds`."""
    secrets = gate.plane(request).secrets
    return await written(request, lambda desk: keys.rotate(desk, secrets, key, body.overlap_seconds))
