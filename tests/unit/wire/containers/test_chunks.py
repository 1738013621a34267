"""AIFF, AU, CAF and Wave64 with headers written by hand: who writes to a pipe, and who lies."""

import struct

import pytest

from polyrelay.wire.containers import duration, wave64

EIGHT_KHZ = bytes.fromhex("400bfa00000000000000")
"""8 000 as IEEE 754 has it in 80 bits."""
SAMPLES = bytes(16_000)
"""A second of 16 bits at 8 kHz."""


def seconds(data: bytes) -> float | None:
    found = duration.of(lambda size, offset: data[offset : offset + size], len(data))
    assert found is None or not found.guessed
    return None if found is None else found.seconds


def cut(data: bytes, shown: int) -> float | None:
    """The same of a stream that broke off, of which the first and last so many bytes are known."""
    found = duration.delivered(data[:shown], data[-shown:], len(data), whole=False)
    return None if found is None else found.seconds


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack(">I", len(content) if size is None else size) + content + bytes(len(content) % 2)


def common(coding: bytes = b"", *, channels: int = 1, bits: int = 16, rate: bytes = EIGHT_KHZ) -> bytes:
    """It says that there is one frame, which nobody should believe."""
    return chunk(b"COMM", struct.pack(">HIH", channels, 1, bits) + rate + coding)


def aiff(*chunks: bytes, kind: bytes = b"AIFC") -> bytes:
    return b"FORM\0\0\0\0" + kind + b"".join(chunks)


SOUND = chunk(b"SSND", bytes(8) + SAMPLES)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((common(), SOUND), 1.0),
        ((SOUND, chunk(b"NAME", b"odd"), common()), 1.0),
        ((SOUND, common(), common(channels=100)), 1.0),
        ((common(), chunk(b"SSND", bytes(8) + SAMPLES, 0)), 1.0),
        ((common(), chunk(b"SSND", bytes(8) + SAMPLES, 0xFFFFFFFF)), 1.0),
        ((common(b"NONE\x0enot compressed\0"), SOUND), 1.0),
        ((common(b"sowt", channels=2), SOUND), 0.5),
        ((common(b"twos", bits=12), SOUND), 1.0),
        ((common(b"alaw"), SOUND), 2.0),
        ((common(b"in24"), SOUND), 5333 / 8000),
        ((common(b"fl32"), SOUND), 0.5),
        ((common(b"FL64"), SOUND), 0.25),
        ((common(b"ima4"), SOUND), 470 * 64 / 8000),
        ((common(b"MAC6"), SOUND), 12.0),
        ((common(b"Qclp"), SOUND), None),
        ((common(channels=0), SOUND), None),
        ((common(bits=0), SOUND), None),
        ((common(rate=bytes(10)), SOUND), None),
        ((common(rate=b"\x7f\xff" + b"\xff" * 8), SOUND), None),
        ((common(rate=b"\xc0\x0b" + EIGHT_KHZ[2:]), SOUND), None),
        ((common(rate=b"\x40\x0b" + bytes(8)), SOUND), None),
        ((common(), chunk(b"SSND", bytes(8))), None),
        ((common(),), None),
        ((SOUND,), None),
        ((), None),
    ],
)
def test_aiff(chunks: tuple[bytes, ...], expected: float | None) -> None:
    assert seconds(aiff(*chunks)) == expected


def test_aiff_of_another_kind_is_none() -> None:
    assert seconds(aiff(common(), SOUND, kind=b"8SVX")) is None


def au(encoding: int = 3, *, rate: int = 8000, channels: int = 1, start: int = 24, size: int = 4) -> bytes:
    head = b".snd" + struct.pack(">IIIII", start, size, encoding, rate, channels)
    return head + bytes(max(min(start, 99) - 24, 0)) + SAMPLES


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (au(), 1.0),
        (au(size=0xFFFFFFFF), 1.0),
        (au(start=28), 1.0),
        (au(1), 2.0),
        (au(4), 5333 / 8000),
        (au(7), 0.25),
        (au(23), 4.0),
        (au(27, channels=2), 1.0),
        (au(2, rate=1), 16_000.0),
        (au(rate=0), None),
        (au(channels=0), None),
        (au(9), None),
        (au(start=0), None),
        (au(start=0xFFFFFFFF), None),
        (au()[:24], None),
        (au()[:20], None),
    ],
)
def test_au(data: bytes, expected: float | None) -> None:
    assert seconds(data) == expected


def wide(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack(">q", len(content) if size is None else size) + content


def caf(*chunks: bytes) -> bytes:
    return b"caff\0\1\0\0" + b"".join(chunks)


def described(packet: int = 2, frames: int = 1, rate: float = 8000.0, coding: bytes = b"lpcm") -> bytes:
    return wide(b"desc", struct.pack(">d4sIIIII", rate, coding, 0, packet, frames, 1, 16))


def table(packets: int, valid: int) -> bytes:
    return wide(b"pakt", struct.pack(">qqii", packets, valid, 0, 0))


DATA = wide(b"data", bytes(4) + SAMPLES)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((described(), DATA), 1.0),
        ((described(), wide(b"free", b"odd"), DATA), 1.0),
        ((described(), wide(b"data", bytes(4) + SAMPLES, -1)), 1.0),
        ((described(), wide(b"data", bytes(4) + SAMPLES, 2**62)), 1.0),
        ((described(), DATA, described(rate=1e6)), 1.0),
        ((described(), described(rate=1e6), DATA), 1.0),
        ((described(1_000_000, 1), DATA), 1.0),
        ((described(34, 1, coding=b"ima4"), DATA), 470 * 64 / 8000),
        ((described(1, 1, coding=b"alaw"), DATA), 2.0),
        ((described(1, 1, coding=b"what"), DATA), None),
        ((described(0, 960, coding=b"opus"), DATA, table(10, 8000)), 1.0),
        ((described(0, 800, coding=b"aac "), table(14, 0), DATA), 1.0),
        ((described(0, 800, coding=b"aac "), table(14, 1), DATA), 1.0),
        ((described(0, 800, coding=b"aac "), table(14, 1), table(1, 0), DATA), 1.0),
        ((described(0, 800, coding=b"aac "), table(1, 0), DATA), None),
        ((described(0, 800, coding=b"aac "), DATA), None),
        ((described(0, 480, coding=b"opus"), table(10, 8000), DATA), 1.0),
        ((described(0, 479, coding=b"opus"), table(10, 8000), DATA), None),
        ((described(0, 1, coding=b"aac "), table(1000, 0), DATA), None),
        ((described(0, 4095, coding=b"alac"), table(10, 8000), DATA), None),
        ((described(0, 960, coding=b"what"), table(10, 8000), DATA), None),
        ((described(0, 960, coding=b"opus"), table(2**62, 2**62), DATA), None),
        ((described(rate=0.0), DATA), None),
        ((described(rate=-8000.0), DATA), None),
        ((described(rate=float("nan")), DATA), None),
        ((described(rate=float("inf")), DATA), None),
        ((described(rate=5e-324), DATA), None),
        ((described()[:40], DATA), None),
        ((DATA,), None),
        ((described(),), None),
    ],
)
def test_caf(chunks: tuple[bytes, ...], expected: float | None) -> None:
    assert seconds(caf(*chunks)) == expected


def test_a_packet_table_says_nothing_of_a_part() -> None:
    whole = caf(described(0, 960, coding=b"opus"), table(10, 8000), DATA)
    assert cut(whole, 400) is None
    assert cut(caf(described(), DATA), 400) == 1.0


def test_a_second_format_of_a_wav_file_is_not_heeded() -> None:
    def part(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content

    true, fast = (part(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)) for rate in (8000, 8_000_000))
    for chunks in ((true, fast, part(b"data", SAMPLES)), (true, part(b"data", SAMPLES), fast)):
        assert seconds(b"RIFF\0\0\0\0WAVE" + b"".join(chunks)) == 1.0


FORM = wave64.FORMAT + struct.pack("<QHHIIHH", 40, 1, 1, 8000, 16_000, 2, 16)
DATA_GUID = b"data" + wave64.FORMAT[4:]


def wave(*chunks: bytes) -> bytes:
    return wave64.MAGIC + bytes(28) + b"".join(chunks)


def sound(size: int) -> bytes:
    return DATA_GUID + struct.pack("<Q", size) + SAMPLES


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((FORM, sound(24 + len(SAMPLES))), 1.0),
        ((FORM, bytes(16) + struct.pack("<Q", 27) + bytes(8), sound(24 + len(SAMPLES))), 1.0),
        ((FORM, sound(2**63 - 1)), 1.0),
        ((FORM, sound(2**64 - 1)), 1.0),
        ((FORM, sound(0)), 1.0),
        ((FORM, bytes(16) + struct.pack("<Q", 23) + bytes(8), sound(0)), None),
        ((FORM.replace(struct.pack("<I", 8000), bytes(4)), sound(0)), None),
        ((sound(0),), None),
        ((FORM,), None),
    ],
)
def test_wave64(chunks: tuple[bytes, ...], expected: float | None) -> None:
    assert seconds(wave(*chunks)) == expected


@pytest.mark.parametrize(
    "data",
    [aiff(common(), SOUND), au(), caf(described(), DATA), wave(FORM, sound(2**63 - 1))],
    ids=["aiff", "au", "caf", "wave64"],
)
def test_a_file_that_was_cut_lasts_as_long_as_what_is_there(data: bytes) -> None:
    assert seconds(data[:-8000]) == 0.5
    assert cut(data[:-8000], 300) == 0.5
    assert seconds(data[: len(data) - len(SAMPLES)]) is None
