"""AAC in ADTS frames (ISO 13818-7 section 6.2), as OpenAI's `aac` is."""

import re

from polyrelay.exchange.sound import Length
from polyrelay.wire.containers import frames
from polyrelay.wire.containers.frames import Frame
from polyrelay.wire.containers.media import Media, big
from polyrelay.wire.containers.mpeg import after_tags

SYNC = re.compile(rb"\xff[\xf0-\xff]")
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_HEADER = 7
_ONES = 0xFFF
_BLOCK = 1024


def length(media: Media) -> Length | None:
    """The duration."""
    start = after_tags(media)
    at = frames.first(media.read(frames.WINDOW_BYTES, start), parse, SYNC)
    return None if at is None else frames.length(media, start + at, media.size, parse, SYNC)


def parse(data: bytes, at: int) -> Frame | None:
    """The frame whose header is at `at`."""
    bits = big(data, at, _HEADER)
    if len(data) < at + _HEADER or bits >> 44 != _ONES or bits >> 41 & 3:
        return None
    rate, length = bits >> 34 & 15, bits >> 13 & 0x1FFF
    if rate >= len(_RATES) or length < _HEADER:
        return None
    return Frame(length, ((bits & 3) + 1) * _BLOCK, _RATES[rate], rate)
