"""The head of an answer, as libcurl hands it out: one call per line, blocks for every informational answer before it,
and trailers after the body (CURLOPT_HEADERFUNCTION(3)).
"""

from typing import Final

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream.faults import Unacceptable

HEADER_BYTES: Final = 64 * 1024
"""Most bytes of one answer's head, as much as the relay takes from its own clients. libcurl itself stops at
300 KB."""

INFORMATIONAL: Final = range(100, 200)
"""Statuses of answers that precede the final one (RFC 9110 section 15.2)."""

_FOLD: Final = b" \t"


def parse(lines: list[bytes]) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status, and headers with lower-case names, of one block: a status line and field lines, the empty one left out.

    A folded line (RFC 9112 section 5.2) continues the value before it. Raises Unacceptable.
    """
    if sum(map(len, lines)) > HEADER_BYTES:
        raise Unacceptable(FaultKind.OVERSIZE, f"a head of more than {HEADER_BYTES} bytes")
    headers: list[tuple[bytes, bytes]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if line[0] in _FOLD and headers:
            last, before = headers[-1]
            headers[-1] = (last, before + b" " + line.strip())
        elif colon:
            headers.append((name.lower(), value.strip()))
        else:
            raise Unacceptable(FaultKind.GARBLED, "a field line without a colon")
    return status_of(lines[0]), headers


def status_of(line: bytes) -> int:
    """The status of `HTTP/1.1 200 OK` or `HTTP/2 200`. Raises Unacceptable."""
    parts = line.split(None, 2)
    code = parts[1] if len(parts) > 1 else b""
    if not (code.isdigit() and len(code) == 3):  # noqa: PLR2004 - RFC 9112 section 4: three digits
        raise Unacceptable(FaultKind.GARBLED, "a status line without a status")
    return int(code)
