"""Admin tokens: how they look, how they are made, and who holds one.

A token is `pra-` and 43 characters of url-safe base64, as a client's key is with `pr-`; one is never taken for the
other. Only a keyed hash is stored. The hash is looked up as it is: how long that takes tells about hashes, which
nobody can aim at without the server's secret.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from polyrelay.service.administration import pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, shown
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Away, Kind, Office, Query, Record, Secrets, Session
from polyrelay.service.administration.roles import Role

PREFIX = "pra-"
ENTROPY_BYTES = 32
USED_SECONDS = 60.0
"""How exact `last_used_at` is: each request need not write."""

_matches = re.compile(r"pra-[A-Za-z0-9_-]{43}").fullmatch


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is asking."""

    token: str
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """As the audit log and transfers name them."""
        return f"token:{self.token}"


@dataclass(frozen=True, slots=True)
class Token:
    """An admin token without its secret part. Times are RFC 3339."""

    id: str
    name: str
    role: str
    hint: str
    state: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. `token` is shown this once."""

    token: str
    id: str
    name: str
    role: str
    hint: str
    state: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


def fingerprint(secret: bytes, token: str) -> bytes:
    """32 bytes that stand for `token`; personalised, so that it never equals the hash of a client's key."""
    return hashlib.blake2b(token.encode("ascii"), key=secret, digest_size=32, person=b"polyrelay admin").digest()


async def authenticate(office: Office, server: Secrets, token: str) -> Holder:
    """Who holds `token`. Raises `Unidentified`, and what the office raises."""
    if _matches(token) is None:
        raise refusals.Unidentified("Give an admin token: Authorization: Bearer pra-...")
    hashes = {secret_id: fingerprint(secret, token) for secret_id, secret in server.all().items()}

    async def look(session: Session) -> tuple[Record | None, float]:
        for each in hashes.values():
            found = await session.find(Kind.TOKENS, Query(where={"fingerprint": each}))
            if found:
                return found[0], await session.now()
        return None, 0.0

    found, now = await office.read(look)
    if found is None or state(found, now) != "active":
        raise refusals.Unidentified("This admin token is not valid.")
    if now - (found["last_used_at"] or 0.0) > USED_SECONDS:
        with suppress(Away):
            await office.write(lambda session: _used(session, found["id"], hashes, server.current()[0]))
    return Holder(found["id"], found["name"], Role(found["role"]))


async def _used(session: Session, token: str, hashes: Mapping[str, bytes], secret_id: str) -> None:
    """Note the use, and hash the token under the current secret, so that older ones can be given up."""
    values = {"last_used_at": await session.now()} | ({"fingerprint": hashes[secret_id]} if secret_id in hashes else {})
    await session.update(Kind.TOKENS, (token,), values)


async def create(desk: Desk, server: Secrets, name: str, role: Role, expires_at: float | None) -> Made:
    """A new token."""
    if expires_at is not None and expires_at <= await desk.session.now():
        raise refusals.invalid("must be in the future", "expires_at")
    clear = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(ENTROPY_BYTES)).rstrip(b"=").decode("ascii")
    record: Record = {
        "id": await desk.new_id("tok_"),
        "name": name,
        "role": role.value,
        "fingerprint": fingerprint(server.current()[1], clear),
        "hint": f"{clear[:8]}…{clear[-4:]}",
        "created_at": await desk.session.now(),
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    await desk.session.insert(Kind.TOKENS, record)
    seen = document(record, record["created_at"])
    await desk.audit("token.create", "token", record["id"], None, seen)
    new = NewToken(clear, **{name: getattr(seen, name) for name in Token.__dataclass_fields__})
    return created(new, f"/tokens/{record['id']}", again={**desk.plain(seen), "token": None})


async def listed(session: Session, page: Page) -> pages.Listing[Token]:
    """Every token, the oldest first."""
    rows = await session.find(Kind.TOKENS, page.query({}))
    now = await session.now()
    return pages.listing(rows, page, lambda row: document(row, now))


async def one(session: Session, token: str) -> Made:
    """A token. Raises `Missing`."""
    row = await session.get(Kind.TOKENS, token)
    if row is None:
        raise refusals.missing("admin token", token)
    return shown(document(row, await session.now()))


async def revoke(desk: Desk, token: str) -> Made:
    """End a token for good. Again is no error and keeps the first date.

    The last owner's cannot be revoked here: `polyrelay admin token` makes another first.
    """
    row = await desk.session.get(Kind.TOKENS, token, lock=True)
    if row is None:
        raise refusals.missing("admin token", token)
    now = await desk.session.now()
    if row["revoked_at"] is not None:
        return shown(document(row, now))
    if row["role"] == Role.OWNER.value and not await _other_owner(desk.session, token, now):
        raise refusals.Conflicting("This is the last owner's token; make another one first.", code="last_owner")
    await desk.session.update(Kind.TOKENS, (token,), {"revoked_at": now})
    after = document(row | {"revoked_at": now}, now)
    await desk.audit("token.revoke", "token", token, document(row, now), after)
    return shown(after)


async def _other_owner(session: Session, token: str, now: float) -> bool:
    owners = await session.find(Kind.TOKENS, Query(where={"role": Role.OWNER.value}))
    return any(row["id"] != token and state(row, now) == "active" for row in owners)


def state(row: Record, now: float) -> str:
    """`active`, `expired` or `revoked`."""
    if row["revoked_at"] is not None:
        return "revoked"
    return "expired" if row["expires_at"] is not None and now >= row["expires_at"] else "active"


def document(row: Record, now: float) -> Token:
    """A row as it is shown."""
    return Token(
        id=row["id"],
        name=row["name"],
        role=row["role"],
        hint=row["hint"],
        state=state(row, now),
        created_at=times.text(row["created_at"]),
        expires_at=times.optional(row["expires_at"]),
        last_used_at=times.optional(row["last_used_at"]),
    )
