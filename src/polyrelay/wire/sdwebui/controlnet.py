"""ControlNet's units. The extension opens a file where an image is the name of one, and whole folders in batch mode."""

from typing import Any

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, inline_images, objects, places

NAME = "controlnet"

MOST_UNITS = 10
"""The most that the extension's own settings offer."""

_IMAGES = frozenset({"image", "input_image", "mask", "mask_image", "mask_image_fg", "effective_region_mask"})
_IMAGE_PARTS = frozenset({"image", "mask"})
_OTHERS = frozenset(
    {
        "enabled",
        "module",
        "model",
        "weight",
        "resize_mode",
        "low_vram",
        "lowvram",
        "processor_res",
        "threshold_a",
        "threshold_b",
        "guidance",
        "guidance_start",
        "guidance_end",
        "guessmode",
        "pixel_perfect",
        "control_mode",
        "inpaint_crop_input_image",
        "hr_option",
        "save_detected_map",
        "use_preview_as_input",
        "advanced_weighting",
        "pulid_mode",
        "union_control_type",
    }
)
_MODE = "input_mode"
_SIMPLE = (None, 0, "simple")


def check(units: list[msgspec.Raw], path: str) -> None:
    """Raises `errors.InvalidRequest` for a unit that is not the image and numbers alone."""
    if len(units) > MOST_UNITS:
        raise InvalidRequest(f"'{path}' has more than {MOST_UNITS} units.", code="array_above_max_length", param=path)
    for position, unit in enumerate(units):
        if bytes(memoryview(unit)[:4]) != b"null":
            _unit(unit, f"{path}.args[{position}]")


def _unit(unit: msgspec.Raw, path: str) -> None:
    for name, raw in objects.values(bytes(unit), path).items():
        place = f"{path}.{echo.cut(name)}"
        if name in _IMAGES:
            _image(raw, place)
            continue
        if name not in _OTHERS and name != _MODE:
            raise InvalidRequest(f"Unknown parameter: '{place}'.", code="unknown_parameter", param=place)
        value: Any = places.decoded(raw, place)
        places.refuse_any(value, place)
        if name == _MODE and value not in _SIMPLE:
            raise InvalidRequest(
                f"Invalid value for '{place}'. Supported values are: 'simple'.", code="invalid_value", param=place
            )


def _image(raw: msgspec.Raw, path: str) -> None:
    """An image; or one with a mask, as a pair or by name; or a list of those."""
    opening = bytes(memoryview(raw)[:1])
    if opening == b"{":
        for name, part in objects.values(bytes(raw), path).items():
            if name not in _IMAGE_PARTS:
                place = f"{path}.{echo.cut(name)}"
                raise InvalidRequest(f"Unknown parameter: '{place}'.", code="unknown_parameter", param=place)
            inline_images.check(part, f"{path}.{name}")
    elif opening == b"[":
        for position, part in enumerate(msgspec.json.decode(raw, type=list[msgspec.Raw])):
            _image_of_list(part, f"{path}[{position}]")
    else:
        inline_images.check(raw, path)


def _image_of_list(raw: msgspec.Raw, path: str) -> None:
    if bytes(memoryview(raw)[:1]) == b"[":
        raise InvalidRequest(f"Invalid type for '{path}': expected a string.", code="invalid_type", param=path)
    _image(raw, path)
