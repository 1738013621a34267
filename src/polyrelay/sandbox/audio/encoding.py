"""Encoders of sound that the standard library does not have: FFmpeg's, through PyAV, where the extra `sandbox-audio` is
installed. Without it the formats that need one are written as silence.
"""

from dataclasses import dataclass
from functools import cache
from importlib import util

from polyrelay.sandbox.audio.speech import RATE, Speech

BIT_RATE = 64_000
"""What speech services use for one voice."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Packets of one codec, and what it tells its decoder first, empty for most."""

    packets: list[bytes]
    head: bytes


@cache
def is_there() -> bool:
    """Whether PyAV is installed. It is imported when the first sound is encoded."""
    return util.find_spec("av") is not None


def encode(speech: Speech, codec: str, samples: str) -> Encoded | None:
    """`speech` as FFmpeg's `codec` packs it, which takes `samples` of that kind; None where there is no encoder."""
    if not is_there():
        return None
    from av import AudioFormat, AudioFrame, AudioLayout, CodecContext  # noqa: PLC0415 - see tools/tidy.py
    from av.audio.codeccontext import AudioCodecContext  # noqa: PLC0415

    context = CodecContext.create(codec, "w")
    if not isinstance(context, AudioCodecContext):
        raise TypeError(f"{codec} is no codec of sound")
    context.sample_rate, context.bit_rate = RATE, BIT_RATE
    context.layout, context.format = AudioLayout("mono"), AudioFormat(samples)
    frame = AudioFrame(format="s16", layout="mono", samples=len(speech.samples))
    frame.sample_rate, frame.pts = RATE, 0
    frame.planes[0].update(speech.samples.tobytes())
    packets = [bytes(packet) for packet in (*context.encode(frame), *context.encode(None))]
    return Encoded(packets, bytes(context.extradata or b""))
