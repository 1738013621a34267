"""Which things are kept, and how they are handed out: sound, pictures and films, and nothing that a browser would run.

A list of what is known, because there is no end of the rest: SVG and HTML are scripts, PDF and Flash were.
"""

from collections.abc import Mapping

from polyrelay.jobs.artefacts import Sort

EXTENSIONS: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
    "audio/webm": "weba",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
}
"""What is taken, by media type, and how its files are called."""

_ALSO_KNOWN = {
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/x-mpeg": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/opus": "audio/ogg",
    "application/ogg": "audio/ogg",
    "audio/x-flac": "audio/flac",
    "audio/x-aac": "audio/aac",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "image/jpg": "image/jpeg",
    "application/mp4": "video/mp4",
}
_NAMELESS = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What buckets say of files they were told nothing about."""
_FAMILIES = frozenset({"audio", "image", "video"})
_SUFFIXES = {suffix: media_type for media_type, suffix in EXTENSIONS.items()} | {"jpeg": "image/jpeg"}
_USUAL = {Sort.AUDIO: "audio/mpeg", Sort.IMAGE: "image/jpeg", Sort.VIDEO: "video/mp4"}


def may_be_media(content_type: str) -> bool:
    """Whether what a server calls `content_type` can be sound, a picture or a film, and is no page about an error."""
    named = content_type.partition(";")[0].strip().lower()
    return named in _NAMELESS or named in _ALSO_KNOWN or named.partition("/")[0] in _FAMILIES


def accepted(content_type: str, url: str | None, sort: Sort) -> str | None:
    """The media type of a thing that its server calls `content_type`; None for one that is not taken.

    Where the server says nothing, the ending of `url` counts, and else what such a thing usually is.
    """
    named = content_type.partition(";")[0].strip().lower()
    if named in _NAMELESS:
        ending = (url or "").partition("?")[0].rpartition("/")[2].rpartition(".")[2].lower()
        return _SUFFIXES.get(ending, _USUAL[sort])
    named = _ALSO_KNOWN.get(named, named)
    return named if named in EXTENSIONS else None
