"""A form as it came in: its parts with their places in the body, and the body that goes out for it."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from polyrelay.exchange.upload import Segment, Span
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import media_type
from polyrelay.wire.multipart.part_head import PartHead

_NOTHING: Mapping[str, bytes] = {}
_SAME: Mapping[str, str] = {}
_AS_IT_IS: Mapping[str, "Recast"] = {}


class Part(msgspec.Struct, frozen=True, gc=False):
    """One part, its places as offsets in the body.

    It begins at `start` with its delimiter line and ends where the next one begins, at `end`. Its value is what lies
    from `value_start` to before `value_end`. `value` is kept for fields, as far as they are short (`reader`).
    """

    head: PartHead
    start: int
    value_start: int
    value_end: int
    value: bytes | None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.head.name

    @property
    def is_file(self) -> bool:
        """Whether it says to be a file."""
        return self.head.filename is not None

    @property
    def size(self) -> int:
        """Bytes of its value."""
        return self.value_end - self.value_start

    @property
    def end(self) -> int:
        """Where the next delimiter line begins: a CRLF ends the value."""
        return self.value_end + 2


class Recast(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a part: its headers, bytes that go before its value, and how many bytes of that stay."""

    head: PartHead
    before: bytes
    size: int


class Form(msgspec.Struct, frozen=True, gc=False):
    """The parts of a body of `size` bytes in their order."""

    boundary: str
    size: int
    parts: tuple[Part, ...]

    @property
    def content_type(self) -> str:
        """The value of the header that goes with any body made by `edit`."""
        return media_type.of_form(self.boundary)

    def named(self, name: str) -> list[Part]:
        """The parts of exactly this name, fields and files."""
        return [part for part in self.parts if part.head.name == name]

    def values(self, name: str) -> list[bytes]:
        """The values of a field that may come several times.

        Raises `InvalidRequest` for one that is a file or was too long to be kept.
        """
        return [_value(part) for part in self.named(name)]

    def text(self, name: str) -> str | None:
        """The value of a field that may come once, None when it did not.

        Raises `InvalidRequest` when it comes again, in other letter case or as `name[]` included: upstreams disagree on
        which one counts. And for one that is a file, too long, or not in UTF-8.
        """
        found = [part for part in self.parts if _plain(part.head.name) == name]
        if not found:
            return None
        if len(found) > 1:
            message = f"The field {name!r} appears more than once."
            raise InvalidRequest(message, code="duplicate_field", param=name)
        if found[0].head.name != name:
            message = f"Unknown field {found[0].head.name!r}: did you mean {name!r}?"
            raise InvalidRequest(message, code="unknown_parameter", param=found[0].head.name)
        try:
            return _value(found[0]).decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"The field {name!r} is not in UTF-8.", code="invalid_multipart", param=name) from None

    def edit(
        self,
        *,
        replace: Mapping[str, bytes] = _NOTHING,
        drop: Collection[str] = (),
        rename: Mapping[str, str] = _SAME,
        recast: Mapping[str, Recast] = _AS_IT_IS,
        add: Sequence[tuple[str, bytes]] = (),
    ) -> list[Segment]:
        """The outgoing body: the client's own bytes but for what is named.

        `replace` sets fields to one value, whether they are there or not; `drop` leaves other parts out; `rename` gives
        parts another name, old to new, `recast` more than that; `add` puts fields at the end. Raises
        `InvalidRequest` when the client chose a boundary that a new value contains.
        """
        writing = _Writing(self.boundary)
        unset = dict(replace)
        for part in self.parts:
            name = part.head.name
            if name in replace:
                if name in unset:
                    writing.field(name, unset.pop(name))
            elif name in drop:
                continue
            elif name in recast:
                writing.recast(part, recast[name])
            elif name in rename:
                writing.line(_headers(msgspec.structs.replace(part.head, name=rename[name])))
                writing.span(part.value_start, part.end)
            else:
                writing.span(part.start, part.end)
        for name, value in [*unset.items(), *add]:
            writing.field(name, value)
        writing.span(self.parts[-1].end if self.parts else 0, self.size)
        return writing.segments


class _Writing:
    """Segments under construction: neighbours become one."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"--" + boundary.encode("ascii")
        self.segments: list[Segment] = []

    def span(self, start: int, end: int) -> None:
        last = self.segments[-1] if self.segments else None
        if isinstance(last, Span) and last.end == start:
            self.segments[-1] = Span(last.start, end)
        else:
            self.segments.append(Span(start, end))

    def line(self, headers: bytes) -> None:
        """A delimiter line, `headers` and an empty line."""
        self._check(headers)
        self._literal(self._delimiter + b"\r\n" + headers + b"\r\n\r\n")

    def field(self, name: str, value: bytes) -> None:
        self._check(value)
        self.line(b'Content-Disposition: form-data; name="%b"' % name.encode("ascii"))
        self._literal(value + b"\r\n")

    def recast(self, part: Part, to: Recast) -> None:
        self._check(to.before)
        if any(to.before.endswith(self._delimiter[:size]) for size in range(1, len(self._delimiter))):
            raise _bad_boundary()
        self.line(_headers(to.head))
        self._literal(to.before)
        self.span(part.value_start, part.value_start + to.size)
        self.span(part.value_end, part.end)

    def _check(self, written: bytes) -> None:
        if self._delimiter in written:
            raise _bad_boundary()

    def _literal(self, data: bytes) -> None:
        last = self.segments[-1] if self.segments else None
        if isinstance(last, bytes):
            self.segments[-1] = last + data
        else:
            self.segments.append(data)


def _bad_boundary() -> InvalidRequest:
    return InvalidRequest("The boundary appears in what is sent on; choose another.", code="invalid_boundary")


def _headers(head: PartHead) -> bytes:
    """Headers of a part; a file name's quotes are written as browsers do."""
    line = f'Content-Disposition: form-data; name="{head.name}"'
    if head.filename is not None:
        line += '; filename="{}"'.format(head.filename.replace('"', "%22"))
    if head.content_type:
        line += f"\r\nContent-Type: {head.content_type}"
    return line.encode()


def _plain(name: str) -> str:
    """A name as the laxest reader takes it: in lower case, without the array notation."""
    return name.partition("[")[0].lower()


def _value(part: Part) -> bytes:
    name = part.head.name
    if part.is_file:
        raise InvalidRequest(f"{name!r} must be a field without a file name.", code="invalid_multipart", param=name)
    if part.value is None:
        raise InvalidRequest(f"The field {name!r} is too long.", code="string_above_max_length", param=name)
    return part.value
