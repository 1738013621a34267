"""Who is calling, and may they."""

from base64 import b64decode

import msgspec

from polyrelay.access import policy
from polyrelay.access.principal import Principal
from polyrelay.exchange import guess
from polyrelay.exchange.call import Call
from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate
from polyrelay.service.answers import Slip
from polyrelay.service.ports import Head, Keys, Lease, Limits
from polyrelay.wire.registry import Surface
from polyrelay.wire.spoken import Request

_SCHEME = b"bearer"
_BASIC = b"basic"
ASSUMED_OUTPUT_TOKENS = 1024
"""Output tokens set aside against a token limit when the request names no cap; corrected when the answer is known."""


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A request that may be served once funds are held for it: who asks, who may answer, best first.

    `asked_cost` says whether the client wants its charge told as `usage.cost`.
    """

    surface: Surface
    slip: Slip
    holder: Principal
    request: Request
    lease: Lease
    candidates: tuple[Candidate, ...]
    passed_headers: tuple[str, ...]
    asked_cost: bool


def bearer(head: Head, *, basic: bool = False, key_header: bytes | None = None) -> str:
    """The client key of `authorization: Bearer <key>` (RFC 6750; the scheme in any case); where `basic` is allowed,
    also of `authorization: Basic <anything:key in base64>` (RFC 7617); else what stands in `key_header`, where clients
    send it by itself.

    Raises `errors.Unauthenticated` with code `missing_api_key` or `invalid_api_key`.
    """
    found = head.get(b"authorization")
    if found is None and key_header is not None:
        return _alone(head.get(key_header), key_header.decode().title())
    if found is None:
        raise _missing("Authorization: Bearer YOUR_KEY" + (", or as the password of HTTP Basic" if basic else ""))
    scheme, _, token = found.partition(b" ")
    if basic and scheme.lower() == _BASIC:
        return _password(token.strip())
    if scheme.lower() != _SCHEME or not token.isascii():
        raise errors.Unauthenticated("The Authorization header must have the form: Bearer YOUR_KEY")
    return token.strip().decode("ascii")


def _alone(found: bytes | None, name: str) -> str:
    if found is None:
        raise _missing(f"{name}: YOUR_KEY")
    if not found.isascii():
        raise errors.Unauthenticated(f"The {name} header must have the form: YOUR_KEY")
    return found.strip().decode("ascii")


def _missing(line: str) -> errors.Refusal:
    name = line.partition(":")[0]
    return errors.Unauthenticated(
        f"You did not provide an API key. Send it in the {name} header: {line}", code="missing_api_key"
    )


def _password(token: bytes) -> str:
    try:
        return b64decode(token, validate=True).partition(b":")[2].decode("ascii")
    except ValueError:
        raise errors.Unauthenticated("HTTP Basic takes the API key as the password, whatever the user.") from None


def principal(
    head: Head, peer: str, *, keys: Keys, now: float, basic: bool = False, key_header: bytes | None = None
) -> Principal:
    """The caller, allowed to call at all from `peer` at `now` (Unix seconds). `basic` and `key_header` as in `bearer`.

    Raises `errors.Unauthenticated` or `errors.Forbidden`.
    """
    holder = keys.find(bearer(head, basic=basic, key_header=key_header))
    if holder is None:
        raise errors.Unauthenticated("Incorrect API key provided: no such key exists, or it was revoked.")
    policy.check_key(holder, peer=peer, now=now)
    return holder


def lease(holder: Principal, call: Call, limits: Limits) -> Lease:
    """Take one request, its estimated tokens and a place of every limit that applies. Raises `errors.RateLimited`."""
    output = (call.max_output or ASSUMED_OUTPUT_TOKENS) * call.choices if call.capped else 0
    text = call.input_bytes - call.references.inline_bytes
    return limits.take(holder, text // guess.BYTES_PER_TOKEN + output, call.model)
