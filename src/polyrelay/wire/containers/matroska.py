"""Matroska and WebM (RFC 9559): the duration in the segment's information, or the time of the last block.

A recorder that streams (a browser's MediaRecorder) states no duration and does not know the lengths of its clusters;
then the last cluster is sought from the end. It also shows a duration that is stated too short.
"""

from collections.abc import Iterator
from struct import unpack
from typing import NamedTuple

from polyrelay.wire.containers.media import Media, big

MAGIC = b"\x1a\x45\xdf\xa3"
_SEGMENT = 0x18538067
_INFO = 0x1549A966
_CLUSTER = b"\x1f\x43\xb6\x75"
_SCALE, _DURATION = 0x2AD7B1, 0x4489
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, _LENGTH = 0xE7, 0xA3, 0xA0, 0xA1, 0x9B
_USUAL_SCALE = 1_000_000
_MOST_ELEMENTS = 2048
_HEADER = 12
_MOST_INFO_BYTES = 4096
_TAIL_BYTES = 192 * 1024


class _Element(NamedTuple):
    name: int
    start: int
    end: int
    """Of its content."""


def seconds(media: Media) -> float | None:
    """The duration."""
    scale, stated = _USUAL_SCALE, 0.0
    segment = _child(media, 0, media.size, _SEGMENT)
    info = None if segment is None else _child(media, segment.start, segment.end, _INFO)
    if info is not None:
        content = media.read(min(info.end - info.start, _MOST_INFO_BYTES), info.start)
        members = {each.name: content[each.start : each.end] for each in _inside(content)}
        scale = big(members.get(_SCALE, b""), 0, 8) or _USUAL_SCALE
        stated = _float(members.get(_DURATION, b"")) * scale / 1e9
    seen = _last_time(media.tail(_TAIL_BYTES)) * scale / 1e9
    return stated if media.whole and stated > seen else seen or None


def _child(media: Media, at: int, end: int, name: int) -> _Element | None:
    """The first element of that name from `at` on."""
    return next((each for each in _elements(media, at, end) if each.name == name), None)


def _inside(content: bytes) -> Iterator[_Element]:
    held = Media(lambda size, offset: content[offset : offset + size], len(content))
    return _elements(held, 0, len(content))


def _elements(media: Media, at: int, end: int) -> Iterator[_Element]:
    for _ in range(_MOST_ELEMENTS):
        head = media.read(_HEADER, at)
        name_width = 9 - head[0].bit_length() if head else 0
        size_width = 9 - head[name_width].bit_length() if len(head) > name_width else 0
        if not 1 <= name_width <= 4 or not 1 <= size_width <= 8:  # noqa: PLR2004
            return
        start = at + name_width + size_width
        most = (1 << 7 * size_width) - 1
        size = big(head, name_width, size_width) & most
        stop = end if size == most else start + size
        yield _Element(big(head, 0, name_width), start, min(stop, end))
        at = stop


def _float(data: bytes) -> float:
    """An element's number; 0 for one that is none."""
    if len(data) not in (4, 8):
        return 0.0
    (value,) = unpack(">f" if len(data) == 4 else ">d", data)  # noqa: PLR2004
    return float(value)


def _last_time(tail: bytes) -> int:
    """The time at which the last block of the last cluster in `tail` begins, or ends where it says how long it is."""
    at = tail.rfind(_CLUSTER)
    cluster = next(_inside(tail[at:]), None) if at >= 0 else None
    if cluster is None:
        return 0
    content = tail[at + cluster.start : at + cluster.end]
    begin = last = 0
    for each in _inside(content):
        data = content[each.start : each.end]
        if each.name == _TIMESTAMP:
            begin = last = big(data, 0, min(len(data), 8))
        elif each.name == _SIMPLE_BLOCK:
            last = max(last, begin + _relative(data))
        elif each.name == _BLOCK_GROUP:
            last = max(last, begin + _group_end(data))
    return last


def _relative(block: bytes) -> int:
    """The time of a block in its cluster: 16 bits, signed, after the track's number."""
    width = 9 - block[0].bit_length() if block else 0
    return int.from_bytes(block[width : width + 2], "big", signed=True)


def _group_end(group: bytes) -> int:
    members = {each.name: group[each.start : each.end] for each in _inside(group)}
    length = members.get(_LENGTH, b"")
    return _relative(members.get(_BLOCK, b"")) + big(length, 0, min(len(length), 8))
