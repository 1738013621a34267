"""Client keys: made, shown once, changed, stopped, replaced.

Every change stamps the row, so that the next request in every worker meets it.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from polyrelay.access import key as client_key
from polyrelay.access import policy
from polyrelay.service.administration import limits, names, pages, refusals, times
from polyrelay.service.administration.desk import Desk, Made, created, shown
from polyrelay.service.administration.limits import Limits
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Record, Secrets, Session


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key without its secret part. `models` are globs, `networks` CIDRs; empty admits all.

    `state` is active, disabled, expired or revoked; `replaced_by` the key that a rotation made in its place.
    """

    id: str
    account: str
    project: str | None
    name: str
    hint: str
    state: str
    models: list[str]
    networks: list[str]
    limits: Limits
    tags: list[str]
    expires_at: str | None
    replaced_by: str | None
    last_used_at: str | None
    created_at: str
    version: int


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `token` is shown this once; the relay keeps a keyed hash of it."""

    token: str | None
    key: Key


async def create(desk: Desk, server: Secrets, fields: dict[str, Any]) -> Made:
    """A new key."""
    session = desk.session
    account, project = fields["account"], fields.get("project")
    if await session.get(Kind.ACCOUNTS, account) is None:
        raise refusals.unknown_reference("account", account, "account")
    if project is not None:
        owner = await session.get(Kind.PROJECTS, project)
        if owner is None or owner["account_id"] != account:
            raise refusals.unknown_reference("project of this account", project, "project")
    await _check(session, fields)
    terms: Record = {
        "account_id": account,
        "project_id": project,
        "name": fields.get("name", ""),
        "models": json.dumps(fields.get("models", [])),
        "networks": json.dumps(fields.get("networks", [])),
        "tags": json.dumps(fields.get("tags", [])),
        **dict.fromkeys(limits.COLUMNS),
        **limits.flattened({"limits": fields.get("limits")}),
        "expires_at": fields.get("expires_at"),
    }
    return await _make(desk, server, terms, "key.create")


async def change(desk: Desk, key: str, fields: dict[str, Any]) -> Made:
    """Change what the key may do."""
    row = await _living(desk.session, key)
    desk.matches(row["change"])
    await _check(desk.session, fields)
    values = limits.flattened(fields)
    values |= {name: json.dumps(values[name]) for name in ("models", "networks", "tags") if name in values}
    return await _put(desk, row, values, "key.change")


async def set_disabled(desk: Desk, key: str, *, disabled: bool) -> Made:
    """Suspend a key, or let it work again."""
    row = await _living(desk.session, key)
    desk.matches(row["change"], required=False)
    return await _put(desk, row, {"disabled": int(disabled)}, "key.disable" if disabled else "key.enable")


async def revoke(desk: Desk, key: str) -> Made:
    """End a key for good. Again is no error and keeps the first date."""
    row = await _find(desk.session, key)
    desk.matches(row["change"], required=False)
    if row["revoked_at"] is not None:
        return shown(document(row, await desk.session.now()), row["change"])
    return await _put(desk, row, {"revoked_at": await desk.session.now()}, "key.revoke")


async def rotate(desk: Desk, server: Secrets, key: str, overlap_seconds: int) -> Made:
    """A new key on the same terms; the old one works for another `overlap_seconds`, never longer than it would have.

    Budgets and limits of the old key are not carried over as used up: those of the project and account are shared, its
    own budgets are copied for the new key.
    """
    row = await _living(desk.session, key)
    desk.matches(row["change"], required=False)
    if row["replaced_by"] is not None:
        raise refusals.Conflicting(f"It was replaced by {row['replaced_by']} already.", code="already_rotated")
    kept = ("account_id", "project_id", "name", "models", "networks", "tags", "expires_at", *limits.COLUMNS)
    made = await _make(desk, server, {name: row[name] for name in kept}, "key.create")
    await _copy_budgets(desk, key, made.document.key.id)
    end = await desk.session.now() + overlap_seconds
    ends = end if row["expires_at"] is None else min(end, row["expires_at"])
    await _put(desk, row, {"expires_at": ends, "replaced_by": made.document.key.id}, "key.rotate")
    return made


async def listed(session: Session, page: Page, account: str | None, project: str | None) -> pages.Listing[Key]:
    """Keys, the oldest first, revoked ones included."""
    rows = await session.find(Kind.KEYS, page.query({"account_id": account, "project_id": project}))
    now = await session.now()
    return pages.listing(rows, page, lambda row: document(row, now))


async def one(session: Session, key: str) -> Made:
    """A key. Raises `Missing`."""
    row = await session.get(Kind.KEYS, key)
    if row is None:
        raise refusals.missing("key", key)
    return shown(document(row, await session.now()), row["change"])


def document(row: Record, now: float) -> Key:
    """A row as it is shown at `now`."""
    return Key(
        id=row["id"],
        account=row["account_id"],
        project=row["project_id"],
        name=row["name"],
        hint=row["hint"],
        state=state(row, now),
        models=json.loads(row["models"]),
        networks=json.loads(row["networks"]),
        limits=limits.of(row),
        tags=json.loads(row["tags"]),
        expires_at=times.optional(row["expires_at"]),
        replaced_by=row["replaced_by"],
        last_used_at=times.optional(row["last_used_at"]),
        created_at=times.text(row["created_at"]),
        version=row["change"],
    )


def state(row: Record, now: float) -> str:
    """What the key is at `now`: revoked before expired before disabled."""
    if row["revoked_at"] is not None:
        return "revoked"
    if row["expires_at"] is not None and now >= row["expires_at"]:
        return "expired"
    return "disabled" if row["disabled"] else "active"


async def _make(desk: Desk, server: Secrets, terms: Record, action: str) -> Made:
    token = client_key.token(secrets.token_bytes(client_key.ENTROPY_BYTES))
    secret_id, secret = server.current()
    row: Record = terms | {
        "id": await desk.new_id("key_"),
        "fingerprint": client_key.fingerprint(secret, token),
        "secret_id": secret_id,
        "hint": client_key.hint(token),
        "disabled": 0,
        "revoked_at": None,
        "replaced_by": None,
        "last_used_at": None,
        "created_at": await desk.session.now(),
        "change": 0,
    }
    await desk.session.insert(Kind.KEYS, row)
    await desk.session.stamp_keys("key", row["id"])
    stored = await _find(desk.session, row["id"])
    seen = document(stored, row["created_at"])
    await desk.audit(action, "key", row["id"], None, seen)
    return created(NewKey(token, seen), f"/keys/{row['id']}", stored["change"], again=NewKey(None, seen))


async def _put(desk: Desk, row: Record, values: Record, action: str) -> Made:
    await desk.session.stamp_keys("key", row["id"])
    await desk.session.update(Kind.KEYS, (row["id"],), values)
    now = await desk.session.now()
    stored = await _find(desk.session, row["id"])
    after = document(stored, now)
    await desk.audit(action, "key", row["id"], document(row, now), after)
    return shown(after, stored["change"])


async def _copy_budgets(desk: Desk, old: str, new: str) -> None:
    for budget in await desk.session.find(Kind.BUDGETS, Page(pages.MOST).query({"owner": old})):
        copied = budget | {"id": await desk.new_id("bud_"), "owner": new, "version": 1}
        await desk.session.insert(Kind.BUDGETS, copied | {"created_at": await desk.session.now()})


async def _find(session: Session, key: str) -> Record:
    row = await session.get(Kind.KEYS, key, lock=True)
    if row is None:
        raise refusals.missing("key", key)
    return row


async def _living(session: Session, key: str) -> Record:
    row = await _find(session, key)
    if row["revoked_at"] is not None:
        raise refusals.Conflicting("The key is revoked, which is for good.", code="key_revoked")
    return row


async def _check(session: Session, fields: dict[str, Any]) -> None:
    names.check(fields)
    for position, cidr in enumerate(fields.get("networks") or ()):
        try:
            policy.parse_networks((cidr,))
        except ValueError:
            raise refusals.invalid("is not a network such as 10.0.0.0/8", "networks", position) from None
    expires_at = fields.get("expires_at")
    if expires_at is not None and expires_at <= await session.now():
        raise refusals.invalid("must be in the future", "expires_at")
