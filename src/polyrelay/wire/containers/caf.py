"""Core Audio Format (Apple, "Core Audio Format Specification" 1.0): big-endian chunks with lengths of 64 bits.

Packets have one size, and are counted by the sound's; or each its own, and are counted in the packet table.
"""

import struct

from polyrelay.wire.containers.chunks import Layout, walk
from polyrelay.wire.containers.codings import CODINGS, plain
from polyrelay.wire.containers.media import Media, big, ratio

MAGIC = b"caff"

_HEADER = 8
_CHUNKS = Layout(4, 8, "big", inclusive=False, align=1, sound=b"data")
_DESCRIPTION_BYTES = 32
_TABLE_BYTES = 16
_SOUND_HEAD = 4
"""The number of edits, before the packets."""

_SAMPLES = b"lpcm"
_LEAST_FRAMES = {
    **dict.fromkeys((b"aac ", b"aach", b"aacp", b"aacl", b"aace"), 480),
    b"opus": 480,
    b"alac": 4096,
    b".mp3": 576,
}
"""In a packet, of codings whose packets have each their own size: who states fewer is not believed (ISO/IEC 14496-3;
RFC 6716, where packets of 10 ms are the shortest in use; Apple's encoder; ISO/IEC 13818-3).
"""

_SKIPPED = 4
"""Packets that are not played, at most: AAC begins with 2 112 frames of priming (three of 1 024), and its last one is
filled up.
"""


def seconds(media: Media) -> float | None:
    """The duration, by the first description, as players have it; None for codings that are not known."""
    description = b""
    sound = packets = valid = 0
    for chunk in walk(media, _HEADER, _CHUNKS):
        if chunk.name == b"desc" and not description:
            description = media.read(_DESCRIPTION_BYTES, chunk.start)
        elif chunk.name == b"pakt":
            table = media.read(_TABLE_BYTES, chunk.start)
            packets, valid = max(packets, big(table, 0, 8)), max(valid, big(table, 8, 8))
        elif chunk.name == _CHUNKS.sound:
            sound += max(chunk.size - _SOUND_HEAD, 0)
    if len(description) < _DESCRIPTION_BYTES:
        return None
    (rate,) = struct.unpack(">d", description[:8])
    if big(description, 16, 4):
        return _of_blocks(description, sound, rate)
    frames = big(description, 20, 4)
    known = media.whole and frames >= _LEAST_FRAMES.get(description[8:12], frames + 1)
    return ratio(_played(packets, valid, frames), rate) if known else None


def _of_blocks(description: bytes, sound: int, rate: float) -> float | None:
    """By what the coding is: players do not heed what is stated of its packets."""
    coding, channels = description[8:12], big(description, 24, 4)
    block = plain(big(description, 28, 4)) if coding == _SAMPLES else CODINGS.get(coding)
    if block is None or not channels * block.size:
        return None
    return ratio(sound // (channels * block.size) * block.samples, rate)


def _played(packets: int, stated: int, frames: int) -> int:
    """The frames that are to be played, as is stated; but no fewer than packets of so many `frames` each leave over,
    since readers go by the number of packets.
    """
    return max(stated, (packets - _SKIPPED) * frames, 0)
