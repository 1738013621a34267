"""How records lie in a journal, and how they are found again. Bytes and offsets only; the file is the caller's.

    magic (4 bytes) | length of the payload (4) | CRC-32 (4) | payload          integers little-endian

The CRC starts from the frame's end offset, so it vouches for place and length too: a frame copied, shifted, or packed
into another record's payload is none.
"""

import struct
from collections.abc import Callable, Generator
from zlib import crc32

MAGIC = b"\xffPJ1"
"""0xff does not occur in UTF-8, so no text of a client's can pass for the start of a frame."""

_HEADER = struct.Struct("<4sII")
_header = _HEADER.pack
OVERHEAD = _HEADER.size
"""Bytes that a frame adds to its payload."""

PAYLOAD_MAX = (1 << 20) - OVERHEAD
"""Bytes of the largest payload; a frame is at most 1 MiB, so a damaged length cannot ask for much memory."""

BUFFER = 256 << 10
"""Bytes per read: some hundred records a system call."""

Frame = tuple[int, bytes]
"""A frame's end offset, where the next one starts, and its payload."""

Read = Callable[[int, int], bytes]
"""`read(size, offset)`: `size` bytes from `offset`, fewer only at the end of the file (`os.pread` of a file)."""


def pack(payload: bytes, end: int) -> bytes:
    """The frame of `payload` that ends at offset `end`."""
    return _header(MAGIC, len(payload), crc32(payload, end & 0xFFFFFFFF)) + payload


def unpack(window: bytes, at: int, offset: int) -> Frame | None:
    """The frame at index `at` of `window`, which is `offset` of the file; None unless it is there, whole and true."""
    size, checksum = _announced(window, at)
    if size == 0 or len(window) - at < size:
        return None
    payload, end = window[at + OVERHEAD : at + size], offset + size
    return (end, payload) if crc32(payload, end & 0xFFFFFFFF) == checksum else None


def scan(
    read: Read, offset: int, *, end: int | None = None, buffer: int = BUFFER
) -> Generator[Frame, None, int | None]:
    """Frames from `offset` on, which must be 0 or a frame's end. Returns the offset of damage, or None for a sound end.

    Sound is `end`, for a reader who knows how far the writer got. For others it is whatever is not a frame and has none
    behind it: zeros allocated ahead, the end of the file, a frame cut short or half written. The writer may be at work.
    At the file's beginning it is sound only when it is the beginning of a frame, or nothing: no writer leaves else.
    """
    window, start = b"", offset
    while end is None or offset < end:
        frame = unpack(window, offset - start, offset)
        if frame is None:
            window, start = _load(read, offset, buffer), offset
            frame = unpack(window, 0, offset)
        if frame is None:
            if end is None and not _frame_behind(read, offset, buffer):
                return None if offset or _begun_or_empty(read, buffer) else 0
            # A writer finishes each frame before the next: one that was half written is whole once another follows.
            frame = unpack(_load(read, offset, buffer), 0, offset)
        if frame is None:
            return offset
        yield frame
        offset = frame[0]
    return None


def _announced(window: bytes, at: int) -> tuple[int, int]:
    """Size in bytes and checksum of the frame whose header is at index `at`; size 0 when there is none."""
    if len(window) - at >= OVERHEAD:
        magic, length, checksum = _HEADER.unpack_from(window, at)
        if magic == MAGIC and length <= PAYLOAD_MAX:
            return OVERHEAD + length, checksum
    return 0, 0


def _load(read: Read, offset: int, buffer: int) -> bytes:
    """A buffer from `offset`, or more when the frame there is larger."""
    window = read(max(buffer, OVERHEAD), offset)
    size, _ = _announced(window, 0)
    return read(size, offset) if size > len(window) else window


def _frame_behind(read: Read, offset: int, buffer: int) -> bool:
    """Whether a frame starts anywhere after `offset`."""
    base = offset + 1
    while len(window := read(max(buffer, OVERHEAD), base)) >= OVERHEAD:
        at = window.find(MAGIC)
        while at >= 0:
            if unpack(_load(read, base + at, OVERHEAD), 0, base + at):
                return True
            at = window.find(MAGIC, at + 1)
        base += len(window) - OVERHEAD + 1
    return False


def _begun_or_empty(read: Read, buffer: int) -> bool:
    """Whether the file begins with a frame's magic, or a part of it, or has nothing but zeros."""
    head, base = read(len(MAGIC), 0), len(MAGIC)
    if head == MAGIC:
        return True
    if not MAGIC.startswith(head.rstrip(b"\0")):
        return False
    while window := read(buffer, base):
        if window.strip(b"\0"):
            return False
        base += len(window)
    return True
