"""AMR and AMR-WB files (RFC 4867 section 5): a magic line, then frames of 20 ms whose first byte tells their length."""

import re

from polyrelay.exchange.sound import Length
from polyrelay.wire.containers import frames
from polyrelay.wire.containers.frames import Frame
from polyrelay.wire.containers.media import Media

NARROW = b"#!AMR\n"
WIDE = b"#!AMR-WB\n"
_NARROW_BYTES = (13, 14, 16, 18, 20, 21, 27, 32, 6)
_WIDE_BYTES = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6)
_SILENT = frozenset({14, 15})
"""Types without content: a lost frame, or nothing to send."""
_FRAMES_A_SECOND = 50
_ANYWHERE = re.compile(rb"(?=.)", re.DOTALL)


def length(media: Media) -> Length | None:
    """The duration."""
    wide = media.read(len(WIDE), 0) == WIDE
    start = len(WIDE if wide else NARROW)
    return frames.length(media, start, media.size, _wide if wide else _narrow, _ANYWHERE)


def _narrow(data: bytes, at: int) -> Frame | None:
    return _frame(data, at, _NARROW_BYTES)


def _wide(data: bytes, at: int) -> Frame | None:
    return _frame(data, at, _WIDE_BYTES)


def _frame(data: bytes, at: int, sizes: tuple[int, ...]) -> Frame | None:
    if at >= len(data) or data[at] & 0x83:
        return None
    kind = data[at] >> 3 & 15
    if kind in _SILENT:
        return Frame(1, 1, _FRAMES_A_SECOND, kind)
    return Frame(sizes[kind], 1, _FRAMES_A_SECOND, kind) if kind < len(sizes) else None
