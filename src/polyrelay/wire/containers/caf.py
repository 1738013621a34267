"""Core Audio Format (Apple, "Core Audio Format Specification" 1.0): big-endian chunks with lengths of 64 bits.

Packets have one size, and are counted by the sound's; or each its own, and are counted in the packet table.
"""

import struct

from polyrelay.wire.containers.chunks import Layout, walk
from polyrelay.wire.containers.media import Media, big, ratio

MAGIC = b"caff"

_HEADER = 8
_CHUNKS = Layout(4, 8, "big", inclusive=False, align=1, sound=b"data")
_DESCRIPTION_BYTES = 32
_TABLE_BYTES = 16
_SOUND_HEAD = 4
"""The number of edits, before the packets."""

_SKIPPED = 4
"""Packets that are not played, at most: AAC begins with 2 112 frames of priming (three of 1 024), and its last one is
filled up.
"""


def seconds(media: Media) -> float | None:
    """The duration."""
    description = table = b""
    sound = 0
    for chunk in walk(media, _HEADER, _CHUNKS):
        if chunk.name == b"desc":
            description = media.read(_DESCRIPTION_BYTES, chunk.start)
        elif chunk.name == b"pakt":
            table = media.read(_TABLE_BYTES, chunk.start)
        elif chunk.name == _CHUNKS.sound:
            sound += max(chunk.size - _SOUND_HEAD, 0)
    if len(description) < _DESCRIPTION_BYTES:
        return None
    (rate,) = struct.unpack(">d", description[:8])
    packet, frames = big(description, 16, 4), big(description, 20, 4)
    if packet:
        return ratio(sound // packet * frames, rate)
    return ratio(_valid(table, frames), rate) if media.whole else None


def _valid(table: bytes, frames: int) -> int:
    """The frames that are to be played, as is stated; but no fewer than packets of so many `frames` each leave over,
    since readers go by the number of packets.
    """
    packets, stated = big(table, 0, 8), big(table, 8, 8)
    return max(stated, (packets - _SKIPPED) * frames, 0)
