"""Ogg (RFC 3533): the granule position of a stream's last page, in units that its codec defines.

Vorbis, Opus (RFC 7845), FLAC and Speex. A video file begins with several streams; the first of sound counts.
"""

from typing import NamedTuple

from polyrelay.wire.containers import flac
from polyrelay.wire.containers.media import Media, little, ratio

MAGIC = b"OggS"
_HEADER = 27
_NO_GRANULE = (1 << 64) - 1
_MOST_STREAMS = 16
_FIRST_PACKET = 64
_TAIL_BYTES = 2 * 65307
"""Longest page twice: a whole one lies in it."""
_OPUS_RATE = 48000


class _Stream(NamedTuple):
    serial: int
    rate: int
    skipped: int


def seconds(media: Media) -> float | None:
    """The duration."""
    stream = _sound(media)
    if stream is None:
        return None
    granule = _last_granule(media.tail(_TAIL_BYTES), stream.serial)
    return ratio(max(granule - stream.skipped, 0), stream.rate) or None


def _sound(media: Media) -> _Stream | None:
    """The first stream of sound among those that begin the file."""
    at = 0
    for _ in range(_MOST_STREAMS):
        page = media.read(_HEADER + 255 + _FIRST_PACKET, at)
        if page[:4] != MAGIC or len(page) < _HEADER:
            return None
        body = _HEADER + page[26]
        stream = _stream(little(page, 14, 4), page[body : body + _FIRST_PACKET])
        if stream is not None:
            return stream
        at += body + sum(page[_HEADER:body])
    return None


def _stream(serial: int, packet: bytes) -> _Stream | None:
    if packet[:8] == b"OpusHead":
        return _Stream(serial, _OPUS_RATE, little(packet, 10, 2))
    if packet[:7] == b"\x01vorbis":
        return _Stream(serial, little(packet, 12, 4), 0)
    if packet[:5] == b"\x7fFLAC":
        return _Stream(serial, flac.read_info(packet[17:]).rate, 0)
    if packet[:8] == b"Speex   ":
        return _Stream(serial, little(packet, 36, 4), 0)
    return None


def _last_granule(data: bytes, serial: int) -> int:
    """That of the stream's last page that has one; 0 when there is none."""
    at = len(data)
    while (at := data.rfind(MAGIC, 0, at)) >= 0:
        granule = little(data, at + 6, 8)
        if granule != _NO_GRANULE and little(data, at + 14, 4) == serial and at + _HEADER <= len(data):
            return granule
    return 0
