"""Whatever the bytes of a recording are, measuring it ends soon, in a sane duration or none."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange.sound import MOST_SECONDS
from polyrelay.wire.containers import duration, wave64
from polyrelay.wire.containers.media import BUDGET_BYTES, LEAST_COST, windows

DATA = Path(__file__).parents[2] / "unit" / "wire" / "containers" / "data"
FILES = {path.name: path.read_bytes() for path in sorted(DATA.iterdir()) if path.suffix not in ("", ".md")}
MAGICS = [
    b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0",
    b"OggS",
    b"fLaC\0\0\0\x22",
    b"\x1a\x45\xdf\xa3\x9f\x18\x53\x80\x67",
    b"\0\0\0\x08ftyp\0\0\0\0moov",
    b"ID3\4\0\0\0\0\0\x05",
    b"\xff\xfb\x90\x64",
    b"\xff\xf1\x50\x80",
    b"FORM\0\0\0\0AIFCCOMM\0\0\0\x18\0\1\0\0\0\0\0\x10\x40\x0b\xfa\0\0\0\0\0\0\0NONE\0\0",
    b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12\0\1",
    b".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\3",
    b"caff\0\1\0\0desc\0\0\0\0\0\0\0\x20",
    b"caff\0\1\0\0desc\0\0\0\0\0\0\0\x20\x40\xe7\x70\0\0\0\0\0opus" + bytes(20) + b"pakt\0\0\0\0\0\0\0\x10",
    b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0" + bytes(24) + wave64.FORMAT + b"\x28\0\0\0\0\0\0\0\1\0\1\0",
    b"#!AMR\n",
    b"#!AMR-WB\n",
    b"",
]


class Watched:
    """Reads, and counts what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.reads = 0
        self.bytes = 0

    def __call__(self, size: int, offset: int) -> bytes:
        found = self._data[offset : offset + size]
        self.reads += 1
        self.bytes += len(found)
        return found


def check(data: bytes) -> None:
    read = Watched(data)
    found = duration.of(read, len(data))
    assert found is None or 0 < found.seconds <= MOST_SECONDS
    assert read.bytes <= BUDGET_BYTES
    assert read.reads <= BUDGET_BYTES // LEAST_COST + 1


@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=2000), times=st.integers(1, 200))
def test_any_bytes_behind_a_magic(magic: bytes, rest: bytes, times: int) -> None:
    check(magic + rest * times)


@given(st.sampled_from(sorted(FILES)), st.data())
def test_real_files_with_bytes_changed(name: str, data: st.DataObject) -> None:
    whole = bytearray(FILES[name])
    edits = st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255))
    for at, value in data.draw(st.lists(edits, max_size=12)):
        whole[at] = value
    cut = data.draw(st.integers(0, len(whole)))
    check(bytes(whole[:cut]) if data.draw(st.booleans()) else bytes(whole))


@given(st.sampled_from(sorted(FILES)), st.data())
def test_pieces_of_real_files_in_any_order(name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    places = st.tuples(st.integers(0, len(whole)), st.integers(0, 400))
    pieces = data.draw(st.lists(places, max_size=8))
    check(whole[:64] + b"".join(whole[at : at + size] for at, size in pieces))


@given(st.binary(max_size=300), st.integers(0, 100), st.integers(0, 100), st.integers(0, 320), st.integers(0, 100))
def test_what_is_known_of_a_stream_is_read_as_it_was(data: bytes, head: int, tail: int, offset: int, size: int) -> None:
    first, last = data[:head], data[len(data) - tail :] if tail <= len(data) else data
    found = windows(first, last, len(data))(size, offset)
    assert found == data[offset : offset + len(found)]
    if len(first) + len(last) >= len(data) or offset >= len(data) - len(last):
        assert found == data[offset : offset + size]
