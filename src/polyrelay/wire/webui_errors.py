"""Refusals as a Stable Diffusion WebUI and its extensions say them: `{"error", "detail", "body", "errors"}` (WIRE 3.1).

`code` and `param` are ours besides. A 401 asks for HTTP Basic, the one scheme that clients of a WebUI know.
"""

import math

import msgspec

from polyrelay.kernel.errors import Refusal
from polyrelay.wire import answers
from polyrelay.wire.spoken import JSON, HeaderPairs

_UNAUTHENTICATED = 401
_NO_MODEL = "model_not_found"
_HINT = (
    " A checkpoint is named in 'model' or in 'override_settings.sd_model_checkpoint'; GET /sdapi/v1/sd-models lists "
    "those you may use."
)


class _Native(msgspec.Struct, gc=False):
    detail: msgspec.Raw


_NATIVE = msgspec.json.Decoder(_Native)


def render(refusal: Refusal) -> tuple[int, HeaderPairs, bytes]:
    """Status, headers and body of a refusal. `retry-after` is in whole seconds, rounded up (RFC 9110 10.2.3)."""
    headers = [(b"content-type", JSON)]
    if refusal.status == _UNAUTHENTICATED:
        headers.append(answers.CHALLENGE)
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(max(refusal.retry_after, 0.0))))
    if refusal.final:
        headers.append((b"x-should-retry", b"false"))
    return refusal.status, (*headers, *refusal.headers), _body(refusal)


def frame(refusal: Refusal) -> bytes:
    """The same body: none of these APIs has streams."""
    return _body(refusal)


def is_native(body: bytes) -> bool:
    """Whether an upstream's error body is an object with a `detail`, as FastAPI's and Forge's errors are too."""
    try:
        _NATIVE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _body(refusal: Refusal) -> bytes:
    detail = refusal.message + _HINT if refusal.code == _NO_MODEL else refusal.message
    error = {
        "error": type(refusal).__name__,
        "detail": detail,
        "body": "",
        "errors": "",
        "code": refusal.code,
        "param": refusal.param,
    }
    return msgspec.json.encode(error)
