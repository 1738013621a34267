"""Opus in Ogg (RFC 3533, 6716, 7845), in packets of 20 ms.

Without an encoder the codec says nothing in them. The text is a Vorbis comment in `OpusTags`; the last page's position
gives the exact length.
"""

import struct
from collections.abc import Iterator

from polyrelay.sandbox.audio import encoding, vorbis
from polyrelay.sandbox.audio.checks import Check
from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import RATE, Speech

KIND = "audio/opus"
_HERTZ = 48_000
"""Positions count in this, whatever the rate of the sound."""
_SILENT = b"\xf8\xff\xfe"
"""One channel, CELT, full band, 20 ms, nothing in it."""
_PACKET_SAMPLES = 960
_PACKETS_A_PAGE = 50
_FIRST, _LAST = 2, 4
_SERIAL = 0x504F4C59
_PAGE = struct.Struct("<4sBBqIIIB")
_CHECK_AT = 22
_MOST_LACED = 255
_CHECK = Check(32, 0x04C11DB7)
_HEAD, _TAGS = b"OpusHead", b"OpusTags"
_SKIP_AT = 10


def write(speech: Speech) -> bytes:
    """A whole file, exactly as long as the speech."""
    encoded = encoding.encode(speech, "libopus", "s16")
    skip = 0 if encoded is None else int.from_bytes(encoded.head[_SKIP_AT : _SKIP_AT + 2], "little")
    end = skip + len(speech.samples) * _HERTZ // RATE
    count = max(1, -(-end // _PACKET_SAMPLES))
    packets = [_SILENT] * count if encoded is None else encoded.packets[:count]
    head = _HEAD + struct.pack("<BBHIhB", 1, 1, skip, RATE, 0, 0)
    pages = [_page(0, 0, _FIRST, [head]), _page(1, 0, 0, [_TAGS + vorbis.write(speech.text)])]
    for first in range(0, len(packets), _PACKETS_A_PAGE):
        upto = min(len(packets), first + _PACKETS_A_PAGE)
        kind = _LAST if upto == len(packets) else 0
        position = min(end, upto * _PACKET_SAMPLES)
        pages.append(_page(len(pages), position, kind, packets[first:upto]))
    return b"".join(pages)


def read(data: bytes) -> Heard | None:
    """What is heard in any Ogg file with Opus in it, None in anything else."""
    text, skip, position = None, None, 0
    for at, body in _pages(data):
        if body.startswith(_HEAD) and len(body) >= _SKIP_AT + 2:
            (skip,) = struct.unpack_from("<H", body, _SKIP_AT)
        elif body.startswith(_TAGS):
            text = vorbis.read(body[len(_TAGS) :])
        position = max(position, at)
    return None if skip is None else Heard(text, max(0, position - skip) / _HERTZ)


def _page(number: int, position: int, kind: int, packets: list[bytes]) -> bytes:
    laces = bytes(lace for packet in packets for lace in _laces(len(packet)))
    head = _PAGE.pack(b"OggS", 0, kind, position, _SERIAL, number, 0, len(laces))
    page = bytearray(head + laces + b"".join(packets))
    struct.pack_into("<I", page, _CHECK_AT, _CHECK.of(page))
    return bytes(page)


def _laces(size: int) -> Iterator[int]:
    while size >= _MOST_LACED:
        yield _MOST_LACED
        size -= _MOST_LACED
    yield size


def _pages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Position and body of each page."""
    at = 0
    while at + _PAGE.size <= len(data) and data[at : at + 4] == b"OggS":
        _, _, _, position, _, _, _, laces = _PAGE.unpack_from(data, at)
        start = at + _PAGE.size + laces
        size = sum(data[at + _PAGE.size : start])
        yield position, data[start : start + size]
        at = start + size
