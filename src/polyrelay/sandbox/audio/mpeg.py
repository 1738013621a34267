"""MP3: MPEG audio layer III (ISO/IEC 11172-3, 13818-3), at 24 kHz and 64 kbit/s: frames of 192 bytes and 24 ms each.

Without an encoder they are silence, frames whose side information says that no data follow. The text is the comment of
an ID3v2.4 tag.
"""

from polyrelay.sandbox.audio import encoding, id3
from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import RATE, Speech

KIND = "audio/mpeg"
FRAME_BYTES, FRAME_SAMPLES = 192, 576
_SILENT = bytes((0xFF, 0xF3, 0x84, 0xC4)) + bytes(FRAME_BYTES - 4)
"""Sync, MPEG-2, layer III, no CRC; 64 kbit/s, 24 kHz; one channel; and no data."""

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By the two bits of the version: MPEG-1, 2 and 2.5."""
_KILOBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of MPEG-1, and of the others."""
_LEAST_FRAMES = 2
"""Two frames in a row are a file; one may be chance."""


def write(speech: Speech) -> bytes:
    """A whole file, as long as the speech to the next frame."""
    encoded = encoding.encode(speech, "libmp3lame", "s16p")
    if encoded is None:
        return silent(speech.seconds, speech.text)
    return id3.write(speech.text) + b"".join(encoded.packets[: _frames(speech.seconds)])


def silent(seconds: float, text: str) -> bytes:
    """A whole file of at least that length."""
    return id3.write(text) + _SILENT * _frames(seconds)


def _frames(seconds: float) -> int:
    """So many last that long. An encoder makes one or two more of its delay, 46 ms of which are lost at the end."""
    return -(-round(seconds * RATE) // FRAME_SAMPLES)


def read(data: bytes) -> Heard | None:
    """What is heard in any MP3 file, None in anything else."""
    text, at = id3.read(data)
    seconds, frames = 0.0, 0
    while (frame := _frame(data[at : at + 4])) is not None:
        size, lasting = frame
        at, seconds, frames = at + size, seconds + lasting, frames + 1
    return Heard(text, seconds) if frames >= _LEAST_FRAMES else None


def _frame(head: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of the frame with that head, None when it is no head of layer III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # noqa: PLR2004 - bits of the head
        return None
    version, first = head[1] >> 3 & 3, head[1] >> 3 & 3 == 3  # noqa: PLR2004 - MPEG-1
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version not in _RATES or rate == 3 or bits in (0, 15):  # noqa: PLR2004 - reserved
        return None
    hertz, samples = _RATES[version][rate], 1152 if first else 576
    return samples // 8 * _KILOBITS[first][bits] * 1000 // hertz + padding, samples / hertz
