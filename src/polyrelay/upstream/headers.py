"""The head of an answer, as libcurl hands it out: one call per line, blocks for every informational answer before it,
and trailers after the body (CURLOPT_HEADERFUNCTION(3)).
"""

from functools import lru_cache
from typing import Final

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream.faults import Unacceptable

HEADER_BYTES: Final = 64 * 1024
"""Most bytes of one answer's head, as much as the relay takes from its own clients. libcurl itself stops at
300 KB."""

INFORMATIONAL: Final = range(100, 200)
"""Statuses of answers that precede the final one (RFC 9110 section 15.2)."""

CACHED_LINES: Final = 4096
"""Lines whose parts are remembered: a vendor says most of its lines again and again."""

_ENDS: Final = frozenset({b"\r\n", b"\n"})
_FOLD: Final = (b" ", b"\t")

Field = tuple[bytes, bytes]


def parse(lines: list[bytes], *, strange: bool = False) -> tuple[int, list[Field]] | None:
    """Status, and headers with lower-case names, of the final head in `lines`; None when there is none, or not whole.

    Informational heads before it and trailers after it are passed over. A folded line (RFC 9112 section 5.2) continues
    the value before it. Lines of a `strange` server are not remembered. Raises Unacceptable.
    """
    if sum(map(len, lines)) > HEADER_BYTES:
        raise Unacceptable(FaultKind.OVERSIZE, f"a head of more than {HEADER_BYTES} bytes")
    status = 0
    headers: list[Field] = []
    for line in lines:
        if line.startswith(b"HTTP/"):
            status, headers = (_read_status if strange else status_of)(line), []
        elif line in _ENDS:
            if status and status not in INFORMATIONAL:
                return status, headers
        elif line.startswith(_FOLD) and headers:
            name, before = headers[-1]
            headers[-1] = (name, before + b" " + line.strip())
        else:
            headers.append((_read_field if strange else field_of)(line))
    return None


def _read_field(line: bytes) -> Field:
    """Name in lower case and value of `Name: value`. Raises Unacceptable."""
    name, colon, value = line.partition(b":")
    if not colon:
        raise Unacceptable(FaultKind.GARBLED, "a field line without a colon")
    return name.lower(), value.strip()


def _read_status(line: bytes) -> int:
    """The status of `HTTP/1.1 200 OK` or `HTTP/2 200`. Raises Unacceptable."""
    parts = line.split(None, 2)
    code = parts[1] if len(parts) > 1 else b""
    if not (code.isdigit() and len(code) == 3):  # noqa: PLR2004 - RFC 9112 section 4: three digits
        raise Unacceptable(FaultKind.GARBLED, "a status line without a status")
    return int(code)


field_of = lru_cache(CACHED_LINES)(_read_field)
status_of = lru_cache(CACHED_LINES)(_read_status)
