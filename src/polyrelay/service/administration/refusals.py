"""Why an operator's request is not carried out.

Refused
├── Unidentified 401 · NotAllowed 403 · Missing 404 · TooLarge 413 · NotJson 415
├── Malformed 400               a header is missing or cannot be read
├── Conflicting 409             with what there is; code `owned_by_file`: the configuration file decides
├── Stale 412 · Unconditional 428
├── Invalid 422                 fields are wrong; `flaws` names each
└── Unavailable 503             the database is away
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polyrelay.kernel.errors import PolyrelayError


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one value: `path` to it in the body, or the name of a `parameter` or `header`."""

    detail: str
    path: tuple[str | int, ...] | None = None
    parameter: str | None = None
    header: str | None = None


class Refused(PolyrelayError):
    """`code` is a stable word for programs; the message is for people and repeats no secret."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"
    default_code: ClassVar[str] = "bad_request"

    def __init__(self, message: str, *, code: str | None = None, flaws: Sequence[Flaw] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.flaws = tuple(flaws)


class Malformed(Refused):
    """A header is missing or cannot be read."""


class Unidentified(Refused):
    """No admin token, or one that is unknown, revoked or expired: which of them is not told."""

    status = 401
    title = "Unauthenticated"
    default_code = "invalid_admin_token"


class NotAllowed(Refused):
    """The token's role may not do this."""

    status = 403
    title = "Forbidden"
    default_code = "role_not_allowed"


class Missing(Refused):
    """There is no such thing."""

    status = 404
    title = "Not found"
    default_code = "not_found"


class Conflicting(Refused):
    """It does not go together with what there is."""

    status = 409
    title = "Conflict"
    default_code = "conflict"


class Stale(Refused):
    """Somebody else has changed it since."""

    status = 412
    title = "Precondition failed"
    default_code = "changed_since"


class TooLarge(Refused):
    """The body is larger than any request needs."""

    status = 413
    title = "Content too large"
    default_code = "too_large"


class NotJson(Refused):
    """The body is of another type."""

    status = 415
    title = "Unsupported media type"
    default_code = "not_json"


class Invalid(Refused):
    """Fields are wrong."""

    status = 422
    title = "Invalid request"
    default_code = "invalid"


class Unconditional(Refused):
    """An update must say which version it is of."""

    status = 428
    title = "Precondition required"
    default_code = "if_match_required"


class Unavailable(Refused):
    """The database cannot be used now."""

    status = 503
    title = "Unavailable"
    default_code = "database_away"


def invalid(detail: str, *path: str | int) -> Invalid:
    """One wrong field of the body."""
    return Invalid(detail, flaws=(Flaw(detail, path),))


def missing(what: str, name: str) -> Missing:
    """There is no `what` called `name`."""
    return Missing(f"There is no {what} {name!r}.")


def unknown_reference(what: str, name: str, *path: str | int) -> Invalid:
    """A field of the body names something that does not exist."""
    return invalid(f"there is no {what} {name!r}", *path)
