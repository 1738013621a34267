"""Refusals in FastAPI's shape: `{"detail": ...}`, a list of what is wrong with each field or one sentence.

A field that is wrong or missing is 422, as the service has it, and a body that is no form misses its file; the other
statuses, and what says when to retry, are the relay's. A 401 asks for HTTP Basic: the service has no key, so that its
clients can be given none but inside its address.
"""

import math

import msgspec

from polyrelay.kernel.errors import CodedBody, InvalidRequest, Refusal, UnsupportedMedia
from polyrelay.wire import answers
from polyrelay.wire.whisper_asr import detail
from polyrelay.wire.whisper_asr.hearing import FILE

HeaderPairs = tuple[tuple[bytes, bytes], ...]

_JSON = (b"content-type", b"application/json")
_UNAUTHENTICATED = 401
_UNPROCESSABLE = 422
_PLACES = ("query", "body")
_MISSING = "missing_required_parameter"
_KINDS = {"invalid_multipart": "value_error"}
"""pydantic's names for codes of ours that have one."""


def render(refusal: Refusal) -> tuple[int, HeaderPairs, bytes]:
    """Status, headers and body. `retry-after` is in whole seconds, rounded up (RFC 9110 10.2.3)."""
    headers: list[tuple[bytes, bytes]] = [_JSON]
    if refusal.status == _UNAUTHENTICATED:
        headers.append(answers.CHALLENGE)
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(max(refusal.retry_after, 0.0))))
    if refusal.final:
        headers.append((b"x-should-retry", b"false"))
    status = _UNPROCESSABLE if _blames_a_field(_understood(refusal)) else refusal.status
    return status, (*headers, *refusal.headers), _body(refusal)


def frame(refusal: Refusal) -> bytes:
    """`refusal` inside a stream that has begun: the protocol has none, so this is what a data frame would be."""
    return b"data: " + _body(refusal) + b"\n\n"


def is_native(body: bytes) -> bool:
    """Whether an upstream's error body is already in FastAPI's shape."""
    return detail.read(body) is not None


def _understood(refusal: Refusal) -> Refusal:
    """A body of another kind is to FastAPI a form without parts."""
    if isinstance(refusal, UnsupportedMedia) and not isinstance(refusal, CodedBody):
        return InvalidRequest(refusal.message, code=_MISSING, param=f"body.{FILE}")
    return refusal


def _blames_a_field(refusal: Refusal) -> bool:
    return isinstance(refusal, InvalidRequest) and refusal.param is not None


def _body(refusal: Refusal) -> bytes:
    refusal = _understood(refusal)
    if not _blames_a_field(refusal):
        return msgspec.json.encode({"detail": refusal.message})
    place, dot, name = (refusal.param or "").partition(".")
    where = [place, name] if dot and place in _PLACES else ["body", refusal.param]
    if refusal.code == _MISSING:
        missing = {"type": "missing", "loc": where, "msg": "Field required", "input": None}
        return msgspec.json.encode({"detail": [missing]})
    kind = _KINDS.get(refusal.code or "", refusal.code or "value_error")
    return msgspec.json.encode({"detail": [{"type": kind, "loc": where, "msg": refusal.message}]})
