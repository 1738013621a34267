"""Whole answers of the relay's own making: their headers, and the error body that OpenAI's SDKs read."""

import math
from typing import Any

import msgspec

from polyrelay.kernel.errors import Refusal

HeaderPairs = tuple[tuple[bytes, bytes], ...]

Answer = tuple[int, HeaderPairs, bytes]
"""Status, headers (lower-case names, without content-length) and body."""

JSON = b"application/json"

CHALLENGE = (b"www-authenticate", b'Basic realm="polyrelay"')
"""With a 401 to clients that know no other scheme than HTTP Basic; many send a password only when asked (RFC 7617)."""

_TYPES = {
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "server_error",
    504: "upstream_error",
}
_OTHER_TYPE = "invalid_request_error"
_QUOTA = "insufficient_quota"


def of(value: Any, *, status: int = 200, content_type: bytes = JSON) -> Answer:
    """`value` as JSON, served as `content_type`."""
    return status, ((b"content-type", content_type),), msgspec.json.encode(value)


def refused(refusal: Refusal, body: Any, *, status: int | None = None) -> Answer:
    """`refusal` said by the JSON of `body`, with `status` where the dialect has another than the refusal's.

    `retry-after` is in whole seconds, rounded up (RFC 9110 10.2.3), `retry-after-ms` in milliseconds (WIRE 4.1).
    """
    headers: list[tuple[bytes, bytes]] = [(b"content-type", JSON)]
    if refusal.retry_after is not None:
        wait = max(refusal.retry_after, 0.0)
        headers.append((b"retry-after", b"%d" % math.ceil(wait)))
        headers.append((b"retry-after-ms", b"%d" % math.ceil(wait * 1000)))
    if refusal.final:
        headers.append((b"x-should-retry", b"false"))
    sent = refusal.status if status is None else status
    return sent, (*headers, *refusal.headers), msgspec.json.encode(body)


def openai_refusal(refusal: Refusal) -> Answer:
    """`refusal` as every surface of OpenAI's says it: all four keys of `error`."""
    return refused(refusal, _openai(refusal))


def openai_error(refusal: Refusal) -> bytes:
    """The body alone of `openai_refusal`."""
    return msgspec.json.encode(_openai(refusal))


def _openai(refusal: Refusal) -> dict[str, dict[str, str | None]]:
    kind = _QUOTA if refusal.code == _QUOTA else _TYPES.get(refusal.status, _OTHER_TYPE)
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return {"error": error}
