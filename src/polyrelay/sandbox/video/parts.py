"""Parts of a film, for who asks for a range of bytes (RFC 9110, section 14): one range, as players do."""

import re

from polyrelay.sandbox.framing import Reply

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_ACCEPTS = ("accept-ranges", "bytes")


def reply(kind: str, data: bytes, wanted: str) -> Reply:
    """`data` of the content type `kind`, or the part of it that the header `wanted` names; 416 behind its end."""
    found = _RANGE.fullmatch(wanted)
    if found is None or found.groups() == ("", ""):
        return Reply(200, (("content-type", kind), _ACCEPTS), [data])
    first, end = _span(found[1], found[2], len(data))
    if first >= end:
        return Reply(416, (("content-range", f"bytes */{len(data)}"), _ACCEPTS), [])
    place = ("content-range", f"bytes {first}-{end - 1}/{len(data)}")
    return Reply(206, (("content-type", kind), place, _ACCEPTS), [data[first:end]])


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Where the part begins and ends; without a `first`, it is so many bytes at the end."""
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
