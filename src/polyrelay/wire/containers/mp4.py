"""ISO base media files (ISO 14496-12): mp4, m4a, mov. The movie box may stand before or after the sound.

A file that was written in fragments states no duration at its head; its last fragment says when it begins and how long
it is.
"""

from collections.abc import Iterator
from typing import NamedTuple

from polyrelay.wire.containers.media import Media, big, ratio

_BOX = 8
_LARGE = 16
_MOST_BOXES = 256
"""Looked at on one level. A file in fragments of a second has more, and is read from its end."""
_MOST_MOVIE_BYTES = 64 * 1024
_TAIL_BYTES = 96 * 1024
_MOST_SAMPLES = 4096
"""Of one fragment whose durations are added up; those beyond are taken to be as long on average."""


class _Box(NamedTuple):
    name: bytes
    start: int
    end: int
    """Of its content."""


class _Track(NamedTuple):
    timescale: int
    sample: int
    """Duration of a sample where a fragment does not say."""


def seconds(media: Media) -> float | None:
    """The duration."""
    movie = next((box for box in _boxes(media, 0, media.size) if box.name == b"moov"), None)
    if movie is None:
        return None
    head = media.read(min(movie.end - movie.start, _MOST_MOVIE_BYTES), movie.start)
    for path in ((b"mvhd",), (b"mvex", b"mehd")):
        stated = _stated(head, path) if media.whole else None
        if stated:
            return stated
    return _fragmented(media.tail(_TAIL_BYTES), head)


def _boxes(media: Media, at: int, end: int) -> Iterator[_Box]:
    """The boxes from `at` on; one that goes past `end` is the last."""
    for _ in range(_MOST_BOXES):
        head = media.read(_LARGE, at)
        size, start = big(head, 0, 4), at + _BOX
        if len(head) < _BOX:
            return
        if size == 1:
            size, start = big(head, 8, 8), at + _LARGE
        stop = end if size == 0 else at + size
        if stop < start:
            return
        yield _Box(head[4:8], start, min(stop, end))
        at = stop


def _inside(data: bytes, path: tuple[bytes, ...]) -> Iterator[bytes]:
    """The contents of the boxes in `data` that are reached by `path`, each name a level deeper."""
    held = Media(lambda size, offset: data[offset : offset + size], len(data))
    for box in _boxes(held, 0, len(data)):
        if box.name == path[0]:
            content = data[box.start : box.end]
            if len(path) == 1:
                yield content
            else:
                yield from _inside(content, path[1:])


def _find(data: bytes, *path: bytes) -> bytes:
    return next(_inside(data, path), b"")


def _timescale(movie: bytes) -> int:
    box = _find(movie, b"mvhd")
    return big(box, 20 if box[:1] == b"\x01" else 12, 4)


def _stated(movie: bytes, path: tuple[bytes, ...]) -> float | None:
    """The duration in a header of the movie, None when it is 0 or "unknown" (all ones)."""
    box = _find(movie, *path)
    wide = box[:1] == b"\x01"
    at = 4 if path[-1] == b"mehd" else (24 if wide else 16)
    size = 8 if wide else 4
    value = big(box, at, size)
    return None if value == (1 << 8 * size) - 1 else ratio(value, _timescale(movie))


def _fragmented(tail: bytes, movie: bytes) -> float | None:
    """When the last fragment in `tail` ends."""
    at = tail.rfind(b"moof") - 4
    if at < 0:
        return None
    tracks = _tracks(movie)
    ends = [_fragment_end(fragment, tracks) for fragment in _inside(tail[at:], (b"moof", b"traf"))]
    return max((end for end in ends if end), default=None)


def _tracks(movie: bytes) -> dict[bytes, _Track]:
    """The movie's tracks by number."""
    defaults = {box[4:8]: big(box, 12, 4) for box in _inside(movie, (b"mvex", b"trex"))}
    found: dict[bytes, _Track] = {}
    for track in _inside(movie, (b"trak",)):
        header, media = _find(track, b"tkhd"), _find(track, b"mdia", b"mdhd")
        at = 20 if header[:1] == b"\x01" else 12
        number = header[at : at + 4]
        found[number] = _Track(big(media, 20 if media[:1] == b"\x01" else 12, 4), defaults.get(number, 0))
    return found


def _fragment_end(fragment: bytes, tracks: dict[bytes, _Track]) -> float | None:
    header, begin = _find(fragment, b"tfhd"), _find(fragment, b"tfdt")
    track = tracks.get(header[4:8])
    if track is None:
        return None
    base = big(begin, 4, 8 if begin[:1] == b"\x01" else 4)
    each = _default_duration(header) or track.sample
    return ratio(base + sum(_run(run, each) for run in _inside(fragment, (b"trun",))), track.timescale)


def _default_duration(header: bytes) -> int:
    """That of a fragment's samples, 0 when its header has none."""
    flags = big(header, 1, 3)
    at = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    return big(header, at, 4) if flags & 8 else 0


def _run(run: bytes, each: int) -> int:
    """The duration of a run of samples."""
    flags, count = big(run, 1, 3), big(run, 4, 4)
    if not flags & 0x100:
        return count * each
    at = 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    width = 4 * sum(1 for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag)
    places = range(at, len(run) - width + 1, width)[: min(count, _MOST_SAMPLES)]
    added = sum(big(run, place, 4) for place in places)
    return added * count // len(places) if places else 0
