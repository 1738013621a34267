"""WAV: RIFF with PCM samples (Microsoft's Multimedia Programming Interface and Data Specifications 1.0).

The text is the `ICMT` comment of a LIST chunk of kind INFO, before the samples; without one, what the samples hide.
"""

import struct
from collections.abc import Iterator

from polyrelay.sandbox.audio import pcm
from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import RATE, Speech

KIND = "audio/wav"
_PCM, _CHANNELS, _SAMPLE_BYTES = 1, 1, 2
_RATE_OF_BYTES_AT = 8
_LIST = b"INFOICMT"


def write(speech: Speech) -> bytes:
    """A whole file."""
    data = speech.little_endian()
    form = struct.pack("<HHIIHH", _PCM, _CHANNELS, RATE, RATE * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES)
    text = speech.text.encode() + b"\0"
    comment = _LIST + struct.pack("<I", len(text)) + text + bytes(len(text) % 2)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", comment) + _chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read(data: bytes) -> Heard | None:
    """What is heard in any WAV file, None in anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    text, bytes_a_second, size = None, RATE * _SAMPLE_BYTES, 0
    for name, body in _chunks(data):
        if name == b"fmt " and len(body) >= _RATE_OF_BYTES_AT + 4:
            (bytes_a_second,) = struct.unpack_from("<I", body, _RATE_OF_BYTES_AT)
        elif name == b"LIST" and body.startswith(_LIST) and len(body) >= len(_LIST) + 4:
            (length,) = struct.unpack_from("<I", body, len(_LIST))
            text = body[len(_LIST) + 4 : len(_LIST) + 4 + length].rstrip(b"\0").decode("utf-8", "replace")
        elif name == b"data":
            size = len(body)
            hidden = pcm.read(body) if text is None else None
            text = text if hidden is None else hidden.text
    return Heard(text, size / max(1, bytes_a_second))


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every chunk; the last may say that it is longer than it is, as streamed files do."""
    at = 12
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
