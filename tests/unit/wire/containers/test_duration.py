"""Real files of every kind, made by ffmpeg from 1.3 s of a tone (see `data/README`), and files that tell stories."""

from pathlib import Path

import pytest

from polyrelay.exchange.sound import MOST_SECONDS
from polyrelay.wire.containers import duration
from polyrelay.wire.spoken import MEASURED_BYTES

DATA = Path(__file__).parent / "data"
FILES = sorted(path.name for path in DATA.iterdir() if path.suffix not in ("", ".md"))
SECONDS = 1.3
PADDED = {"adpcm.wav": 1.527, "adpcm.w64": 1.527}
"""Formats of long blocks are filled up, and play so long."""
FRAME = 0.072
"""Longest frame of the coarsest format here, which a file may be longer than the tone: 576 samples at 8 kHz."""


def seconds(data: bytes) -> float | None:
    found = duration.of(lambda size, offset: data[offset : offset + size], len(data))
    return None if found is None else found.seconds


def streamed(data: bytes) -> float | None:
    found = duration.delivered(data[:MEASURED_BYTES], data[-MEASURED_BYTES:], len(data))
    return None if found is None else found.seconds


def file(name: str) -> bytes:
    return (DATA / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_each_kind(name: str) -> None:
    assert seconds(file(name)) == pytest.approx(PADDED.get(name, SECONDS), abs=FRAME)


@pytest.mark.parametrize("name", FILES)
def test_the_same_seen_as_it_passes(name: str) -> None:
    assert streamed(file(name)) == seconds(file(name))


def repeated(name: str, times: int) -> bytes:
    """A longer stream of the same frames."""
    return file(name) * times


@pytest.mark.parametrize("name", ["bare.mp3", "adts.aac", "layer2.mp3"])
@pytest.mark.parametrize("look", [seconds, streamed])
def test_long_streams_of_frames_are_measured_by_samples_of_them(name: str, look: object) -> None:
    data = repeated(name, 200)
    assert len(data) > 4 * MEASURED_BYTES
    one = seconds(file(name))
    assert one is not None
    assert look(data) == pytest.approx(200 * one, rel=0.02)  # type: ignore[operator]


def layer_three(kbits_index: int, kbits: int, frames: int) -> bytes:
    """Frames of MPEG 2 layer III at 24 kHz without a sound in them."""
    head = bytes((0xFF, 0xF3, kbits_index << 4 | 1 << 2, 0xC4))
    return (head + bytes(72 * kbits * 1000 // 24000 - 4)) * frames


def test_a_bit_rate_that_varies_makes_a_guess_and_a_constant_one_does_not() -> None:
    for data, guessed in (
        (layer_three(4, 32, 5000), False),
        (layer_three(1, 8, 5000) + layer_three(8, 64, 5000), True),
    ):
        found = duration.of(lambda size, offset, data=data: data[offset : offset + size], len(data))  # type: ignore[misc]
        assert found is not None
        assert found.guessed is guessed
        assert guessed or found.seconds == pytest.approx(5000 * 576 / 24000)


@pytest.mark.parametrize("name", ["pcm.wav", "bare.mp3", "cbr.mp3", "adts.aac", "alaw.wav"])
def test_a_part_that_broke_off_lasts_its_share(name: str) -> None:
    data = file(name)
    part = seconds(data[: len(data) // 2])
    assert part == pytest.approx(SECONDS / 2, abs=2 * FRAME)


def test_a_header_that_promises_more_than_comes_counts_what_came() -> None:
    data = file("pcm.wav")
    at = data.index(b"data") + 4
    boast = data[:at] + (2**31).to_bytes(4, "little") + data[at + 4 :]
    assert seconds(boast) == seconds(data)


def test_sound_in_several_chunks_adds_up() -> None:
    """Players read on, so a short first chunk must not hide a long second one."""
    data = file("pcm.wav")
    more = b"LIST\4\0\0\0INFO" + b"data" + (8000).to_bytes(4, "little") + bytes(8000)
    assert seconds(data + more) == pytest.approx(SECONDS + 1)


def test_a_duration_that_the_last_cluster_belies_is_not_believed() -> None:
    data = file("opus.webm")
    at = data.index(b"\x44\x89\x88") + 3
    assert seconds(data[:at] + bytes(8) + data[at + 8 :]) == pytest.approx(SECONDS, abs=0.05)


def test_a_stream_of_unknown_length_is_as_long_as_it_is() -> None:
    data = file("pcm.wav")
    at = data.index(b"data") + 4
    for unknown in (b"\xff\xff\xff\xff", b"\0\0\0\0"):
        assert seconds(data[:at] + unknown + data[at + 4 :]) == seconds(data)


def test_a_count_of_frames_that_the_file_belies_is_not_believed() -> None:
    """Whoever sends a recording writes its header, and pays by its length."""
    data = file("cbr.mp3")
    at = data.index(b"Info") + 8
    long = data[:at] + b"\0\0\0\1" + data[at + 4 :] + data[len(data) // 2 :] * 400
    found = seconds(long)
    assert found is not None
    assert found > 200


def test_flac_without_a_count_is_read_from_its_last_frame() -> None:
    data = file("whole.flac")
    info = data.index(b"fLaC") + 8
    piped = data[: info + 13] + bytes((data[info + 13] & 0xF0, 0, 0, 0, 0)) + data[info + 18 :]
    assert seconds(piped) == seconds(data)


def test_flac_that_counts_less_than_it_has_is_read_from_its_last_frame() -> None:
    data = file("whole.flac")
    info = data.index(b"fLaC") + 8
    modest = data[: info + 13] + bytes((data[info + 13] & 0xF0, 0, 0, 0, 9)) + data[info + 18 :]
    assert seconds(modest) == seconds(data)


def test_the_movie_may_stand_behind_any_amount_of_sound() -> None:
    """A 60 MB recording: its box is jumped over, not read."""
    data = file("moov_last.m4a")
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    added = 60_000_000
    head, tail = data[:at] + (size + added).to_bytes(4, "big") + data[at + 4 : at + 8], data[at + size :]
    total = len(data) + added

    def read(count: int, offset: int) -> bytes:
        if offset < len(head):
            return head[offset : offset + count]
        start = total - len(tail)
        return tail[max(offset - start, 0) : max(offset - start + count, 0)] if offset + count > start else bytes(count)

    found = duration.of(read, total)
    assert found is not None
    assert found.seconds == seconds(data)


def test_a_large_box_has_its_length_in_sixteen_bytes() -> None:
    data = file("moov_last.m4a")
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    large = data[:at] + b"\0\0\0\1mdat" + (size + 8).to_bytes(8, "big") + data[at + 8 :]
    assert seconds(large) == seconds(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVE",
        b"OggS" * 1000,
        b"\x1a\x45\xdf\xa3" * 100,
        b"fLaC",
        b"ID3\4\0\0\x7f\x7f\x7f\x7f",
        b"\0\0\0\0ftyp" * 100,
        b"\xff" * 100_000,
        b"#!AMR\n",
        b"not a recording at all, but a text that somebody sent by mistake" * 100,
        b"\x89PNG\r\n\x1a\n" + bytes(5000),
        bytes(100_000),
    ],
)
def test_what_is_no_recording_has_no_duration(data: bytes) -> None:
    assert seconds(data) is None


def test_no_duration_is_longer_than_anything_can_be() -> None:
    data = file("moov_first.m4a")
    at = data.index(b"mvhd") + 4 + 16
    for claimed in (MOST_SECONDS, MOST_SECONDS + 1, 2**32 - 2):
        absurd = data[: at - 4] + (1).to_bytes(4, "big") + claimed.to_bytes(4, "big") + data[at + 4 :]
        assert seconds(absurd) == (claimed if claimed <= MOST_SECONDS else None)


def amr(frames: list[int]) -> bytes:
    sizes = (13, 14, 16, 18, 20, 21, 27, 32, 6)
    return b"#!AMR\n" + b"".join(
        bytes((kind << 3 | 4,)) + bytes((sizes[kind] if kind < 9 else 1) - 1) for kind in frames
    )


@pytest.mark.parametrize("frames", [[7] * 100, [0] * 3000, ([7] * 20 + [8] + [15] * 7) * 10])
def test_amr_has_fifty_frames_a_second(frames: list[int]) -> None:
    assert seconds(amr(frames)) == pytest.approx(len(frames) / 50)
