"""The headers of one part: what it is called, and what may not be said there."""

import re
from urllib.parse import unquote

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo
from polyrelay.wire.multipart import parameters

Header = tuple[bytes, bytes]
"""Name in lower case, and value as it came."""

LONGEST_NAME = 128
"""Characters of a part's name. The longest of the contracts, `known_speaker_references[]`, has 26."""

_NAME = re.compile(r"[0-9A-Za-z_.:\[\]-]+")
"""Characters of a name: those of the contracts and their array notation. Anything else is quoted, encoded or escaped in
one way here and in another there."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""Octets no header value has (RFC 9110 section 5.5). Some readers end a line at a bare LF."""

_NO_BASENAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]")
"""What makes a path of a file name, or a forgery of a terminal's line."""

_SINGLE = (b"content-disposition", b"content-type", b"content-transfer-encoding")
_PLAIN = (b"binary", b"8bit", b"7bit")
_UTF8 = ("utf-8", "utf8", "us-ascii")
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[0-9A-Za-z-]*'(.*)", re.IGNORECASE)
"""An extended value, RFC 8187 section 3.2.1."""


class PartHead(msgspec.Struct, frozen=True, gc=False):
    """`filename` is None for a field; `content_type` is the media type in lower case without parameters, or empty."""

    name: str
    filename: str | None
    content_type: str


def read(headers: list[Header]) -> PartHead:
    """What the headers of a part say. Raises `InvalidRequest`."""
    for header, value in headers:
        if _CONTROL.search(value):
            raise bad(f"The value of a part's {_shown(header)} header has control characters.")
        if header in _SINGLE and [other for other, _ in headers].count(header) > 1:
            raise bad(f"A part has more than one {_shown(header)} header.")
    known = dict(headers)
    name, filename = _disposition(known.get(b"content-disposition", b""))
    coding = known.get(b"content-transfer-encoding", b"binary").strip().lower()
    if coding not in _PLAIN:
        raise bad(f"The part {name!r} has a transfer encoding; send its bytes as they are.", name)
    return PartHead(name, filename, _content_type(known.get(b"content-type", b""), name, field=filename is None))


def bad(message: str, param: str | None = None) -> InvalidRequest:
    """The refusal of a form that is not well formed."""
    return InvalidRequest(message, code="invalid_multipart", param=param)


def _disposition(value: bytes) -> tuple[str, str | None]:
    """Name and file name."""
    if not value:
        raise bad("A part has no content-disposition header, and so no name.")
    found = parameters.read(value.decode("utf-8", "replace"))
    if found is None or found.value != "form-data":
        raise bad('A part\'s content-disposition header does not have the form: form-data; name="..."')
    said = dict(found.parameters)
    if len(said) != len(found.parameters):
        raise bad("A part's content-disposition header repeats a parameter.")
    if not said.keys() <= {"name", "filename", "filename*"}:
        raise bad("A part's content-disposition header has parameters besides name and filename.")
    name = said.get("name")
    if not name:
        raise bad("A part has no name.")
    if len(name) > LONGEST_NAME or _NAME.fullmatch(name) is None or name == "_charset_":
        raise bad(f"{echo.cut(name)!r} is no name that a part may have.")
    return name, _filename(name, said.get("filename"), said.get("filename*"))


def _filename(part: str, plain: str | None, extended: str | None) -> str | None:
    """The name to show, once both ways to say it are known to be no path. RFC 7578 forbids the second; some send it."""
    shown = plain
    if extended is not None:
        form = _EXTENDED.fullmatch(extended)
        if form is None:
            raise bad(f"The part {part!r} has a malformed filename*.", part)
        shown = unquote(form[2], form[1].lower())
    for given in (plain, shown):
        if given is not None and _is_no_basename(given):
            raise InvalidRequest(
                f"The file name of the part {part!r} must be a name, without any path or control characters.",
                code="invalid_filename",
                param=part,
            )
    return shown


def _is_no_basename(name: str) -> bool:
    return name in {".", ".."} or _NO_BASENAME.search(name) is not None


def _content_type(value: bytes, name: str, *, field: bool) -> str:
    """The media type. A field's charset must be the one it is read in."""
    if not value:
        return ""
    found = parameters.read(value.decode("latin-1"))
    if found is None:
        raise bad(f"The part {name!r} has a malformed content-type.", name)
    if found.value.startswith("multipart/"):
        raise bad(f"The part {name!r} is a multipart itself; send each file as a part of its own.", name)
    charsets = [charset.lower() for parameter, charset in found.parameters if parameter == "charset"]
    if field and any(charset not in _UTF8 for charset in charsets):
        raise bad(f"The field {name!r} is not in UTF-8.", name)
    return found.value


def _shown(header: bytes) -> str:
    return echo.cut(header.decode("ascii", "replace"))
