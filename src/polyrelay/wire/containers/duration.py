"""Which container it is, by its first bytes, and how long it lasts."""

from collections.abc import Callable
from math import isfinite

from polyrelay.exchange.sound import MOST_SECONDS, Length
from polyrelay.wire.containers import adts, aiff, amr, au, caf, flac, matroska, mp4, mpeg, ogg, wav, wave64
from polyrelay.wire.containers.media import Media, Read, windows

_WAVES = frozenset({b"RIFF", b"RF64", b"BW64"})
_MOVIES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})
"""Boxes that a file of the ISO family begins with."""
_BY_MAGIC = {
    au.MAGIC: au.seconds,
    caf.MAGIC: caf.seconds,
    matroska.MAGIC: matroska.seconds,
    ogg.MAGIC: ogg.seconds,
}
"""Those that four bytes tell."""


def of(read: Read, size: int) -> Length | None:
    """How long the sound (or film) in a file of `size` bytes lasts; None when its container is not known or does not
    tell. Reads at most `media.BUDGET_BYTES`. Never raises, whatever the bytes are.
    """
    return _sane(_length(Media(read, size)))


def delivered(head: bytes, tail: bytes, size: int, *, whole: bool = True) -> Length | None:
    """The same of `size` bytes of a stream of which only these first and last ones are known. Of one that is not
    `whole` but broke off, what lasts is the part; None where the format does not let that be seen.
    """
    return _sane(_length(Media(windows(head, tail, size), size, len(tail), whole=whole)))


def _sane(found: Length | None) -> Length | None:
    return found if found is not None and isfinite(found.seconds) and 0 < found.seconds <= MOST_SECONDS else None


def _length(media: Media) -> Length | None:
    stated = _stating(media)
    if stated is not None:
        seconds = stated(media)
        return None if seconds is None else Length(seconds, guessed=False)
    if media.read(len(amr.WIDE), 0).startswith((amr.NARROW, amr.WIDE)):
        return amr.length(media)
    return mpeg.length(media) or adts.length(media)


def _stating(media: Media) -> Callable[[Media], float | None] | None:
    """Who reads this container, if it is one that says how long it lasts."""
    magic = media.read(12, 0)
    if magic[:4] in _WAVES and magic[8:] == b"WAVE":
        return wav.seconds
    if magic == wave64.MAGIC:
        return wave64.seconds
    if magic[:4] == aiff.MAGIC and magic[8:] in aiff.KINDS:
        return aiff.seconds
    if magic[4:8] in _MOVIES:
        return mp4.seconds
    if media.read(len(flac.MAGIC), mpeg.after_tags(media)) == flac.MAGIC:
        return flac.seconds
    return _BY_MAGIC.get(magic[:4])
