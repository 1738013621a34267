"""Channels kept in the database, and their credentials, which can be written but never read.

A credential is for the address it was entered for. Whoever points a channel at another address loses its credentials,
so that nobody can have an upstream's key sent to a server of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from polyrelay.service.administration import pages, redact, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, deleted, shown
from polyrelay.service.administration.owned import API, FILE, Owned
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Query, Record, Secrets, Session
from polyrelay.service.administration.refusals import Flaw, Invalid

Check = Callable[[Mapping[str, Any]], Sequence[Flaw]]
"""What is wrong with a channel's document, by the rules of the configuration file; nothing when it is right."""

FORGOTTEN = ""
"""In place of a sealed value: it waits for the credential to be entered again. See `storage.custody`."""

_WHERE_TO = ("provider", "base_url", "proxy")
"""What decides where a credential is sent."""

ANYWHERE = frozenset({"ca_file"})
"""Members that name files of the server; the API takes none of them."""


@dataclass(frozen=True, slots=True)
class Credential:
    """An upstream's key, without it. `state` is active, disabled, or missing when it has to be entered again."""

    id: str
    channel: str
    name: str
    state: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. `document` is as in the configuration file, without credentials; `owner` is `api`, or `file`: then it
    is read-only here and has no version.
    """

    name: str
    owner: str
    disabled: bool
    document: Mapping[str, Any]
    credentials: list[Credential]
    created_at: str | None
    version: int | None


async def create(desk: Desk, document: Mapping[str, Any], owned: Owned, check: Check, *, disabled: bool) -> Made:
    """A new channel. It serves once it has a credential."""
    name = document["name"]
    if name in owned.channels:
        owned.refuse("channel", name)
    if await desk.session.get(Kind.CHANNELS, name) is not None:
        raise refusals.Conflicting(f"There is already a channel {name!r}.", code="name_taken")
    _check(document, check)
    row: Record = {
        "name": name,
        "document": msgspec.json.encode(document).decode(),
        "disabled": int(disabled),
        "created_at": await desk.session.now(),
        "version": 1,
    }
    await desk.session.insert(Kind.CHANNELS, row)
    await desk.session.stamp_configuration()
    seen = _document(row, ())
    await desk.audit("channel.create", "channel", name, None, seen)
    return created(seen, f"/channels/{name}", row["version"])


async def change(desk: Desk, name: str, fields: dict[str, Any], owned: Owned, check: Check) -> Made:
    """Change the given members of the document; null removes one. See above for what becomes of credentials."""
    row = await _find(desk.session, name, owned)
    desk.matches(row["version"])
    before = msgspec.json.decode(row["document"])
    changes = {member: value for member, value in fields.items() if member != "disabled"}
    document = {member: value for member, value in {**before, **changes}.items() if value is not None}
    _check(document, check)
    values: Record = {"document": msgspec.json.encode(document).decode(), "version": row["version"] + 1}
    values["disabled"] = int(bool(fields.get("disabled", row["disabled"])))
    await desk.session.update(Kind.CHANNELS, (name,), values)
    if any(_place(before, member) != _place(document, member) for member in _WHERE_TO):
        await _forget(desk, name)
    return await _changed(desk, row, row | values, "channel.change")


async def remove(desk: Desk, name: str, owned: Owned) -> Made:
    """The channel and its credentials go."""
    row = await _find(desk.session, name, owned)
    desk.matches(row["version"])
    credentials = await _credentials(desk.session, name)
    for credential in credentials:
        await desk.session.delete(Kind.CREDENTIALS, credential["id"])
    await desk.session.delete(Kind.CHANNELS, name)
    await desk.session.stamp_configuration()
    await desk.audit("channel.delete", "channel", name, _document(row, credentials), None)
    return deleted()


async def listed(session: Session, page: Page, owned: Owned) -> pages.Listing[Channel]:
    """The channels of the database and of the file, by name."""
    rows = list(await session.find(Kind.CHANNELS, page.query({})))
    for row in rows:
        row["credentials"] = await _credentials(session, row["name"])
    rows += [
        {"name": name, "of_file": document}
        for name, document in owned.channels.items()
        if page.after is None or name > page.after
    ]
    rows.sort(key=lambda row: str(row["name"]))
    return pages.listing(rows, page, _either, ("name",))


async def one(session: Session, name: str, owned: Owned) -> Made:
    """A channel. Raises `Missing`."""
    if name in owned.channels:
        return shown(_shown_file(name, owned.channels[name]))
    row = await session.get(Kind.CHANNELS, name)
    if row is None:
        raise refusals.missing("channel", name)
    return shown(_document(row, await _credentials(session, name)), row["version"])


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────


async def add_credential(desk: Desk, channel: str, name: str, secret: str, owned: Owned, server: Secrets) -> Made:
    """Keep an upstream's key, sealed."""
    await _find(desk.session, channel, owned)
    if await desk.session.find(Kind.CREDENTIALS, Query(where={"channel": channel, "name": name})):
        raise refusals.Conflicting(f"The channel has a credential {name!r} already.", code="name_taken")
    row_id = await desk.new_id("crd_")
    row: Record = {
        "id": row_id,
        "channel": channel,
        "name": name,
        "sealed": server.seal(secret, row_id),
        "disabled": 0,
        "created_at": await desk.session.now(),
    }
    await desk.session.insert(Kind.CREDENTIALS, row)
    await desk.session.stamp_configuration()
    seen = _credential(row)
    await desk.audit("credential.create", "credential", row_id, None, seen)
    return created(seen, f"/channels/{channel}/credentials/{row_id}")


async def change_credential(
    desk: Desk, channel: str, credential: str, fields: Mapping[str, Any], owned: Owned, server: Secrets
) -> Made:
    """Put another key in its place, or switch it off and on."""
    row = await _find_credential(desk.session, channel, credential, owned)
    values: Record = {}
    if "secret" in fields:
        values["sealed"] = server.seal(fields["secret"], credential)
    if "disabled" in fields:
        values["disabled"] = int(fields["disabled"])
    if values:
        await desk.session.update(Kind.CREDENTIALS, (credential,), values)
        await desk.session.stamp_configuration()
    after = _credential(row | values)
    replaced = {"replaced": True} if "sealed" in values else {}
    await desk.audit("credential.change", "credential", credential, _credential(row), {**desk.plain(after), **replaced})
    return shown(after)


async def remove_credential(desk: Desk, channel: str, credential: str, owned: Owned) -> Made:
    """It goes, also from the database."""
    row = await _find_credential(desk.session, channel, credential, owned)
    await desk.session.delete(Kind.CREDENTIALS, credential)
    await desk.session.stamp_configuration()
    await desk.audit("credential.delete", "credential", credential, _credential(row), None)
    return deleted()


async def credentials(session: Session, channel: str, owned: Owned) -> pages.Listing[Credential]:
    """Those of one channel, all on one page."""
    if channel not in owned.channels and await session.get(Kind.CHANNELS, channel) is None:
        raise refusals.missing("channel", channel)
    return pages.Listing([_credential(row) for row in await _credentials(session, channel)], None)


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _check(document: Mapping[str, Any], check: Check) -> None:
    """Raises `Invalid`."""
    flaws = [
        Flaw("cannot be set here; files are named in the configuration file", (name,))
        for name in ANYWHERE & set(document)
    ]
    proxy = document.get("proxy")
    if isinstance(proxy, str) and "@" in proxy:
        flaws.append(
            Flaw("must be without user and password; such a proxy belongs in the configuration file", ("proxy",))
        )
    flaws += check(document)
    if flaws:
        raise Invalid("The channel is not right.", flaws=flaws)


def _place(document: Mapping[str, Any], member: str) -> object:
    """Where a member sends credentials: of the address the scheme, host and port."""
    value = document.get(member)
    if member == "base_url" and isinstance(value, str):
        parts = urlsplit(value)
        return parts.scheme, parts.hostname, parts.port
    return value


async def _forget(desk: Desk, channel: str) -> None:
    for row in await _credentials(desk.session, channel):
        if row["sealed"] == FORGOTTEN:
            continue
        await desk.session.update(Kind.CREDENTIALS, (row["id"],), {"sealed": FORGOTTEN})
        after = _credential(row | {"sealed": FORGOTTEN})
        await desk.audit("credential.forget", "credential", row["id"], _credential(row), after)


async def _changed(desk: Desk, before: Record, after: Record, action: str) -> Made:
    await desk.session.stamp_configuration()
    credentials = await _credentials(desk.session, before["name"])
    seen = _document(after, credentials)
    await desk.audit(action, "channel", before["name"], _document(before, ()), seen)
    return shown(seen, after["version"])


async def _find(session: Session, name: str, owned: Owned) -> Record:
    if name in owned.channels:
        owned.refuse("channel", name)
    row = await session.get(Kind.CHANNELS, name, lock=True)
    if row is None:
        raise refusals.missing("channel", name)
    return row


async def _find_credential(session: Session, channel: str, credential: str, owned: Owned) -> Record:
    await _find(session, channel, owned)
    row = await session.get(Kind.CREDENTIALS, credential, lock=True)
    if row is None or row["channel"] != channel:
        raise refusals.missing("credential", credential)
    return row


async def _credentials(session: Session, channel: str) -> Sequence[Record]:
    return await session.find(Kind.CREDENTIALS, Query(where={"channel": channel}))


def _credential(row: Record) -> Credential:
    state = "missing" if row["sealed"] == FORGOTTEN else "disabled" if row["disabled"] else "active"
    return Credential(row["id"], row["channel"], row["name"], state, times.text(row["created_at"]))


def _document(row: Record, credentials: Sequence[Record]) -> Channel:
    return Channel(
        name=row["name"],
        owner=API,
        disabled=bool(row["disabled"]),
        document=redact.cleaned(msgspec.json.decode(row["document"])),
        credentials=[_credential(each) for each in credentials],
        created_at=times.text(row["created_at"]),
        version=row["version"],
    )


def _shown_file(name: str, document: Mapping[str, Any]) -> Channel:
    return Channel(
        name, FILE, disabled=False, document=redact.cleaned(document), credentials=[], created_at=None, version=None
    )


def _either(row: Record) -> Channel:
    return _shown_file(row["name"], row["of_file"]) if "of_file" in row else _document(row, row["credentials"])
