"""`/tariffs` and `/channels`: what is sold at which price, and through whom."""

from typing import Annotated, Any

from fastapi import Body, Query
from starlette.requests import Request
from starlette.responses import Response

from polyrelay.http.admin import bodies, gate
from polyrelay.http.admin.answers import PageOf, listed, read, written
from polyrelay.http.admin.gate import needs
from polyrelay.service.administration import channels, tariffs
from polyrelay.service.administration.pages import Listing

router = gate.router("offers")

Document = Annotated[
    dict[str, Any],
    Body(examples=[{"model": "gpt-4o", "from": "2026-12-01", "sell": {"input_text": "2.50", "output_text": "10"}}]),
]
Version = Annotated[str, Query(min_length=1, max_length=64)]


@router.post("/tariffs", **needs("tariffs", "write", answer=tariffs.StoredTariff, status=201))
async def create_tariff(request: Request, document: Document) -> Response:
    """Add a version of a tariff, written as in the configuration file. A version never changes."""
    zones = gate.plane(request).zones
    owned = gate.plane(request).owned()
    return await written(request, lambda desk: tariffs.create(desk, document, zones, owned))


@router.get("/tariffs", **needs("tariffs", "read", answer=Listing[tariffs.StoredTariff]))
async def list_tariffs(
    request: Request,
    page: PageOf,
    tariff: Annotated[str | None, Query(alias="id", max_length=200)] = None,
) -> Response:
    """List every version, those of the configuration file and of the shipped price lists among them."""
    return await listed(request, lambda session: tariffs.listed(session, page, gate.plane(request).owned(), tariff))


@router.get("/tariffs/{tariff:path}", **needs("tariffs", "read", answer=tariffs.StoredTariff))
async def get_tariff(request: Request, tariff: str, version: Version) -> Response:
    """One version."""
    return await read(request, lambda session: tariffs.one(session, tariff, version, gate.plane(request).owned()))


@router.delete("/tariffs/{tariff:path}", **needs("tariffs", "write", answer=tariffs.StoredTariff, match="required"))
async def retire_tariff(request: Request, tariff: str, version: Version) -> Response:
    """Price nothing with it from now on; charges made with it stay explained. Needs If-Match."""
    return await written(request, lambda desk: tariffs.retire(desk, tariff, version, gate.plane(request).owned()))


@router.post("/channels", **needs("channels", "write", answer=channels.Channel, status=201))
async def create_channel(request: Request, body: bodies.NewChannel) -> Response:
    """Make a channel. It serves once it has a credential."""
    plane = gate.plane(request)
    document = body.model_dump(exclude_unset=True, exclude_none=True, exclude={"disabled"})
    return await written(
        request,
        lambda desk: channels.create(desk, document, plane.owned(), plane.check_channel, disabled=body.disabled),
    )


@router.get("/channels", **needs("channels", "read", answer=Listing[channels.Channel]))
async def list_channels(request: Request, page: PageOf) -> Response:
    """List channels, those of the configuration file among them."""
    return await listed(request, lambda session: channels.listed(session, page, gate.plane(request).owned()))


@router.get("/channels/{name}", **needs("channels", "read", answer=channels.Channel))
async def get_channel(request: Request, name: str) -> Response:
    """One channel."""
    return await read(request, lambda session: channels.one(session, name, gate.plane(request).owned()))


@router.patch("/channels/{name}", **needs("channels", "write", answer=channels.Channel, match="required"))
async def change_channel(request: Request, name: str, body: bodies.ChannelChange) -> Response:
    """Change the members that are sent. Needs If-Match.

    Another address, provider or proxy makes it forget its credentials: they have to be entered again.
    """
    plane = gate.plane(request)
    return await written(
        request, lambda desk: channels.change(desk, name, body.given(), plane.owned(), plane.check_channel)
    )


@router.delete("/channels/{name}", **needs("channels", "write", status=204, match="required"))
async def delete_channel(request: Request, name: str) -> Response:
    """Remove it and its credentials. Needs If-Match."""
    return await written(request, lambda desk: channels.remove(desk, name, gate.plane(request).owned()))


@router.get("/channels/{name}/credentials", **needs("credentials", "read", answer=Listing[channels.Credential]))
async def list_credentials(request: Request, name: str) -> Response:
    """List a channel's credentials, without their secrets."""
    return await listed(request, lambda session: channels.credentials(session, name, gate.plane(request).owned()))


@router.post("/channels/{name}/credentials", **needs("credentials", "write", answer=channels.Credential, status=201))
async def add_credential(request: Request, name: str, body: bodies.NewCredential) -> Response:
    """Keep an upstream's key, encrypted. It can be replaced but never read."""
    plane = gate.plane(request)
    return await written(
        request,
        lambda desk: channels.add_credential(desk, name, body.name, body.secret, plane.owned(), plane.secrets),
    )


@router.patch("/channels/{name}/credentials/{credential}", **needs("credentials", "write", answer=channels.Credential))
async def change_credential(request: Request, name: str, credential: str, body: bodies.CredentialChange) -> Response:
    """Put another key in its place, or switch it off and on."""
    plane = gate.plane(request)
    return await written(
        request,
        lambda desk: channels.change_credential(desk, name, credential, body.given(), plane.owned(), plane.secrets),
    )


@router.delete("/channels/{name}/credentials/{credential}", **needs("credentials", "write", status=204))
async def delete_credential(request: Request, name: str, credential: str) -> Response:
    """Remove it."""
    owned = gate.plane(request).owned()
    return await written(request, lambda desk: channels.remove_credential(desk, name, credential, owned))
