"""Bare samples, as whisper-asr-webservice takes them with `encode=false`: 16 kHz, 16 bits, little-endian, one channel
(`app/utils.py` of the service). Other protocols take files alone, so there a WAV header goes before the samples.
"""

import struct

from polyrelay.wire.multipart.form import Part, Recast
from polyrelay.wire.multipart.part_head import PartHead

RATE = 16_000
SAMPLE_BYTES = 2
BYTES_A_SECOND = RATE * SAMPLE_BYTES

HEADER_BYTES = 44

_PCM, _CHANNELS = 1, 1
_FORMAT_BYTES = 16
_MOST_BYTES = 0xFFFFFFFF
"""The largest length a header can state, which readers take for "up to the end"."""

_SUFFIX = ".wav"
_UNNAMED = "recording"


def in_wav(part: Part, name: str) -> Recast:
    """How the samples in `part` become a file, in a part called `name`. Half a sample at their end is left out."""
    size = part.size - part.size % SAMPLE_BYTES
    return Recast(PartHead(name, _filename(part.head.filename or ""), "audio/wav"), header(size), size)


def header(size: int) -> bytes:
    """The header of a WAV file with `size` bytes of samples (Multimedia Programming Interface and Data Specifications
    1.0, "WAVE").
    """
    sound = struct.pack("<HHIIHH", _PCM, _CHANNELS, RATE, BYTES_A_SECOND, SAMPLE_BYTES, 8 * SAMPLE_BYTES)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", min(HEADER_BYTES - 8 + size, _MOST_BYTES), b"WAVE"),
            struct.pack("<4sI", b"fmt ", _FORMAT_BYTES) + sound,
            struct.pack("<4sI", b"data", min(size, _MOST_BYTES)),
        )
    )


def _filename(given: str) -> str:
    """Vendors tell by it what a file is."""
    return given if given.lower().endswith(_SUFFIX) else f"{given or _UNNAMED}{_SUFFIX}"
