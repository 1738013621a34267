"""MP4 with Motion JPEG: one picture a second, the same each time (ISO/IEC 14496-12, -14; object type 6C of 14496-1).

The pictures carry the code of `images.picture`, so a frame says which prompt the film was made for.
"""

import struct

_SCALE = 1000
"""Units a second, in which films measure time."""
_VIDEO, _JPEG = b"vide", 0x6C
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_DPI = 0x480000
_BITS = 24
_ESDS_TAG, _DECODER_TAG, _SYNC_TAG = 3, 4, 6
_VISUAL_STREAM = 0x11
_SELF_CONTAINED = 1


def film(picture: bytes, width: int, height: int, seconds: float) -> bytes:
    """A film of a JPEG `picture` of that size. Its length is exact to the millisecond."""
    frames = max(1, -(-round(seconds * _SCALE) // _SCALE))
    brand = _box(b"ftyp", b"isom" + struct.pack(">I", 0x200) + b"isomiso2mp41")
    length = round(seconds * _SCALE)
    moov = _moov(picture, width, height, frames, length, first=0)
    start = len(brand) + len(moov) + 8
    moov = _moov(picture, width, height, frames, length, first=start)
    return brand + moov + _box(b"mdat", picture * frames)


def _moov(picture: bytes, width: int, height: int, frames: int, length: int, *, first: int) -> bytes:
    played = struct.pack(">IIIIIH10x", 0, 0, _SCALE, length, 0x10000, 0x100)
    mvhd = _full(b"mvhd", 0, played + _MATRIX + bytes(24) + struct.pack(">I", 2))
    return _box(b"moov", mvhd + _track(picture, width, height, frames, length, first))


def _track(picture: bytes, width: int, height: int, frames: int, length: int, first: int) -> bytes:
    shown = struct.pack(">IIIII8xhhh2x", 0, 0, 1, 0, length, 0, 0, 0)
    tkhd = _full(b"tkhd", 3, shown + _MATRIX + struct.pack(">II", width << 16, height << 16))
    mdhd = _full(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, _SCALE, length, 0x55C4, 0))
    hdlr = _full(b"hdlr", 0, struct.pack(">I4s12x", 0, _VIDEO) + b"polyrelay sandbox\0")
    here = _full(b"dref", 0, struct.pack(">I", 1) + _full(b"url ", _SELF_CONTAINED, b""))
    table = _table(picture, width, height, frames, length, first)
    minf = _box(b"minf", _full(b"vmhd", 1, bytes(8)) + _box(b"dinf", here) + table)
    return _box(b"trak", tkhd + _box(b"mdia", mdhd + hdlr + minf))


def _table(picture: bytes, width: int, height: int, frames: int, length: int, first: int) -> bytes:
    """Where each frame is, and how long it is shown: a second, and the last one what is left."""
    last = length - (frames - 1) * _SCALE
    times = [(frames - 1, _SCALE), (1, last)] if frames > 1 else [(1, last)]
    stts = struct.pack(">I", len(times)) + b"".join(struct.pack(">II", *time) for time in times)
    return _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1) + _entry(len(picture), width, height))
        + _full(b"stts", 0, stts)
        + _full(b"stsc", 0, struct.pack(">IIII", 1, 1, frames, 1))
        + _full(b"stsz", 0, struct.pack(">II", len(picture), frames))
        + _full(b"stco", 0, struct.pack(">II", 1, first)),
    )


def _entry(size: int, width: int, height: int) -> bytes:
    visual = struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, _DPI, _DPI, 0, 1, _BITS, -1)
    decoder = struct.pack(">BBBHII", _JPEG, _VISUAL_STREAM, 0, 0, 8 * size, 8 * size)
    described = struct.pack(">HB", 1, 0) + _descriptor(_DECODER_TAG, decoder) + _descriptor(_SYNC_TAG, b"\x02")
    return _box(b"mp4v", visual + _full(b"esds", 0, _descriptor(_ESDS_TAG, described)))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body


def _full(name: bytes, flags: int, body: bytes) -> bytes:
    return _box(name, struct.pack(">I", flags) + body)


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body
