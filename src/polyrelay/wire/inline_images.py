"""Images inside a request. Some upstreams also take an image's URL, or the name of a file of theirs, and would fetch or
read it for whoever asks: what is not the image itself is refused (M8).
"""

import re

import msgspec

from polyrelay.kernel.errors import InvalidRequest

SEEN_BYTES = 160
"""Of an image's text that are looked at: a data URL's head and the beginning of the file."""

_DATA_URL = re.compile(r"data:image/[A-Za-z0-9.+-]+(?:;[A-Za-z0-9=.+-]+)*;base64,[A-Za-z0-9+/=\s]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_MAGIC = ("iVBORw0KGgo", "/9j/", "UklGR", "R0lGOD", "Qk", "SUkq", "TU0A", "AAAA")
"""How files of PNG, JPEG, WebP, GIF, BMP, TIFF (both byte orders) and AVIF begin, in base64."""

_NOTHING = (b"null", b'""', b"")


def check(value: msgspec.Raw, path: str) -> bool:
    """Whether there is an image at all: not null, and not empty. Raises `errors.InvalidRequest` for what is none."""
    if bytes(memoryview(value)[:SEEN_BYTES]).strip() in _NOTHING:
        return False
    head = _head(value, path)
    if not (_DATA_URL.fullmatch(head) or (head.startswith(_MAGIC) and _BASE64.fullmatch(head))):
        raise InvalidRequest(
            f"Invalid '{path}': expected an image in base64 or as a data URL. Addresses and file names do not do.",
            code="invalid_value",
            param=path,
        )
    return True


def _head(value: msgspec.Raw, path: str) -> str:
    """The beginning of the text. One with escapes is decoded whole, since they may stand for anything."""
    seen = bytes(memoryview(value)[:SEEN_BYTES])
    if not seen.startswith(b'"'):
        raise InvalidRequest(f"Invalid type for '{path}': expected a string.", code="invalid_type", param=path)
    if b"\\" in seen:
        return str(msgspec.json.decode(value, type=str))[:SEEN_BYTES].strip()
    return seen[1:].partition(b'"')[0].decode("ascii", "replace").strip()
