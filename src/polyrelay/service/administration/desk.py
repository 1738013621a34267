"""A write: done once however often it is sent, written into the audit log, answered.

All in one transaction: the idempotency key, the change, its audit entry and the stored answer are kept together or not
at all. Refusals are not stored; what was refused may be tried again under the same key.
"""

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from polyrelay.kernel import ids
from polyrelay.service.administration import redact, refusals
from polyrelay.service.administration.ports import Kind, Office, Record, Session

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long the answer to an idempotency key is remembered: longer than anything retries."""

LONGEST_OBJECT = 200
"""Characters of a name in the audit log, as many as its column has; only a tariff's id with its version has more."""

_PENDING = 0


@dataclass(frozen=True, slots=True)
class Errand:
    """A write that somebody asks for: `digest` is a hash of method, path and body, `key` the Idempotency-Key."""

    actor: str
    request: str
    digest: bytes = b""
    key: str | None = None
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it. `again` is shown instead of `document` when the same request comes again: without secrets."""

    document: Any
    status: int = 200
    etag: str | None = None
    location: str | None = None
    again: Any = None


def shown(document: Any, version: object = None) -> Made:
    """A thing as it is now; `version` becomes its ETag."""
    return Made(document, 200, _etag(version))


def created(document: Any, location: str, version: object = None, again: Any = None) -> Made:
    """A new thing, and where under the API's root it is found."""
    return Made(document, 201, _etag(version), location, again)


def deleted() -> Made:
    """Nothing is left to show."""
    return Made(None, 204)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and JSON as they are sent; `replayed` when they were stored before."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    replayed: bool = False


class Desk:
    """One write under way: its transaction, and who asked for it."""

    def __init__(self, session: Session, errand: Errand) -> None:
        self.session = session
        self.errand = errand

    async def new_id(self, prefix: str) -> str:
        """An id that sorts by the time it was made."""
        millis = int(await self.session.now() * 1000)
        return ids.stamped(prefix, millis, secrets.token_bytes(ids.ENTROPY_BYTES))

    async def audit(self, action: str, kind: str, name: str, before: Any, after: Any) -> None:
        """Append to the audit log what `kind` `name` was and has become, secrets redacted."""
        await self.session.insert(
            Kind.AUDIT,
            {
                "id": await self.new_id("aud_"),
                "at": await self.session.now(),
                "actor": self.errand.actor,
                "action": action,
                "kind": kind,
                "object": name[:LONGEST_OBJECT],
                "before": redact.text(before),
                "after": redact.text(after),
                "request": self.errand.request,
            },
        )

    def matches(self, version: object, *, required: bool = True) -> None:
        """Whether the errand is about this version. Raises `Unconditional` or `Stale`."""
        wanted = self.errand.if_match
        if wanted is None and required:
            raise refusals.Unconditional(
                "Send If-Match with the ETag of the version you mean to change.",
                flaws=(refusals.Flaw("is missing", header="If-Match"),),
            )
        if wanted is None or wanted.strip() == "*":
            return
        if _etag(version) not in {each.strip() for each in wanted.split(",")}:
            raise refusals.Stale("It was changed since you read it; read it again.")

    @staticmethod
    def plain(document: Any) -> Any:
        """A document as JSON's own values."""
        return msgspec.to_builtins(document)


async def perform(office: Office, errand: Errand, work: Callable[[Desk], Coroutine[Any, Any, Made]]) -> Answer:
    """Carry out `work`, or repeat the answer it was given before.

    Raises `Refused`, and what the office raises.
    """

    async def transaction(session: Session) -> Answer:
        if errand.key is not None:
            stored = await _claim(session, errand, errand.key)
            if stored is not None:
                return stored
        made = await work(Desk(session, errand))
        if errand.key is not None:
            await _keep(session, errand.actor, errand.key, made)
        return _answer(made, made.document)

    return await office.write(transaction)


async def _claim(session: Session, errand: Errand, key: str) -> Answer | None:
    """None when the key is new and now ours, else the answer stored under it. Raises `Invalid`."""
    now = await session.now()
    row: Record = {
        "actor": errand.actor, "key": key, "request": errand.digest, "status": _PENDING, "headers": "{}", "body": "",
        "at": now,
    }  # fmt: skip
    if await session.claim(Kind.IDEMPOTENCY, row):
        return None
    found = await session.get(Kind.IDEMPOTENCY, errand.actor, key, lock=True)
    if found is None or found["at"] < now - KEPT_SECONDS:
        await session.delete(Kind.IDEMPOTENCY, errand.actor, key)
        await session.insert(Kind.IDEMPOTENCY, row)
        return None
    if bytes(found["request"]) != errand.digest:
        raise refusals.Invalid(
            "This Idempotency-Key was used for another request.",
            code="idempotency_key_reused",
            flaws=(refusals.Flaw("belongs to another request", header="Idempotency-Key"),),
        )
    headers: dict[str, str] = msgspec.json.decode(found["headers"], type=dict[str, str])
    return Answer(found["status"], headers, found["body"].encode(), replayed=True)


async def _keep(session: Session, actor: str, key: str, made: Made) -> None:
    answer = _answer(made, made.again if made.again is not None else made.document)
    values = {
        "status": answer.status,
        "headers": msgspec.json.encode(answer.headers).decode(),
        "body": answer.body.decode(),
    }
    await session.update(Kind.IDEMPOTENCY, (actor, key), values)


def _answer(made: Made, document: Any) -> Answer:
    headers = {"etag": made.etag, "location": made.location}
    body = b"" if document is None else msgspec.json.encode(document)
    return Answer(made.status, {name: value for name, value in headers.items() if value is not None}, body)


def _etag(version: object) -> str | None:
    return None if version is None else f'"{version}"'
