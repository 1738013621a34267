"""How samples are packed, by the four letters that QuickTime, AIFF-C and CAF have for it (QuickTime File Format, "Sound
Sample Descriptions").
"""

from typing import NamedTuple


class Block(NamedTuple):
    """So many bytes of a channel are so many samples."""

    size: int
    samples: int


CODINGS = {
    **dict.fromkeys((b"ulaw", b"ULAW", b"alaw", b"ALAW"), Block(1, 1)),
    b"in24": Block(3, 1),
    **dict.fromkeys((b"in32", b"fl32", b"FL32"), Block(4, 1)),
    **dict.fromkeys((b"fl64", b"FL64"), Block(8, 1)),
    b"ima4": Block(34, 64),
    b"MAC3": Block(2, 6),
    b"MAC6": Block(1, 6),
}


def plain(bits: int) -> Block:
    """Samples of so many bits, each in as few bytes as it fits in."""
    return Block(-(-bits // 8), 1)
