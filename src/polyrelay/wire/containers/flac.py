"""FLAC (RFC 9639): what the stream information says, or the position of the last frame where that is more telling.

Who writes to a pipe does not know the number of samples beforehand and leaves 0; the last frame always has its number.
"""

from typing import NamedTuple

from polyrelay.wire.containers.media import Media, big, ratio
from polyrelay.wire.containers.mpeg import after_tags

MAGIC = b"fLaC"
_INFO_BYTES = 34
_TAIL_BYTES = 64 * 1024
_LONGEST_HEADER = 16
_SYNCS = (b"\xff\xf8", b"\xff\xf9")
_MOST_TRIES = 256
"""Places that look like a frame's beginning which are tried; in compressed sound there is about one by chance."""


class Info(NamedTuple):
    """The stream information: a usual frame's `block` in samples, `rate`, and the `total` of samples, 0 if unknown."""

    block: int
    rate: int
    total: int


def seconds(media: Media) -> float | None:
    """The duration."""
    at = after_tags(media)
    head = media.read(8 + _INFO_BYTES, at)
    if head[:4] != MAGIC or head[4:5] not in (b"\x00", b"\x80"):
        return None
    info = read_info(head[8:])
    last = _last_sample(media.tail(_TAIL_BYTES), info)
    total = info.total if media.whole else 0
    return ratio(total if last is None else last, info.rate) or None


def read_info(block: bytes) -> Info:
    """Reads the content of a STREAMINFO block."""
    return Info(big(block, 2, 2), big(block, 10, 3) >> 4, big(block, 13, 5) & (1 << 36) - 1)


def _last_sample(data: bytes, info: Info) -> int | None:
    """Samples up to the end of the last frame in `data`; None where none is seen."""
    at = len(data)
    for _ in range(_MOST_TRIES):
        at = max(data.rfind(sync, 0, at) for sync in _SYNCS)
        if at < 0:
            return None
        end = _end_of(data[at : at + _LONGEST_HEADER], info)
        if end is not None:
            return end
    return None


def _end_of(header: bytes, info: Info) -> int | None:
    """The sample after the frame with this header; None when it is none, by its checksum or its block size."""
    number, size = _coded_number(header)
    code = header[2] >> 4 if len(header) > 2 else 0  # noqa: PLR2004
    if not size or not code:
        return None
    at = 4 + size
    block, width = _block_size(code, header, at)
    at += width + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if at >= len(header) or _crc8(header[:at]) != header[at] or block > info.block:
        return None
    return number + block if header[1] & 1 else number * info.block + block


def _block_size(code: int, header: bytes, at: int) -> tuple[int, int]:
    """Samples of a frame, and bytes that say so after the number."""
    if code in (6, 7):
        width = code - 5
        return big(header, at, width) + 1, width
    if code == 1:
        return 192, 0
    return (144 << code, 0) if code < 6 else (1 << code, 0)  # noqa: PLR2004


def _coded_number(header: bytes) -> tuple[int, int]:
    """The number after the first four bytes, written like a long UTF-8 character, and its bytes; 0 bytes for none."""
    first = header[4] if len(header) > 4 else 0xFF  # noqa: PLR2004
    if first < 0x80:  # noqa: PLR2004
        return first, 1
    size = 8 - (~first & 0xFF).bit_length()
    if not 2 <= size <= 7:  # noqa: PLR2004
        return 0, 0
    value = first & (1 << 7 - size) - 1
    for byte in header[5 : 4 + size]:
        value = value << 6 | byte & 0x3F
    return value, size


def _crc8(data: bytes) -> int:
    """Polynomial x^8 + x^2 + x + 1, start 0 (section 9.1.8)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
