"""MPEG audio, layers I to III (ISO 11172-3, 13818-3): frames after any ID3v2 tags.

The first frame of a file with a variable bit rate may be no sound but a count of the others (Xing, Info, VBRI). It is
believed unless the file could not hold that many bytes at the format's highest bit rate.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from polyrelay.exchange.sound import Length
from polyrelay.wire.containers import frames
from polyrelay.wire.containers.frames import Frame
from polyrelay.wire.containers.media import Media, big, ratio

SYNC = re.compile(rb"\xff[\xe0-\xff]")
_ID3_HEADER = 10
_ID3V1_BYTES = 128
_MOST_TAGS = 4
_V1, _V2 = 3, 2
_LAYER_I, _LAYER_II, _LAYER_III = 3, 2, 1
_MONO = 3
_ONES = 0x7FF
_HEADERS_KEPT = 256
_VBRI_OFFSET = 36
_FRAMES, _BYTES = 1, 2
_XING_FIELDS = ((_FRAMES, 4), (_BYTES, 4), (4, 100), (8, 4))
"""Flag and width of each optional field, in their order; an encoder's name follows them."""

_RATES = {_V1: (44100, 48000, 32000), _V2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (True, _LAYER_I): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, _LAYER_II): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_III): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_I): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, _LAYER_II): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_III): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By whether it is MPEG 1, and layer. Index 0 is a free format, 15 is forbidden."""


class _Header(NamedTuple):
    version: int
    layer: int
    kbits: int
    rate: int
    padding: int
    mono: bool


def length(media: Media) -> Length | None:
    """The duration."""
    start = after_tags(media)
    end = media.size - (_ID3V1_BYTES if media.tail(_ID3V1_BYTES)[:3] == b"TAG" else 0)
    data = media.read(frames.WINDOW_BYTES, start)
    at = frames.first(data, parse, SYNC)
    if at is None:
        return None
    counted = _counted(data, at, end - start - at) if media.whole else None
    if counted is not None:
        return Length(counted, guessed=False)
    return frames.length(media, start + at, end, parse, SYNC)


def after_tags(media: Media) -> int:
    """The offset after the ID3v2 tags at the beginning."""
    at = 0
    for _ in range(_MOST_TAGS):
        head = media.read(_ID3_HEADER, at)
        if head[:3] != b"ID3" or len(head) < _ID3_HEADER:
            break
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        footer = _ID3_HEADER if head[5] & 0x10 else 0
        at += _ID3_HEADER + size + footer
    return at


def parse(data: bytes, at: int) -> Frame | None:
    """The frame whose header is at `at`."""
    return _frame(data[at : at + 4])


@lru_cache(_HEADERS_KEPT)
def _frame(head: bytes) -> Frame | None:
    """The frame with this header; a stream has a few different ones."""
    header = _header(head, 0)
    if header is None:
        return None
    samples = _samples(header)
    slot = 4 if header.layer == _LAYER_I else 1
    length = (samples // 8 * header.kbits * 1000 // header.rate // slot + header.padding) * slot
    return Frame(length, samples, header.rate, header.version << 20 | header.layer << 18 | header.rate)


def _header(data: bytes, at: int) -> _Header | None:
    bits = big(data, at, 4)
    if len(data) < at + 4 or bits >> 21 != _ONES:
        return None
    version, layer, kbits, rate = bits >> 19 & 3, bits >> 17 & 3, bits >> 12 & 15, bits >> 10 & 3
    if version not in _RATES or not layer or not 1 <= kbits <= len(_KBITS[True, layer]) or rate == 3:  # noqa: PLR2004
        return None
    return _Header(
        version,
        layer,
        _KBITS[version == _V1, layer][kbits - 1],
        _RATES[version][rate],
        bits >> 9 & 1,
        bits >> 6 & 3 == _MONO,
    )


def _samples(header: _Header) -> int:
    if header.layer == _LAYER_I:
        return 384
    return 576 if header.layer == _LAYER_III and header.version != _V1 else 1152


def _counted(data: bytes, at: int, size: int) -> float | None:
    """The duration that the frame at `at` states of `size` bytes; None when it is a frame of sound or not credible."""
    header = _header(data, at)
    if header is None or header.layer != _LAYER_III:
        return None
    side = (17 if header.mono else 32) if header.version == _V1 else (9 if header.mono else 17)
    count, stated_size, silent = _xing(data, at + 4 + side) or _vbri(data, at + _VBRI_OFFSET) or (0, 0, 0)
    played = ratio(max(count * _samples(header) - silent, 0), header.rate)
    most_bytes_a_second = _KBITS[header.version == _V1, header.layer][-1] * 125
    if not played or (played + 1) * most_bytes_a_second < size:
        return None
    return played * size / stated_size if stated_size > size else played


def _xing(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Frames, bytes, and the samples that the encoder put before and after the sound (LAME's extension)."""
    if data[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags, places, end = big(data, at + 4, 4), {}, at + 8
    for flag, width in _XING_FIELDS:
        if flags & flag:
            places[flag] = end
            end += width
    count, size = (big(data, places[flag], 4) if flag in places else 0 for flag in (_FRAMES, _BYTES))
    added = big(data, end + 21, 3) if data[end : end + 2] in (b"LA", b"La") else 0
    return count, size, (added >> 12) + (added & 0xFFF)


def _vbri(data: bytes, at: int) -> tuple[int, int, int] | None:
    if data[at : at + 4] != b"VBRI":
        return None
    return big(data, at + 14, 4), big(data, at + 10, 4), 0
