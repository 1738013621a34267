"""AIFF and AIFF-C (Apple, "Audio Interchange File Format" 1.3 of 1989, and the draft of AIFF-C of 1991): big-endian
chunks, of which one says how samples are coded and another holds them.
"""

from polyrelay.wire.containers.chunks import Layout, walk
from polyrelay.wire.containers.codings import CODINGS, Block, plain
from polyrelay.wire.containers.media import Media, big, ratio

MAGIC = b"FORM"
KINDS = frozenset({b"AIFF", b"AIFC"})

_HEADER = 12
_CHUNKS = Layout(4, 4, "big", inclusive=False, align=2, sound=b"SSND")
_COMMON_BYTES = 22
_SOUND_HEAD = 8
"""Offset and block size, before the samples."""

_ONE = 16383
"""The exponent of 1.0."""
_MANTISSA_BITS = 63
_LARGEST = 31
"""Of a rate, in bits: what other formats have room for."""

_PLAIN = frozenset({b"NONE", b"twos", b"sowt", b"raw ", b""})
"""Those whose samples are as long as the common chunk says; AIFF without C has no other."""


def seconds(media: Media) -> float | None:
    """The duration, by the samples that are there: the number that is stated counts samples here and blocks there, and
    is 0 where a file was written to a pipe. Of several common chunks players take the last before the sound, or else
    the first behind it. None for codings that are not known.
    """
    common = b""
    sound = 0
    for chunk in walk(media, _HEADER, _CHUNKS):
        if chunk.name == b"COMM":
            common = media.read(min(chunk.size, _COMMON_BYTES), chunk.start)
            if sound:
                break
        elif chunk.name == _CHUNKS.sound:
            sound += max(chunk.size - _SOUND_HEAD, 0)
    channels, block = big(common, 0, 2), _block(common)
    if block is None or not channels * block.size:
        return None
    return ratio(sound // (channels * block.size) * block.samples, _rate(common[8:18]))


def _block(common: bytes) -> Block | None:
    coding = common[18:22]
    return plain(big(common, 6, 2)) if coding in _PLAIN else CODINGS.get(coding)


def _rate(extended: bytes) -> float:
    """The number of 80 bits (IEEE 754 double extended); 0 for one that is no rate."""
    power = big(extended, 0, 2) - _ONE
    return big(extended, 2, 8) * 2.0 ** (power - _MANTISSA_BITS) if 0 <= power < _LARGEST else 0.0
