"""What FastAPI says of a request that it refuses: `{"detail": ...}`, a sentence or a list of what is wrong."""

from collections.abc import Iterator
from typing import Any

import msgspec


class _Native(msgspec.Struct, gc=False):
    detail: str | list[Any]


_NATIVE = msgspec.json.Decoder(_Native)


def read(body: bytes) -> str | list[Any] | None:
    """The detail; None when `body` has another shape. Never raises."""
    try:
        return _NATIVE.decode(body).detail
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def words(body: bytes) -> str | None:
    """The same as one text, each entry behind the name of its field; None when there is none. Never raises."""
    found = read(body)
    return (found if isinstance(found, str) else "; ".join(_entries(found or ()))) or None


def _entries(listed: Any) -> Iterator[str]:
    for each in listed:
        message, where = (each.get("msg"), each.get("loc")) if isinstance(each, dict) else (None, None)
        if isinstance(message, str):
            field = where[-1] if isinstance(where, list) and where else None
            yield f"{field}: {message}" if isinstance(field, str) else message
