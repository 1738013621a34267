"""Bare samples: 24 kHz, signed 16 bits, little-endian, one channel. There is no place for words, so they lie in the
lowest bit of each sample, highest bit of each byte first: `PRSB`, the length in bytes as four more, the text as UTF-8.
"""

from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import RATE, Speech, silence

_MAGIC = b"PRSB"
_HEAD_BYTES = 8


def write(speech: Speech) -> bytes:
    """The samples, followed by silence where they are too few for the text."""
    text = speech.text.encode()
    hidden = _MAGIC + len(text).to_bytes(4) + text
    samples = speech.samples + silence(max(0, 8 * len(hidden) - len(speech.samples)))
    for place in range(8 * len(hidden)):
        bit = hidden[place // 8] >> (7 - place % 8) & 1
        samples[place] = samples[place] & ~1 | bit
    return Speech(samples, speech.text).little_endian()


def read(data: bytes) -> Heard | None:
    """What is heard in samples that the sandbox wrote, None in anything else."""
    head = _bytes(data, 0, _HEAD_BYTES)
    if head[:4] != _MAGIC:
        return None
    text = _bytes(data, _HEAD_BYTES, int.from_bytes(head[4:]))
    return Heard(text.decode("utf-8", "replace"), len(data) / 2 / RATE)


def _bytes(data: bytes, first: int, count: int) -> bytes:
    """Hidden bytes; fewer where the samples end."""
    low = data[16 * first : 16 * (first + count) : 2]
    whole = len(low) // 8
    return bytes(sum((low[8 * byte + bit] & 1) << (7 - bit) for bit in range(8)) for byte in range(whole))
