"""Streams that are nothing but frames, each with its own header: MPEG audio, AAC in ADTS, AMR.

Frames are walked at places all over the file, close by at its ends, which are all that is known of a stream. What lies
between is taken to be as dense on average: exact where the bit rate is constant, and close where it is not.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from polyrelay.exchange.sound import Length
from polyrelay.wire.containers.media import Media

WINDOW_BYTES = 8 * 1024
"""Walked at each place; the longest frame has 8 191."""

_CLOSE, _SPREAD = 3, 10
"""Places at either end one after the other, and places between."""

_WHOLE_BYTES = 64 * 1024
"""A file up to this size is walked whole."""

_MOST_FRAMES = 64
"""Walked at each place: only of a file that is mostly silence do more lie in a window."""

_MOST_TRIES = 64
"""Places that look like a header which are tried in a window. Inside of a frame there are about six."""

_STEADY = 1.05
"""How much longer the sound in a byte may be in one place than in another, for the bit rate to count as constant."""

_PROVEN = 3
"""Frames that must follow one another before a header is believed; fewer only where the file ends with them."""

_HEADER_BYTES = 10
"""Of no frame is the header longer: nearer to the end it may be incomplete."""


class Frame(NamedTuple):
    """A frame's `length` in bytes, header included, its `samples` for each channel, and their `rate` a second. `key` is
    what all frames of a stream share.
    """

    length: int
    samples: int
    rate: int
    key: int


Parse = Callable[[bytes, int], Frame | None]
"""The frame whose header is at an offset; None when there is none."""


class _Walked(NamedTuple):
    seconds: float
    size: int


def first(data: bytes, parse: Parse, sync: re.Pattern[bytes]) -> int | None:
    """Where the first believable frame begins in `data`; its header matches `sync`."""
    tries = (match.start() for match in sync.finditer(data))
    for _, at in zip(range(_MOST_TRIES), tries):  # noqa: B905 - whichever ends first
        if _is_proven(data, at, parse):
            return at
    return None


def length(media: Media, start: int, end: int, parse: Parse, sync: re.Pattern[bytes]) -> Length | None:
    """The duration of the frames between `start` and `end`; None when there are none."""
    if end - start <= _WHOLE_BYTES:
        walked = [_walk(media.read(end - start, start), parse, sync, _WHOLE_BYTES)]
    else:
        walked = [_walk(media.read(WINDOW_BYTES, at), parse, sync, _MOST_FRAMES) for at in _places(start, end)]
    paces = [each.seconds / each.size for each in walked if each.size]
    if not paces:
        return None
    return Length(sum(paces) / len(paces) * (end - start), guessed=max(paces) > _STEADY * min(paces))


def _places(start: int, end: int) -> list[int]:
    near, step = _CLOSE * WINDOW_BYTES, (end - start) // (_SPREAD + 1)
    head = range(start, start + near, WINDOW_BYTES)
    tail = range(end - near, end, WINDOW_BYTES)
    return [*head, *(start + step * number for number in range(1, _SPREAD + 1)), *tail]


def _walk(data: bytes, parse: Parse, sync: re.Pattern[bytes], most: int) -> _Walked:
    """The whole frames in `data`, at most so many."""
    begin = first(data, parse, sync)
    if begin is None:
        return _Walked(0.0, 0)
    at, played = begin, 0.0
    for _ in range(most):
        frame = parse(data, at)
        if frame is None or at + frame.length > len(data):
            break
        played += frame.samples / frame.rate
        at += frame.length
    return _Walked(played, at - begin)


def _is_proven(data: bytes, at: int, parse: Parse) -> bool:
    key: int | None = None
    for count in range(_PROVEN):
        frame = parse(data, at)
        if frame is None or (key is not None and frame.key != key):
            return count > 0 and (at == len(data) or (count > 1 and at > len(data) - _HEADER_BYTES))
        key = frame.key
        at += frame.length
    return True
