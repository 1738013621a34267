"""Which container it is, by its first bytes, and how long it lasts."""

from math import isfinite

from polyrelay.exchange.sound import MOST_SECONDS, Length
from polyrelay.wire.containers import adts, amr, flac, matroska, mp4, mpeg, ogg, wav
from polyrelay.wire.containers.media import Media, Read, windows

_MOVIES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})
"""Boxes that a file of the ISO family begins with."""


def of(read: Read, size: int) -> Length | None:
    """How long the sound (or film) in a file of `size` bytes lasts; None when its container is not known or does not
    tell. Reads at most `media.BUDGET_BYTES`. Never raises, whatever the bytes are.
    """
    return _sane(_length(Media(read, size)))


def delivered(head: bytes, tail: bytes, size: int) -> Length | None:
    """The same of `size` bytes of a stream of which only these first and last ones are known. For one that broke off,
    what its part lasts where the format lets that be seen.
    """
    return _sane(_length(Media(windows(head, tail, size), size, len(tail))))


def _sane(found: Length | None) -> Length | None:
    return found if found is not None and isfinite(found.seconds) and 0 < found.seconds <= MOST_SECONDS else None


def _length(media: Media) -> Length | None:
    magic = media.read(12, 0)
    if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:] == b"WAVE":
        return _stated(wav.seconds(media))
    if magic[:4] == ogg.MAGIC:
        return _stated(ogg.seconds(media))
    if magic[4:8] in _MOVIES:
        return _stated(mp4.seconds(media))
    if magic[:4] == matroska.MAGIC:
        return _stated(matroska.seconds(media))
    if magic.startswith((amr.NARROW, amr.WIDE)):
        return amr.length(media)
    if media.read(len(flac.MAGIC), mpeg.after_tags(media)) == flac.MAGIC:
        return _stated(flac.seconds(media))
    return mpeg.length(media) or adts.length(media)


def _stated(seconds: float | None) -> Length | None:
    """What the container itself says."""
    return None if seconds is None else Length(seconds, guessed=False)
