"""The body of a form, read in whatever pieces it comes. No byte of a file is copied.

python-multipart tells parts, headers and values apart; it is as tolerant as browsers need. What is watched besides:
that the boundary appears nowhere but in delimiters, each followed by CRLF or the closing dashes at once, since some
readers take a bare LF, padding or a missing line end for a delimiter as well; that nothing precedes the first delimiter
and nothing but a CRLF follows the last. So any two readers see the same parts, and a hostile body ends early.
"""

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import part_head
from polyrelay.wire.multipart.form import Form, Part
from polyrelay.wire.multipart.part_head import PartHead, bad

MOST_PARTS = 256
"""Parts of a form. The contracts name about 20 fields, 16 images and a few lists."""

MOST_HEADERS = 8
"""Headers of a part. Clients send one to four."""

HEADER_BYTES = 4096
"""One header of a part. A file name has at most 255 bytes, three times as many when it is percent-encoded."""

FIELD_BYTES = 256 * 1024
"""Longest field whose value is kept. A prompt of 32 000 characters has at most 128 000 bytes; what is longer, such as a
reference in a data URL, is passed on unseen."""

FIELDS_BYTES = 1024 * 1024
"""All fields that are kept of a form."""

_CRLF = b"\r\n"
_CLOSE = b"--"


class _Gathering:
    """The parser's callbacks: the parts so far and the one being read. All offsets follow from the bytes reported."""

    def __init__(self, delimiter_bytes: int) -> None:
        self._delimiter_bytes = delimiter_bytes
        self.parts: list[Part] = []
        self.base = 0
        """Offset of the piece being parsed."""
        self.start = 0
        """Where the current, or next, delimiter line begins."""
        self.reached = 0
        """Where the value being read ends so far."""
        self.kept = 0
        self.closed: int | None = None
        """Where the closing delimiter ends."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._name = bytearray()
        self._line = bytearray()
        self._head: PartHead | None = None
        self._value_start = 0
        self._value: bytearray | None = None

    def part_begin(self) -> None:
        self._headers = []
        self._head = None

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._line += data[start:end]
        self._value_start = self.base + end + len(_CRLF + _CRLF)

    def header_end(self) -> None:
        name, value = bytes(self._name).lower(), bytes(self._line)
        if not value:
            raise bad("A part has a header without a value.")
        self._headers.append((name, value))
        self._name.clear()
        self._line.clear()

    def headers_finished(self) -> None:
        self._head = part_head.read(self._headers)
        self.reached = self._value_start
        self._value = bytearray() if self._head.filename is None else None

    def part_data(self, data: bytes, start: int, end: int) -> None:
        length = end - start
        self.reached += length
        if self._value is None:
            return
        if len(self._value) + length > FIELD_BYTES or self.kept + length > FIELDS_BYTES:
            self.kept -= len(self._value)
            self._value = None
        else:
            self._value += data[start:end]
            self.kept += length

    def part_end(self) -> None:
        assert self._head is not None  # noqa: S101 - for the type checker
        value = None if self._value is None else bytes(self._value)
        part = Part(self._head, self.start, self._value_start, self.reached, value)
        self.parts.append(part)
        self.start = part.end

    def end(self) -> None:
        self.closed = self.start + self._delimiter_bytes + len(_CLOSE)


class FormReader:
    """Fed with the pieces of a body, gives its form. After an error it is of no more use."""

    def __init__(self, boundary: str) -> None:
        """`boundary` as `media_type.boundary_of` gives it."""
        self._boundary = boundary
        self._delimiter = b"--" + boundary.encode("ascii")
        self._gathering = gathering = _Gathering(len(self._delimiter))
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": gathering.part_begin,
                "on_header_field": gathering.header_field,
                "on_header_value": gathering.header_value,
                "on_header_end": gathering.header_end,
                "on_headers_finished": gathering.headers_finished,
                "on_part_data": gathering.part_data,
                "on_part_end": gathering.part_end,
                "on_end": gathering.end,
            },
            max_header_count=MOST_HEADERS,
            max_header_size=HEADER_BYTES,
        )
        self._fed = 0
        self._delimiters = 0
        self._tail = b""
        """The last bytes before the next piece, too few to judge a delimiter that begins in them."""

    @property
    def kept(self) -> int:
        """Bytes of field values that are held."""
        return self._gathering.kept

    def feed(self, piece: bytes) -> None:
        """Read on. Raises `InvalidRequest`."""
        self._watch(piece)
        gathering = self._gathering
        gathering.base = self._fed
        if gathering.closed is None:
            try:
                self._parser.write(piece)
            except MultipartParseError as error:
                raise bad(f"The form is malformed near byte {self._fed + max(error.offset, 0)}.") from None
            except FormParserError:
                raise bad(f"The form is malformed after byte {self._fed}.") from None
        self._fed += len(piece)
        if gathering.closed is not None and self._fed > gathering.closed + len(_CRLF):
            raise bad("The form goes on after its closing boundary.")

    def finish(self) -> Form:
        """The form, when all of it was fed. Raises `InvalidRequest`."""
        closed = self._gathering.closed
        if closed is None:
            raise bad("The form has no closing boundary: it is cut off, or another boundary was announced.")
        if self._fed != closed and not (self._fed == closed + len(_CRLF) and self._tail.endswith(_CRLF)):
            raise bad("The form goes on after its closing boundary.")
        parts = self._gathering.parts
        if self._delimiters != len(parts) + 1:
            raise _boundary_in_value()
        return Form(self._boundary, self._fed, tuple(parts))

    def _watch(self, piece: bytes) -> None:
        """Look at every delimiter once two bytes after it are known."""
        delimiter = self._delimiter
        begun = self._tail + piece[: len(delimiter)]
        if self._fed < len(delimiter) and not delimiter.startswith(begun[: len(delimiter)]):
            raise bad("The form does not begin with the boundary that the content-type names.")
        reach = len(delimiter) + len(_CRLF) - 1
        seam = self._tail + piece[:reach]
        self._judge(seam, len(self._tail))
        self._judge(piece, len(piece))
        self._tail = seam[-reach:] if len(piece) < reach else piece[-reach:]

    def _judge(self, text: bytes, until: int) -> None:
        """Look at the delimiters that begin before `until`, as far as what follows them is in `text`."""
        delimiter = self._delimiter
        reach = len(delimiter)
        at = text.find(delimiter, 0, until + reach)
        while at >= 0 and at + reach + len(_CRLF) <= len(text) and at < until:
            if text[at + reach : at + reach + len(_CRLF)] not in (_CRLF, _CLOSE):
                raise _boundary_in_value()
            self._delimiters += 1
            if self._delimiters > MOST_PARTS + 1:
                raise InvalidRequest(f"The form has more than {MOST_PARTS} parts.", code="too_many_parts")
            at = text.find(delimiter, at + 1, until + reach)


def _boundary_in_value() -> InvalidRequest:
    return InvalidRequest("The boundary appears within a part, or with something after it.", code="invalid_boundary")
