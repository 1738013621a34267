"""Vorbis comments, the metadata of FLAC and Ogg (xiph.org, Ogg Vorbis I format specification: comment field)."""

import struct

_VENDOR = b"polyrelay sandbox"
_FIELD = b"DESCRIPTION="


def write(text: str) -> bytes:
    """One comment, `DESCRIPTION`."""
    entry = _FIELD + text.encode()
    return struct.pack("<I", len(_VENDOR)) + _VENDOR + struct.pack("<II", 1, len(entry)) + entry


def read(data: bytes) -> str | None:
    """The text of a comment that `write` made, None in anything else."""
    start = 4 + len(_VENDOR)
    if data[4:start] != _VENDOR or len(data) < start + 8:
        return None
    _, length = struct.unpack_from("<II", data, start)
    entry = data[start + 8 : start + 8 + length]
    return entry.removeprefix(_FIELD).decode("utf-8", "replace") if entry.startswith(_FIELD) else None
