"""A reader finds every record that was finished, whatever became of the last one, and never passes over damage."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.storage.journaling import frames
from polyrelay.storage.journaling.frames import OVERHEAD, PAYLOAD_MAX, Frame

EMBEDDED = b"a record may hold " + frames.pack(b"another", OVERHEAD + 7) + frames.MAGIC
PAYLOADS = st.lists(st.binary(max_size=90) | st.just(EMBEDDED), max_size=8)
BUFFERS = st.integers(1, 200) | st.just(frames.BUFFER)
TAILS = st.builds(bytes, st.integers(0, 300)) | st.binary(max_size=50)


def written(payloads: Sequence[bytes]) -> tuple[bytes, list[Frame]]:
    """A file of these records, and what a reader should say of it."""
    file, found = b"", []
    for payload in payloads:
        end = len(file) + OVERHEAD + len(payload)
        file += frames.pack(payload, end)
        found.append((end, payload))
    return file, found


def read(file: bytes, offset: int = 0, end: int | None = None, buffer: int = 64) -> tuple[list[Frame], int | None]:
    """The frames found, and the offset of damage."""
    found: list[Frame] = []
    walk = frames.scan(lambda size, at: file[at : at + size], offset, end=end, buffer=buffer)
    while True:
        try:
            found.append(next(walk))
        except StopIteration as stop:
            return found, stop.value


FILE, FOUND = written([b"first", EMBEDDED, b"third", EMBEDDED])
LAST = FOUND[-2][0]


@given(PAYLOADS, TAILS, BUFFERS, st.data())
def test_every_record_comes_back_from_any_of_them_on(
    payloads: list[bytes], tail: bytes, buffer: int, data: st.DataObject
) -> None:
    file, found = written(payloads)
    skipped = data.draw(st.integers(0, len(found)))
    offset = found[skipped - 1][0] if skipped else 0
    damage = None if found or begins(tail) else 0
    assert read(file + tail, offset, buffer=buffer) == (found[skipped:], damage)
    assert read(file + tail, offset, end=len(file), buffer=buffer) == (found[skipped:], None)


def begins(tail: bytes) -> bool:
    """Whether a writer that was stopped before its first record was whole could have left this file."""
    written = tail.rstrip(b"\0")
    return tail.startswith(frames.MAGIC) or frames.MAGIC.startswith(written)


def test_a_file_of_something_else_is_damaged_from_its_first_byte() -> None:
    for file in (b"x", frames.MAGIC[:2] + b"x", bytes(99) + b"x", b"notes\n"):
        assert read(file) == ([], 0)
    for file in (b"", bytes(99), frames.MAGIC[:2], frames.MAGIC[:2] + bytes(99), frames.MAGIC + b"torn"):
        assert read(file) == ([], None)


def flipped(at: int) -> bytes:
    return FILE[:at] + bytes([FILE[at] ^ 0x10]) + FILE[at + 1 :]


def test_an_end_cut_or_flipped_at_any_byte_costs_the_last_record_only() -> None:
    for at, ahead in itertools.product(range(LAST, len(FILE)), (b"", bytes(500))):
        for torn in (FILE[:at] + ahead, flipped(at) + ahead):
            assert read(torn) == (FOUND[:-1], None), at
            assert read(torn, end=len(FILE)) == (FOUND[:-1], LAST), at


def test_damage_before_the_last_record_is_told_with_its_place() -> None:
    for at in range(LAST):
        whole = [frame for frame in FOUND if frame[0] <= at]
        start, end = whole[-1][0] if whole else 0, FOUND[len(whole)][0]
        for damaged in (flipped(at), FILE[:at] + bytes(end - at) + FILE[end:]):
            assert read(damaged, buffer=1 + at % 50) == (whole, start), at


@given(PAYLOADS, BUFFERS, st.lists(st.integers(0, 400), min_size=1))
def test_a_file_that_grows_under_the_reader_is_no_damage(payloads: list[bytes], buffer: int, steps: list[int]) -> None:
    file, found = written(payloads)
    grown = itertools.accumulate(itertools.cycle(steps))

    def look(size: int, at: int) -> bytes:
        now = file[: next(grown)]
        return (now + bytes(len(file) + 99 - len(now)))[at : at + size]

    seen = list(frames.scan(look, 0, buffer=buffer))
    assert seen == found[: len(seen)]


def test_the_largest_record_and_a_length_beyond_it() -> None:
    file, found = written([bytes(PAYLOAD_MAX), b"next"])
    assert read(file, buffer=frames.BUFFER) == (found, None)
    file, _ = written([bytes(PAYLOAD_MAX + 1)])
    assert read(file, buffer=frames.BUFFER) == ([], None)
    file, _ = written([bytes(PAYLOAD_MAX + 1), b"next"])
    assert read(file, buffer=frames.BUFFER) == ([], 0)


def test_places_beyond_32_bits() -> None:
    place = 1 << 32
    frame = frames.pack(b"far", place + OVERHEAD + 3)
    assert frames.unpack(frame, 0, place) == (place + OVERHEAD + 3, b"far")
    assert frames.unpack(frame, 0, place + 1) is None
