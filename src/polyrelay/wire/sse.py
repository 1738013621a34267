"""Server-sent events on bytes (WHATWG HTML 9.2): framing that keeps every byte, and the fields of a frame.

A frame ends at a blank line; lines end with LF, CRLF or a lone CR. A CR at the end of what has arrived may be half of
a CRLF, so a lone one counts only once the next byte is known: how the bytes are split never changes the frames.
"""

import re
from itertools import accumulate, pairwise

from polyrelay.kernel import bounds
from polyrelay.kernel.errors import PolyrelayError

_BLANK = re.compile(rb"(?:\r\n|\n|\r(?=[^\n])){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_LONGEST_HALF = 3
"""Bytes of a blank line that may have arrived without its last one: CR LF CR."""


class FrameTooLongError(PolyrelayError):
    """One frame is longer than the bound; what follows cannot be told apart any more."""


class Framer:
    """Cuts a byte stream into frames, each with its blank line. `pending` holds the bytes of an incomplete one."""

    __slots__ = ("_limit", "pending")

    def __init__(self, limit: int = bounds.SSE_FRAME_BYTES) -> None:
        """`limit` is the longest frame in bytes."""
        self._limit = limit
        self.pending = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames completed by `chunk`; the very object when it is exactly one. Raises `FrameTooLongError`."""
        half = bytes(self.pending[-_LONGEST_HALF:])
        before = len(self.pending) - len(half)
        ends = _blank_ends(half + chunk)
        if not ends:
            self.pending += chunk
            self._check(len(self.pending))
            return []
        text = b"".join((self.pending, chunk)) if self.pending else chunk
        frames = [text[start:end] for start, end in pairwise([0, *(before + end for end in ends)])]
        self.pending = bytearray(text[before + ends[-1] :])
        self._check(max(len(self.pending), *map(len, frames)))
        return frames

    def _check(self, length: int) -> None:
        if length > self._limit:
            raise FrameTooLongError(f"an SSE frame is longer than {self._limit} bytes")


def data_line(frame: bytes) -> bytes | None:
    """The data of a frame that is one data line and its blank line, as nearly every one is; None for any other."""
    if frame.count(b"\n") != len(b"\n\n") or not frame.startswith(b"data:"):
        return None
    if frame.endswith(b"\n\n") and b"\r" not in frame:
        end = -2
    elif frame.endswith(b"\r\n\r\n") and frame.count(b"\r") == frame.count(b"\n"):
        end = -4
    else:
        return None
    return frame[6:end] if frame.startswith(b" ", 5) else frame[5:end]


def fields(frame: bytes) -> tuple[bytes | None, bytes | None]:
    """Event type and data of a frame, data lines joined with LF; None for a field it does not have."""
    line = data_line(frame)
    if line is not None:
        return None, line
    event: bytes | None = None
    data: list[bytes] = []
    for text in _lines(frame.removeprefix(_BOM)):
        name, _, value = text.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            event = value.removeprefix(b" ")
    return event, b"\n".join(data) if data else None


def replace_data(frame: bytes, old: bytes, new: bytes) -> bytes:
    """`frame` with the data `old` replaced by `new`; every other byte stays where the data is on one line."""
    if b"\n" not in old:
        return frame.replace(old, new, 1)
    others = [line for line in _lines(frame) if line and line.partition(b":")[0] != b"data"]
    data = [b"data: " + line for line in new.split(b"\n")]
    ends: list[bytes] = _LINE_END.findall(frame)
    return ends[-1].join([*others, *data, b"", b""])


def _lines(frame: bytes) -> list[bytes]:
    if b"\r" not in frame:
        return frame.split(b"\n")
    lines: list[bytes] = _LINE_END.split(frame)
    return lines


def _blank_ends(text: bytes) -> list[int]:
    """Where blank lines end. Uniform line ends, the usual case, are split in C."""
    if b"\r" not in text:
        blank = b"\n\n"
    elif text.count(b"\r\n") == text.count(b"\r") == text.count(b"\n"):
        blank = b"\r\n\r\n"
    else:
        return [found.end() for found in _BLANK.finditer(text)]
    return list(accumulate(len(piece) + len(blank) for piece in text.split(blank)[:-1]))
