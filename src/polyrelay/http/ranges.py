"""Which part of a thing is asked for: `Range` and `If-Range` (RFC 9110, sections 13 and 14), of one range at most."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes\s*=\s*(?:([0-9]{1,18})\s*-\s*([0-9]{0,18})|-\s*([0-9]{1,18}))\s*", re.IGNORECASE)


class Span(NamedTuple):
    """Bytes from `first` to before `end`."""

    first: int
    end: int


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


def asked(header: str | None, size: int) -> Span | None:
    """The part of `size` bytes that a Range header asks for, None for all of it.

    Several ranges, other units and what cannot be read count as nothing, which section 14.2 allows.
    Raises `Unsatisfiable`.
    """
    found = _RANGE.fullmatch(header.strip()) if header is not None else None
    if found is None:
        return None
    first, last, tail = found.groups()
    if tail is not None:
        if int(tail) == 0 or size == 0:
            raise Unsatisfiable(header)
        return Span(max(0, size - int(tail)), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable(header)
    return Span(int(first), min(int(last) + 1, size) if last else size)


def is_current(condition: str | None, etag: str, modified: str) -> bool:
    """Whether an If-Range header lets a range through: none does, and else the very same entity tag or date."""
    return condition is None or condition.strip() in {etag, modified}


def has_it(condition: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names what there is, so that it need not be sent again."""
    if condition is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in condition.split(",")}
    return "*" in tags or etag in tags
