"""A video asked for by a form: its fields as they are written, its picture as JSON would have it."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import media_type
from polyrelay.wire.multipart.form import Part
from polyrelay.wire.multipart.reader import FormReader

_BINARY = "application/octet-stream"


def members(kind: bytes, body: bytes) -> Mapping[str, Any]:
    """The members of the form `body`, whose content type is `kind`; a file becomes a data URL.

    Raises `errors.InvalidRequest`.
    """
    reader = FormReader(media_type.boundary_of(kind))
    reader.feed(body)
    form = reader.finish()
    found: dict[str, Any] = {}
    for part in form.parts:
        if part.name in found:
            raise InvalidRequest(f"The field '{part.name}' came twice.", code="duplicate_field", param=part.name)
        found[part.name] = _data_url(part, body) if part.is_file else form.text(part.name)
    return found


def _data_url(part: Part, body: bytes) -> str:
    content = body[part.value_start : part.value_end]
    return f"data:{part.head.content_type or _BINARY};base64,{b64encode(content).decode('ascii')}"
