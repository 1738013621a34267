"""AAC in ADTS frames (ISO/IEC 13818-7, 14496-3), of 1024 samples at 24 kHz.

Without an encoder they are silence, one channel element without any band. The text is the comment of an ID3v2.4 tag.
"""

from polyrelay.sandbox.audio import encoding, id3
from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import Speech

KIND = "audio/aac"
_FRAME_SAMPLES = 1024
_SILENT = bytes.fromhex("fff15840017ffc 00000007")
"""MPEG-4, no CRC; AAC LC, 24 kHz, one channel; length 11; one single channel element of silence, and the end."""
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_HEAD_BYTES = 7
_LEAST_FRAMES = 2


def write(speech: Speech) -> bytes:
    """A whole file, as long as the speech to the next frame. What an encoder makes of its delay is lost."""
    frames = -(-len(speech.samples) // _FRAME_SAMPLES)
    encoded = encoding.encode(speech, "aac", "fltp")
    made = [_SILENT] * frames if encoded is None else [_head(each) + each for each in encoded.packets[:frames]]
    return id3.write(speech.text) + b"".join(made)


def read(data: bytes) -> Heard | None:
    """What is heard in any ADTS file, None in anything else."""
    text, at = id3.read(data)
    seconds, frames = 0.0, 0
    while (frame := _frame(data[at : at + _HEAD_BYTES])) is not None:
        size, lasting = frame
        at, seconds, frames = at + size, seconds + lasting, frames + 1
    return Heard(text, seconds) if frames >= _LEAST_FRAMES else None


def _head(packet: bytes) -> bytes:
    """What stands before a packet: as in `_SILENT`, but for the length."""
    size = _HEAD_BYTES + len(packet)
    return _SILENT[:3] + bytes((0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC))


def _frame(head: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of the frame with that head, None when it is none."""
    if len(head) < _HEAD_BYTES or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:  # noqa: PLR2004 - bits of the head
        return None
    rate = head[2] >> 2 & 15
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate >= len(_RATES) or size < _HEAD_BYTES:
        return None
    return size, (1 + (head[6] & 3)) * _FRAME_SAMPLES / _RATES[rate]
