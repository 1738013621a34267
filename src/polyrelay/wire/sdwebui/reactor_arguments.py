"""ReActor's arguments inside txt2img and img2img: a list by position; what is left out at its end has its default."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import inline_images, places

NAME = "reactor"

MOST_SCALE = 8.0
"""The end of the extension's own slider."""

_SOURCE_IMAGE, _MODEL, _SCALE, _SAVE_ORIGINAL, _SELECT_SOURCE, _FACE_MODEL, _FOLDER = 0, 4, 9, 16, 22, 23, 24


def _is_name(value: Any, path: str) -> None:
    if isinstance(value, str):
        places.refuse_path(value, path)
    elif value is not None:
        raise InvalidRequest(f"Invalid type for '{path}': expected a string.", code="invalid_type", param=path)


def _is_scale(value: Any, path: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"Invalid type for '{path}': expected a number.", code="invalid_type", param=path)
    if not 0 < value <= MOST_SCALE:
        text = f"Invalid '{path}': a number above 0, up to {MOST_SCALE:g}, is expected."
        raise InvalidRequest(text, code="invalid_value", param=path)


def _is_off(value: Any, path: str) -> None:
    if value not in (None, False, 0):
        text = f"Invalid '{path}': nothing is saved on the server; it may only be false."
        raise InvalidRequest(text, code="invalid_value", param=path)


def _is_no_folder(value: Any, path: str) -> None:
    if value not in (None, False, 0, 1):
        text = f"Invalid '{path}': 0 (the image) and 1 (a face model) are offered; folders of the server are not."
        raise InvalidRequest(text, code="invalid_value", param=path)


def _is_empty(value: Any, path: str) -> None:
    if value not in (None, ""):
        text = f"Invalid '{path}': no folder of the server may be named."
        raise InvalidRequest(text, code="invalid_value", param=path)


_CHECKS: Mapping[int, Callable[[Any, str], None]] = MappingProxyType(
    {
        _MODEL: _is_name,
        _SCALE: _is_scale,
        _SAVE_ORIGINAL: _is_off,
        _SELECT_SOURCE: _is_no_folder,
        _FACE_MODEL: _is_name,
        _FOLDER: _is_empty,
    }
)


def check(arguments: list[msgspec.Raw], path: str) -> int:
    """How many were images and are not to be looked at again. Raises `errors.InvalidRequest`."""
    if not arguments:
        return 0
    inline_images.check(arguments[_SOURCE_IMAGE], f"{path}.args[{_SOURCE_IMAGE}]")
    for position, wanted in _CHECKS.items():
        if position < len(arguments):
            place = f"{path}.args[{position}]"
            wanted(places.decoded(arguments[position], place), place)
    return 1
