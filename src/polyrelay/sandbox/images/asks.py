"""What is asked of OpenAI's image calls: fields, files, and the sizes each model draws (WIRE 4.3)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Literal, cast

from polyrelay.sandbox import fields
from polyrelay.sandbox.calls import Call
from polyrelay.sandbox.fields import Fields
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.images.picture import Kind
from polyrelay.sandbox.surfaces import Refused

Work = Literal["image_generation", "image_edit", "image_variation"]

DALL_E, GPT_IMAGE = "dall-e-2", "gpt-image-1.5"
"""The models of those who name none: for edits the second."""
_PROMPT_CHARACTERS = {"dall-e-2": 1000, "dall-e-3": 4000}
_MOST_PROMPT = 32_000
_MOST_IMAGES = 16
_SQUARES = ("256x256", "512x512", "1024x1024")
_SIZES = {
    "dall-e-2": _SQUARES,
    "dall-e-3": ("1024x1024", "1792x1024", "1024x1792"),
    "gpt-image-1": ("1024x1024", "1536x1024", "1024x1536"),
    "chatgpt-image": ("1024x1024", "1536x1024", "1024x1536"),
}
"""By the beginning of the model's name; other models draw any size."""
_QUALITIES = ("auto", "low", "medium", "high", "standard", "hd")
_USUAL_SIZE = "1024x1024"
_LEAST_SIDE = 16
_SIDE_STEP, _MOST_RATIO, _LONGEST, _SHORTEST = 16, 3, 3840, 2160
"""What gpt-image-2 asks of a size."""


@dataclass(frozen=True, slots=True)
class ImageAsk:
    """One call. `seed` is that of the first picture; each further one has the next. `given` counts the input images."""

    work: Work
    model: str
    prompt: str
    seed: int
    given: int
    count: int
    width: int
    height: int
    quality: str
    kind: Kind
    compression: int
    by_link: bool
    stream: bool
    partial: int

    @property
    def size(self) -> str:
        """`WIDTHxHEIGHT` in pixels."""
        return f"{self.width}x{self.height}"

    @property
    def tokened(self) -> bool:
        """Whether the model counts in tokens, and says how many."""
        return self.model.startswith(("gpt-image", "chatgpt-image"))


def generation(call: Call) -> ImageAsk:
    """What `images/generations` is asked. Raises `Refused`."""
    return _ask(call, "image_generation", DALL_E, ())


def edit(call: Call) -> ImageAsk:
    """What `images/edits` is asked, as a form or as JSON. Raises `Refused`."""
    images = _uploaded(call, "image") if call.content.is_form else _referred(call)
    if call.content.is_form and call.content.form.files("mask"):
        _uploaded(call, "mask")
    return _ask(call, "image_edit", GPT_IMAGE, images)


def variation(call: Call) -> ImageAsk:
    """What `images/variations` is asked. Raises `Refused`."""
    return _ask(call, "image_variation", DALL_E, _uploaded(call, "image"))


def _ask(call: Call, work: Work, usual_model: str, images: tuple[bytes, ...]) -> ImageAsk:
    given = call.fields
    model = given.text("model", most=200, usual=usual_model)
    limit = _PROMPT_CHARACTERS.get(model, _MOST_PROMPT)
    prompt = "" if work == "image_variation" else given.text("prompt", most=limit)
    width, height = _pixels(given, model)
    link = given.choice("response_format", "url", ("url", "b64_json")) == "url"
    stream = given.flag("stream")
    if stream and model.startswith("dall-e"):
        raise Refused(f"The model '{model}' does not support streaming.", param="stream", code="unsupported_value")
    return ImageAsk(
        work=work,
        model=model,
        prompt=prompt,
        seed=picture.seed_of(*images) if images else call.dice().below(1 << 48),
        given=len(images),
        count=given.whole("n", 1, 1, 1 if model == "dall-e-3" else 10),
        width=width,
        height=height,
        quality=given.choice("quality", "auto", _QUALITIES),
        kind=cast("Kind", given.choice("output_format", "png", ("png", "jpeg", "webp"))),
        compression=given.whole("output_compression", 100, 0, 100),
        by_link=link and not model.startswith(("gpt-image", "chatgpt-image")),
        stream=stream,
        partial=given.whole("partial_images", 0, 0, 3),
    )


def _pixels(given: Fields, model: str) -> tuple[int, int]:
    size = given.values.get("size") or "auto"
    sizes = next((sizes for name, sizes in _SIZES.items() if model.startswith(name)), None)
    found = fields.pixels(_USUAL_SIZE if size == "auto" else str(size))
    if found is None or not _drawable(*found) or (sizes is not None and size not in (*sizes, "auto")):
        said = "WIDTHxHEIGHT" if sizes is None else ", ".join(sizes)
        raise Refused(f"Invalid value: '{size}'. Supported values are: {said}.", param="size", code="invalid_value")
    if model.startswith("gpt-image-2") and not _fits_gpt_image_2(*found):
        message = f"Invalid size '{size}': sides must be multiples of 16, at most 3840x2160, with a ratio up to 3:1."
        raise Refused(message, param="size", code="invalid_value")
    return found


def _drawable(width: int, height: int) -> bool:
    return min(width, height) >= _LEAST_SIDE and max(width, height) <= picture.MOST_SIDE


def _fits_gpt_image_2(width: int, height: int) -> bool:
    short, long = sorted((width, height))
    stepped = width % _SIDE_STEP == 0 and height % _SIDE_STEP == 0
    return stepped and long <= _MOST_RATIO * short and long <= _LONGEST and short <= _SHORTEST


def _uploaded(call: Call, name: str) -> tuple[bytes, ...]:
    files = call.content.form.files(name)
    if not files:
        raise Refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    if len(files) > _MOST_IMAGES:
        raise Refused(f"Too many images: at most {_MOST_IMAGES}.", param=name, code="array_above_max_length")
    for file in files:
        if not picture.looks_like_one(file.data):
            raise Refused(f"Invalid image file '{file.filename}'.", param=name, code="invalid_image_file")
    return tuple(file.data for file in files)


def _referred(call: Call) -> tuple[bytes, ...]:
    given = call.content.json.get("images")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_IMAGES:
        raise Refused(f"'images' must hold 1 to {_MOST_IMAGES} images.", param="images", code="invalid_value")
    return tuple(_reference(image) for image in given)


def _reference(image: Any) -> bytes:
    """The bytes of a data URL; of a link or a file id, which are not fetched, its text."""
    said = image.get("image_url") or image.get("file_id") if isinstance(image, dict) else None
    if not isinstance(said, str):
        raise Refused("Each of 'images' must have an 'image_url' or a 'file_id'.", param="images", code="invalid_value")
    head, comma, encoded = said.partition(",")
    if not (comma and head.startswith("data:")):
        return said.encode()
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        data = b""
    if not picture.looks_like_one(data):
        raise Refused("Invalid image data.", param="images", code="invalid_image_file")
    return data
