"""Browsers that call relay routes directly (Fetch standard, CORS protocol)."""

from collections.abc import Mapping

from polyrelay.settings.root import CorsSettings

METHODS = b"POST, OPTIONS"
EXPOSED = b"x-request-id, openai-processing-ms, retry-after, x-should-retry"
"""What a page's SDK may read besides the safelisted headers."""

_TOKENS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~, ")
_LONGEST_REQUESTED = 2048
"""Bytes of `access-control-request-headers` that are echoed; SDKs send about twenty names."""


def allow(settings: CorsSettings, origin: bytes | None) -> bytes | None:
    """The header lines that let a page of `origin` read an answer; None when it may not, or did not ask."""
    if origin is None or not settings.origins:
        return None
    if "*" in settings.origins:
        granted = b"access-control-allow-origin: *\r\n"
    elif origin.decode("latin-1") in settings.origins:
        granted = b"access-control-allow-origin: %b\r\nvary: origin\r\n" % origin
    else:
        return None
    return granted + b"access-control-expose-headers: %b\r\n" % EXPOSED


def preflight(settings: CorsSettings, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Answer headers for OPTIONS on a relay route, besides those of `allow`.

    The requested names are echoed, because `*` does not cover `authorization`.
    """
    answer = [(b"allow", METHODS)]
    if b"access-control-request-method" in headers:
        answer.append((b"access-control-allow-methods", METHODS))
        answer.append((b"access-control-max-age", b"%d" % settings.max_age_seconds))
        requested = headers.get(b"access-control-request-headers", b"")[:_LONGEST_REQUESTED]
        if requested and _TOKENS.issuperset(requested):
            answer.append((b"access-control-allow-headers", requested))
    return answer
