"""Refusals in OpenAI's shape: all four keys, and the headers its SDKs act on; and the bodies of the model list."""

import math
from collections.abc import Iterable

import msgspec

from polyrelay.kernel.errors import Refusal

HeaderPairs = tuple[tuple[bytes, bytes], ...]

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
_JSON = (b"content-type", b"application/json")


class _NativeError(msgspec.Struct, gc=False):
    message: str


class _Native(msgspec.Struct, gc=False):
    error: _NativeError


_NATIVE = msgspec.json.Decoder(_Native)


def render(refusal: Refusal) -> tuple[int, HeaderPairs, bytes]:
    """Status, headers and body that say `refusal` to an OpenAI SDK.

    `retry-after` is in whole seconds, rounded up (RFC 9110 10.2.3), `retry-after-ms` in milliseconds (WIRE 4.1).
    """
    headers: list[tuple[bytes, bytes]] = [_JSON]
    if refusal.retry_after is not None:
        wait = max(refusal.retry_after, 0.0)
        headers.append((b"retry-after", b"%d" % math.ceil(wait)))
        headers.append((b"retry-after-ms", b"%d" % math.ceil(wait * 1000)))
    if refusal.final:
        headers.append((b"x-should-retry", b"false"))
    return refusal.status, (*headers, *refusal.headers), _body(refusal)


def frame(refusal: Refusal) -> bytes:
    """`refusal` inside a stream that has begun: one data frame whose `error` the SDKs raise."""
    return b"data: " + _body(refusal) + b"\n\n"


def is_native(body: bytes) -> bool:
    """Whether an upstream's error body is already in OpenAI's shape, an `error` object with a `message`."""
    try:
        _NATIVE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def models_list(names: Iterable[str], *, created: int, owned_by: str) -> bytes:
    """The body of GET /v1/models. `created` is seconds since the epoch."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created, owned_by) for name in names]})


def model(name: str, *, created: int, owned_by: str) -> bytes:
    """The body of GET /v1/models/{id}. `created` is seconds since the epoch."""
    return msgspec.json.encode(_model(name, created, owned_by))


def _model(name: str, created: int, owned_by: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": created, "owned_by": owned_by}


def _body(refusal: Refusal) -> bytes:
    kind = _QUOTA if refusal.code == _QUOTA else _TYPES.get(refusal.status, _OTHER_TYPE)
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return msgspec.json.encode({"error": error})
