import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.sandbox.images import picture
from polyrelay.sandbox.video import mp4

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"}
PICTURE = picture.draw(picture.digest_of("x"), 1, 64, 48, "jpeg")


def boxes(data: bytes) -> dict[bytes, bytes]:
    """Every box, those in containers too; fails when one does not fit."""
    found, at = dict[bytes, bytes](), 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        body = data[at + 8 : at + size]
        found[name] = body
        if name in CONTAINERS:
            found |= boxes(body)
        at += size
    return found


@settings(max_examples=30, deadline=None)
@given(seconds=st.floats(min_value=0.001, max_value=60))
def test_boxes_fit_and_the_tables_agree(seconds: float) -> None:
    film = mp4.film(PICTURE, 64, 48, seconds)
    found = boxes(film)
    (scale, length) = struct.unpack_from(">II", found[b"mvhd"], 12)
    assert (scale, length) == (1000, round(seconds * 1000))
    (rows,) = struct.unpack_from(">I", found[b"stts"], 4)
    times = [struct.unpack_from(">II", found[b"stts"], 8 + 8 * row) for row in range(rows)]
    (size, frames) = struct.unpack_from(">II", found[b"stsz"], 4)
    assert sum(count for count, _ in times) == frames
    assert sum(count * lasting for count, lasting in times) == length
    (at,) = struct.unpack_from(">I", found[b"stco"], 8)
    assert film[at : at + size] == PICTURE
    assert len(found[b"mdat"]) == frames * size
    assert {b"ftyp", b"tkhd", b"mdhd", b"hdlr", b"vmhd", b"dref", b"stsd", b"stsc"} <= set(found)
