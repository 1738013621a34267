import io
import struct
from array import array

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.sandbox.audio import adts, encoding, flac, formats, mpeg, opus, pcm, wav
from polyrelay.sandbox.audio.checks import Check
from polyrelay.sandbox.audio.speech import RATE, Speech, silence

FRAME_SECONDS = {"mp3": 0.024, "aac": 1024 / RATE}
"""Formats that end with a whole frame; the others are exact."""
every_format = pytest.mark.parametrize("name", list(formats.FORMATS))
TEXTS = st.text(min_size=1, max_size=200).filter(lambda text: "\0" not in text)


LOSSY = ("mp3", "opus", "aac")
"""What needs an encoder to be more than silence."""


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setattr(encoding, "is_there", lambda: False)


def decoded(file: bytes) -> tuple["array[int]", float]:
    """Samples at RATE, and how long they are, as FFmpeg plays them."""
    samples = array("h")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(file), "r") as container:
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                samples.frombytes(bytes(piece.planes[0])[: 2 * piece.samples])
    return samples, len(samples) / RATE


def energy(samples: "array[int]") -> float:
    return sum(sample * sample for sample in samples) / max(1, len(samples))


def tone(seconds: float = 1.0) -> Speech:
    """A square wave of 200 Hz."""
    return Speech(array("h", (8000 if place // 60 % 2 else -8000 for place in range(int(seconds * RATE)))), "Tone.")


def speech(text: str = "Hello.", samples: int = RATE) -> Speech:
    return Speech(array("h", ((place * 37) % 20_000 - 10_000 for place in range(samples))), text)


@every_format
@settings(max_examples=25, deadline=None)
@given(text=TEXTS, samples=st.integers(min_value=2400, max_value=60_000))
def test_every_format_carries_text_and_length(name: str, text: str, samples: int) -> None:
    spoken = speech(text, samples)
    heard, seconds = formats.listen(formats.FORMATS[name].write(spoken))
    assert heard == text
    assert -1e-5 <= seconds - spoken.seconds < FRAME_SECONDS.get(name, 8 * (8 + 800) / RATE if name == "pcm" else 1e-5)


@every_format
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_broken_files_are_heard_as_something(name: str, data: st.DataObject) -> None:
    whole = bytearray(formats.FORMATS[name].write(speech(samples=4000)))
    cut = data.draw(st.integers(min_value=0, max_value=len(whole)))
    for place in data.draw(st.lists(st.integers(min_value=0, max_value=min(200, len(whole) - 1)), max_size=8)):
        whole[place] = data.draw(st.integers(min_value=0, max_value=255))
    text, seconds = formats.listen(bytes(whole[:cut]))
    assert isinstance(text, str)
    assert seconds >= 0


@given(data=st.binary(max_size=500))
def test_anything_is_heard_as_something(data: bytes) -> None:
    text, seconds = formats.listen(data)
    assert text
    assert seconds >= 0


def test_a_wav_file_cut_before_the_length_of_its_comment() -> None:
    whole = formats.FORMATS["wav"].write(speech(samples=4000))
    after = whole.index(b"INFOICMT") + len(b"INFOICMT")
    for cut in range(after, after + 5):
        assert formats.listen(whole[:cut])[1] == 0


def test_an_unknown_recording_says_one_sentence_and_lasts_by_its_size() -> None:
    assert formats.listen(b"?" * 32_000) == (formats.UNKNOWN, 2.0)


def test_samples_that_somebody_put_into_a_wav_file_say_the_same() -> None:
    data = pcm.write(speech("Hello.", RATE))
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    chunks = b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", len(data)) + data
    assert formats.listen(b"RIFF" + struct.pack("<I", len(chunks)) + chunks) == ("Hello.", 1.5)


def test_a_wav_file_of_somebody_else() -> None:
    data = bytes(16_000)
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 0xFFFFFFFF) + data
    assert formats.listen(b"RIFF" + struct.pack("<I", len(body)) + body) == (formats.UNKNOWN, 1.0)


def test_an_mp3_file_of_somebody_else() -> None:
    frame = bytes((0xFF, 0xFB, 0x90, 0x00)).ljust(417, b"\0")
    text, seconds = formats.listen(frame * 100)
    assert (text, round(seconds, 3)) == (formats.UNKNOWN, round(100 * 1152 / 44_100, 3))


def test_an_adts_file_of_somebody_else() -> None:
    frame = bytes((0xFF, 0xF1, 0x50, 0x40, 0x01, 0x7F, 0xFC)) + bytes(4)
    text, seconds = formats.listen(frame * 43)
    assert (text, round(seconds, 3)) == (formats.UNKNOWN, round(43 * 1024 / 44_100, 3))


def test_pcm_is_24_khz_16_bits_and_hardly_changed() -> None:
    spoken = speech()
    read = array("h", pcm.write(spoken))
    assert len(read) == RATE
    assert max(abs(before - after) for before, after in zip(spoken.samples, read, strict=True)) <= 1


def test_pcm_too_short_for_its_text_gets_silence() -> None:
    assert formats.listen(pcm.write(speech("x" * 100, 10)))[0] == "x" * 100


def test_wav_holds_the_samples_themselves() -> None:
    spoken = speech()
    assert wav.write(spoken).endswith(spoken.little_endian())
    assert wav.write(spoken)[20:36] == struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)


def test_flac_holds_the_samples_themselves() -> None:
    spoken = speech(samples=5000)
    file, swapped = flac.write(spoken), spoken.samples[:]
    swapped.byteswap()
    first = file.index(b"\xff\xf8")
    assert file[first + 9 : first + 9 + 8192] == swapped[:4096].tobytes()
    assert int.from_bytes(file[18:26]) == RATE << 44 | 15 << 36 | 5000


@pytest.mark.parametrize("name", [*LOSSY, "flac", "wav"])
def test_every_file_plays_what_was_said(name: str) -> None:
    spoken = tone()
    samples, seconds = decoded(formats.FORMATS[name].write(spoken))
    assert seconds == pytest.approx(spoken.seconds, abs=0.06)
    assert energy(samples) == pytest.approx(energy(spoken.samples), rel=0.2)


@pytest.mark.parametrize("name", LOSSY)
def test_without_an_encoder_the_same_time_is_silent(name: str, no_encoder: None) -> None:
    file = formats.FORMATS[name].write(tone())
    samples, seconds = decoded(file)
    assert seconds == pytest.approx(1.0, abs=0.06)
    assert energy(samples) < 1
    assert formats.listen(file)[0] == "Tone."


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("samples", [2400, 4607, 4608, 4609, 6144, 60_000])
def test_a_file_is_as_long_with_an_encoder_as_without(name: str, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = speech(samples=samples)
    _, encoded = formats.listen(formats.FORMATS[name].write(spoken))
    monkeypatch.setattr(encoding, "is_there", lambda: False)
    _, silent = formats.listen(formats.FORMATS[name].write(spoken))
    assert encoded == silent


def test_checks() -> None:
    """Catalogued values for `123456789`: CRC-8/SMBUS and CRC-16/UMTS; and the Ogg page that a RFC 3533 reader takes."""
    assert Check(8, 0x07).of(b"123456789") == 0xF4
    assert Check(16, 0x8005).of(b"123456789") == 0xFEE8
    page = bytearray(opus.write(speech(samples=2400)))[:47]
    stated = struct.unpack_from("<I", page, 22)[0]
    page[22:26] = bytes(4)
    assert Check(32, 0x04C11DB7).of(page) == stated


def test_lengths_of_frames() -> None:
    assert mpeg.silent(2.4, "").count(bytes((0xFF, 0xF3, 0x84, 0xC4))) == 100
    assert adts.write(Speech(silence(RATE), "")).count(b"\xff\xf1\x58\x40") == -(-RATE // 1024)


@pytest.mark.parametrize(
    ("name", "magic"), [("mp3", b"ID3"), ("opus", b"OggS"), ("aac", b"ID3"), ("flac", b"fLaC"), ("wav", b"RIFF")]
)
def test_files_begin_as_they_should(name: str, magic: bytes) -> None:
    assert formats.FORMATS[name].write(speech()).startswith(magic)
