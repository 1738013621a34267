"""Sun's and NeXT's AU, also called .snd (Sun's manual, `audio.h` and `au(4)`): a header of six numbers, and samples."""

from polyrelay.wire.containers.media import Media, big, ratio

MAGIC = b".snd"

_HEADER = 24
_BITS = {1: 8, 2: 8, 3: 16, 4: 24, 5: 32, 6: 32, 7: 64, 23: 4, 24: 4, 25: 3, 26: 5, 27: 8}
"""Of a sample, by encoding: u-law, linear of 8 to 32 bits, float, double, G.721, G.722, G.723 (3, 5), A-law."""


def seconds(media: Media) -> float | None:
    """The duration, up to the file's end: nothing follows the samples, readers go on to it, and streams state no
    length.
    """
    head = media.read(_HEADER, 0)
    start, encoding, rate, channels = (big(head, at, 4) for at in (4, 12, 16, 20))
    bits = _BITS.get(encoding, 0) * channels
    if not bits or not _HEADER <= start < media.size:
        return None
    return ratio((media.size - start) * 8 // bits, rate)
