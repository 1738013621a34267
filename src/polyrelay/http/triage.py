"""Decides by a request's head what it is and whether it may come in. Pure.

llhttp in its strict mode refuses what is ambiguous in syntax: stray CR and LF, NUL, obs-fold, two lengths, a length
beside a transfer coding, bad chunks. Here are the rules of RFC 9110 and 9112 that it leaves to its user, and ours.
"""

from collections.abc import Mapping
from functools import lru_cache

import httptools

from polyrelay.http import cors, spool
from polyrelay.http.context import LaneContext, LaneSettings
from polyrelay.http.refusals import ExpectationFailed
from polyrelay.http.request import Head, Request
from polyrelay.kernel import errors
from polyrelay.service.ports import HeaderList
from polyrelay.wire.multipart import media_type
from polyrelay.wire.registry import Kind

UNREAD_BODY = 64 * 1024
"""A refused request's body up to this size is read and dropped, to keep the connection; for a longer one it is closed.
The same size decides whose key is looked at before the body is read."""

OVERLOAD_SECONDS = 1.0
"""What a client is told to wait when memory or streams are all taken; most exchanges end within a few seconds."""

_LINE_OVERHEAD = 4
"""Colon, space, CR and LF of a header line."""

_SINGLE = (b"host", b"authorization", b"content-type", b"content-encoding", b"transfer-encoding", b"expect", b"origin")
"""Headers that may come only once: two readers of the same request must not choose different ones."""


_KINDS: Mapping[Kind, str] = {
    "json": "`content-type: application/json`, in UTF-8",
    "multipart": "`content-type: multipart/form-data`",
}


def header_size(url: bytes, headers: HeaderList) -> int:
    """Bytes of the request line and headers as they came, give or take white space."""
    return len(url) + sum(len(name) + len(value) + _LINE_OVERHEAD for name, value in headers)


def malformed(method: bytes, version: str, headers: HeaderList, head: Head) -> errors.Refusal | None:
    """What makes a head unfit to be answered as HTTP/1; nothing more can be read on the connection."""
    if version not in ("1.1", "1.0"):
        return bad_request(f"HTTP/{version} is not supported.")
    coding = head.get(b"transfer-encoding")
    if coding is not None and (version == "1.0" or coding.lower() != b"chunked"):
        return bad_request("The only transfer coding is chunked, in HTTP/1.1.")
    if version == "1.1" and not head.get(b"host"):
        return bad_request("The Host header is missing.")
    if len(head) != len(headers):
        names = [name for name, _ in headers]
        for single in _SINGLE:
            if names.count(single) > 1:
                return bad_request(f"Duplicate {single.decode('ascii')} header.")
    if method == b"CONNECT":
        return errors.MethodNotAllowed("CONNECT is not supported.")
    return None


def route(request: Request, context: LaneContext) -> None:
    """Fill in the request's surface, CORS lines, the boundary of a form and, where the head alone is reason enough, its
    refusal. Of the context only the gauges are looked at.
    """
    settings = request.settings
    surface = settings.surfaces.get(request.path)
    if surface is None:
        request.refusal = _too_long(request, context) or _expectation(request)
        return
    request.surface = surface.name
    if settings.cors.origins:
        request.origin_lines = cors.allow(settings.cors, request.head.get(b"origin")) or b""
    if request.method == b"POST":
        request.refusal = _media(request, surface.accepts) or _too_long(request, context) or _expectation(request)
    elif request.method != b"OPTIONS" or not settings.cors.origins:
        allowed = cors.METHODS if settings.cors.origins else b"POST"
        text = f"{request.method.decode('ascii')} is not allowed here; use POST."
        request.refusal = errors.MethodNotAllowed(text, headers=((b"allow", allowed),))


def absolute(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target that is no path: `http://host/path?query`, or `*`."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return url, b""
    return parsed.path or b"/", parsed.query or b""


def is_costly(request: Request) -> bool:
    """Whether the body is long, of unknown length or held back: then the key is looked at before it is read."""
    if b"transfer-encoding" in request.head or b"expect" in request.head:
        return True
    return request.announced > UNREAD_BODY or request.announced > request.settings.bounds.body_bytes


def awaits_continue(request: Request) -> bool:
    """Whether the client holds its body back until `100 Continue` (never in HTTP/1.0)."""
    has_body = request.announced > 0 or b"transfer-encoding" in request.head
    return has_body and b"expect" in request.head and not request.legacy


def bad_request(text: str) -> errors.Refusal:
    """400 for what is not HTTP."""
    return errors.InvalidRequest(text, code="bad_request")


def headers_too_large(settings: LaneSettings) -> errors.Refusal:
    """431."""
    return errors.HeadersTooLarge(f"Request line and headers exceed {settings.bounds.header_bytes} bytes.")


def body_too_large(request: Request) -> errors.Refusal:
    """413."""
    bounds = request.settings.bounds
    most = bounds.body_bytes if request.boundary is None else bounds.upload_bytes
    return errors.BodyTooLarge(f"The body exceeds {most} bytes.")


def overloaded() -> errors.Refusal:
    """503."""
    return errors.Overloaded("The relay is busy; try again shortly.", retry_after=OVERLOAD_SECONDS)


def _too_long(request: Request, context: LaneContext) -> errors.Refusal | None:
    """Whether the body that was announced is too long, for us or for now."""
    bounds, announced = request.settings.bounds, request.announced
    if announced > (bounds.body_bytes if request.boundary is None else bounds.upload_bytes):
        return body_too_large(request)
    if request.boundary is not None and announced >= bounds.spill_bytes:
        return spool.no_room() if context.bytes_spooled + announced > bounds.spooled_bytes else None
    return overloaded() if context.bytes_in_flight + announced > bounds.bytes_in_flight else None


def _expectation(request: Request) -> errors.Refusal | None:
    """417 for an `Expect` that is not `100-continue`; HTTP/1.0 has none (RFC 9110 section 10.1.1)."""
    expect = request.head.get(b"expect")
    if expect is None or request.legacy or expect.lower() == b"100-continue":
        return None
    return ExpectationFailed("The only expectation that can be met is 100-continue.")


def _media(request: Request, accepted: frozenset[Kind]) -> errors.Refusal | None:
    """415 unless the body is what is `accepted`, not coded: JSON in UTF-8, or a form; 400 for a form without boundary.

    Fills in the boundary.
    """
    kind = request.head.get(b"content-type", b"")
    if "multipart" in accepted and media_type.is_form(kind):
        try:
            request.boundary = media_type.boundary_of(kind)
        except errors.InvalidRequest as refusal:
            return refusal.with_traceback(None)
    elif "json" not in accepted or (kind != b"application/json" and not _is_json(kind)):
        return errors.UnsupportedMedia(f"Send the body as {' or '.join(_KINDS[each] for each in sorted(accepted))}.")
    coding = request.head.get(b"content-encoding")
    if coding is not None and coding.lower() != b"identity":
        return errors.CodedBody("The body must not be compressed: `content-encoding: identity`.")
    return None


@lru_cache(maxsize=256)
def _is_json(kind: bytes) -> bool:
    """Whether a media type is application/json, with no charset or with UTF-8 (RFC 8259 allows no other)."""
    essence, *parameters = [part.strip().lower() for part in kind.split(b";")]
    if essence != b"application/json":
        return False
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip(b' "') not in (b"utf-8", b"utf8"):
            return False
    return True
