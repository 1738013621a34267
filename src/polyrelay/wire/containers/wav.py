"""RIFF/WAVE and its 64-bit form RF64 (EBU Tech 3306): chunks of four letters, a length and content."""

from polyrelay.wire.containers.media import Media, little, ratio

_HEADER = 12
_CHUNK = 8
FORMAT_BYTES = 20
"""Looked at of a format chunk."""
_UNKNOWN = 0xFFFFFFFF
"""The length that writers of streams leave, and RF64 has for "see ds64"."""

_ADPCM = frozenset({2, 0x11})
"""Tags whose blocks have a number of samples that the format chunk states."""

_SAMPLED = frozenset({1, 3, 6, 7, 0xFFFE})
"""Format tags whose samples have a fixed size: PCM, float, A-law, u-law, and the extensible form of them."""


def seconds(media: Media) -> float | None:
    """The duration; of a file that is shorter than it says, that of what is there. Players go on with further chunks of
    sound.
    """
    at = _HEADER
    format_chunk = b""
    wide = sound = 0
    while len(head := media.read(_CHUNK, at)) == _CHUNK:
        name, size = head[:4], little(head, 4, 4)
        at += _CHUNK
        if name == b"fmt " and not format_chunk:
            format_chunk = media.read(FORMAT_BYTES, at)
        elif name == b"ds64":
            wide = little(media.read(16, at), 8, 8)
        elif name == b"data":
            size = _there(size, wide, media.size - at)
            sound += size
        at += size + (size & 1)
    return played(format_chunk, sound) if sound else None


def _there(stated: int, wide: int, rest: int) -> int:
    """Bytes of sound: what is stated, or all that is left where nothing useful is."""
    size = wide if stated == _UNKNOWN and wide else stated
    return rest if size in (0, _UNKNOWN) else min(size, rest)


def played(chunk: bytes, size: int) -> float | None:
    """How long `size` bytes of sound last, by the format `chunk`; None where that makes no sense."""
    tag, channels, rate, bytes_a_second = (little(chunk, at, width) for at, width in ((0, 2), (2, 2), (4, 4), (8, 4)))
    block = little(chunk, 12, 2)
    frame = channels * (-(-little(chunk, 14, 2) // 8))
    if tag in _SAMPLED and frame:
        return ratio(size // frame, rate)
    if tag in _ADPCM and block:
        return ratio(-(-size // block) * little(chunk, 18, 2), rate)
    return ratio(size, bytes_a_second)
