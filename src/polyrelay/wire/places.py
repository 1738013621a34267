"""Texts that name a place: an address, or a file of the machine that reads them. Extensions of an upstream may fetch or
open whatever they are given, so that clients may not give them any (M8).
"""

import re
from typing import Any

import msgspec

from polyrelay.kernel.errors import InvalidRequest

SEEN_CHARACTERS = 4096
"""Of a text that are looked at: the longest path of a Linux system. Longer texts are images or prompts."""

_PLACE = re.compile(
    r"\s*(?: [a-z][a-z0-9+.-]*:// | file: | [/\\~] | [a-z]:[/\\] ) | (?: .*[/\\] )? \.\. (?: [/\\] .* | \s* )\Z",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_JPEG = re.compile(r"/9j/[A-Za-z0-9+/=\s]*")
"""Base64 of a JPEG begins like a path."""

_SEPARATORS = re.compile(r"[/\\:\0]")


def refuse_any(value: Any, path: str) -> None:
    """Raises `errors.InvalidRequest` if any text within `value`, decoded JSON, names a place."""
    left: list[Any] = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            _refuse(each, path)
        elif isinstance(each, dict):
            left += (*each, *each.values())
        elif isinstance(each, list):
            left += each


def refuse_path(name: str, path: str) -> None:
    """Raises `errors.InvalidRequest` unless `name` is that of a file alone, without a folder."""
    if _SEPARATORS.search(name) or name in (".", ".."):
        raise InvalidRequest(
            f"Invalid '{path}': a name without a folder is expected.", code="invalid_value", param=path
        )


def decoded(raw: bytes | msgspec.Raw, path: str) -> Any:
    """`raw` as JSON. Raises `errors.InvalidRequest` where it is nested too deep."""
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise InvalidRequest(f"'{path}' is nested too deep.", code="nested_too_deep", param=path) from None


def _refuse(text: str, path: str) -> None:
    seen = text[:SEEN_CHARACTERS]
    if _PLACE.match(seen) and not _JPEG.fullmatch(seen):
        raise InvalidRequest(
            f"Invalid '{path}': it may not name a file or an address of the server.", code="invalid_value", param=path
        )
