"""The content of a request: JSON, or a form with files (RFC 7578), read when first asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from polyrelay.sandbox.surfaces import Refused

_FORM = b"multipart/form-data"
_ROWS = "[]"
"""Ends the name of a part that is one of several: `include[]`."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A part with a file name. `kind` is its content type, empty when it has none."""

    name: str
    filename: str
    kind: str
    data: bytes


@dataclass(slots=True)
class Form:
    """The parts in the order they came."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        """The first text part of this name, None when there is none."""
        return next((text for key, text in self.texts if key == name), None)

    def rows(self, name: str) -> list[str]:
        """All text parts called `name` or `name[]`."""
        return [text for key, text in self.texts if key in (name, name + _ROWS)]

    def files(self, name: str) -> list[Upload]:
        """All files called `name` or `name[]`."""
        return [upload for upload in self.uploads if upload.name in (name, name + _ROWS)]

    def values(self) -> dict[str, Any]:
        """The text parts as an object would have them: `name[]` as a list, `name[key]` as an object, else the first."""
        found: dict[str, Any] = {}
        for key, text in self.texts:
            name, bracket, inner = key.partition("[")
            before = found.setdefault(name, text if not bracket else [] if inner == "]" else {})
            if isinstance(before, list) and inner == "]":
                before.append(text)
            elif isinstance(before, dict) and bracket:
                before[inner.rstrip("]")] = text
        return found


class Content:
    """A body and its type."""

    def __init__(self, body: bytes, kind: str) -> None:
        self.body = body
        self._kind = kind

    @property
    def is_form(self) -> bool:
        """Whether the body says that it is a form."""
        return parse_options_header(self._kind)[0] == _FORM

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            Refused: it is none; in words that suit OpenAI's shape.
        """
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise Refused(f"We could not parse the JSON body of your request: {error}") from None
        if not isinstance(found, dict):
            raise Refused("The body must be a JSON object.")
        return found

    @cached_property
    def form(self) -> Form:
        """The body as a form.

        Raises:
            Refused: it is none, or a broken one.
        """
        kind, options = parse_options_header(self._kind)
        if kind != _FORM or not options.get(b"boundary"):
            raise Refused("The body must be multipart/form-data with a boundary.")
        reader = _Reader()
        try:
            parser = MultipartParser(options[b"boundary"], reader.callbacks())
            parser.write(self.body)
            parser.finalize()
        except FormParserError as error:
            raise Refused(f"The body is not valid multipart/form-data: {error}") from None
        if not reader.ended:
            raise Refused("The body is not valid multipart/form-data: its end is missing.")
        return reader.form

    @cached_property
    def values(self) -> dict[str, Any]:
        """The fields, whether the body is a form or JSON. Raises `Refused`."""
        return self.form.values() if self.is_form else self.json


class _Reader:
    """Gathers the parts as the parser finds them."""

    def __init__(self) -> None:
        self.form = Form()
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._data: list[bytes] = []

    def callbacks(self) -> Any:
        """What the parser calls."""
        data: dict[str, Callable[[bytes, int, int], None]] = {
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_part_data": self._on_data,
        }
        marks: dict[str, Callable[[], None]] = {
            "on_part_begin": self._on_begin,
            "on_header_end": self._on_header,
            "on_part_end": self._on_part,
            "on_end": self._on_end,
        }
        return {**data, **marks}

    def _on_begin(self) -> None:
        self._headers = {}
        self._data = []

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _on_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        data = b"".join(self._data)
        if b"filename" in options:
            kind = self._headers.get(b"content-type", b"").decode("latin-1")
            self.form.uploads.append(Upload(name, options[b"filename"].decode("utf-8", "replace"), kind, data))
        else:
            self.form.texts.append((name, data.decode("utf-8", "replace")))

    def _on_end(self) -> None:
        self.ended = True
