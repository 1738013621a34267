"""What clients may ask of a video, the same members on both surfaces, checked.

Both surfaces take each other's names for a member: what decides the price must not slip by as something unknown.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from polyrelay.exchange.video import VideoAsk
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, forms, hooks
from polyrelay.wire.forms import Form
from polyrelay.wire.hooks import Address, Hook

MOST_PROMPT = 32_000
"""Characters of a prompt (WIRE 4.3). AiToEarn stops at 4,000."""

MOST_NAME = 256
"""Characters of a model's or a video's name."""

MOST_SECONDS = 3_600
"""Length of a video: vendors make some seconds."""

MOST_IMAGES = 32
"""Pictures that a video is made of. Vendors take a handful."""

MOST_PIXELS_DIGITS = 5

_SIZE = re.compile(rf"[1-9]\d{{1,{MOST_PIXELS_DIGITS - 1}}}x[1-9]\d{{1,{MOST_PIXELS_DIGITS - 1}}}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}")
_RATIO = re.compile(r"[1-9]\d{0,3}:[1-9]\d{0,3}|[a-z]{1,16}")
_SOURCES = ("https://", "http://", "data:")

Name = Annotated[str, Meta(max_length=MOST_NAME)]
Word = Annotated[str, Meta(max_length=64)]
Length = Annotated[float, Meta(ge=1, le=MOST_SECONDS)] | Annotated[str, Meta(max_length=8)]
Images = str | Annotated[list[str], Meta(max_length=MOST_IMAGES)]


class Submission(msgspec.Struct, frozen=True, gc=False):
    """A checked request. `hook` is where the client wants to be told of the end."""

    ask: VideoAsk
    hook: Hook | None = None


class _ImageReference(Form):
    image_url: str | dict[str, Any] | None = None
    file_id: str | None = None


class VideoForm(Form):
    """A video, under every name that a surface has for a member."""

    prompt: Annotated[str, Meta(min_length=1, max_length=MOST_PROMPT)]
    model: Name | None = None
    seconds: Length | None = None
    duration: Length | None = None
    size: Word | None = None
    resolution: Word | None = None
    ratio: Word | None = None
    aspect_ratio: Word | None = None
    input_reference: str | _ImageReference | None = None
    image: Images | None = None
    images: Images | None = None
    notify_hook: Address | None = None
    webhook_url: Address | None = None


def video(given: Mapping[str, Any], form: type[VideoForm], default_model: str | None, *, written: bool) -> Submission:
    """A video; `written` as in `forms.checked`. Without a default the model must be named.

    Raises `errors.InvalidRequest` naming the field.
    """
    asked, extra = forms.checked(given, form, written=written)
    model = asked.model or default_model
    if not model:
        raise forms.missing("model")
    size, resolution = _size(asked)
    ask = VideoAsk(
        model=model,
        prompt=asked.prompt,
        seconds=_seconds(asked),
        size=size,
        resolution=resolution,
        ratio=_ratio(asked),
        images=_images(asked),
        extra=extra,
    )
    return Submission(ask, hooks.asked(asked.notify_hook, asked.webhook_url))


def _either(form: VideoForm, first: str, second: str) -> tuple[str, Any]:
    """The member under either of its names, and that name. Raises `errors.InvalidRequest` when they differ."""
    values = {name: value for name in (first, second) if (value := getattr(form, name)) not in (None, "")}
    if len(set(map(str, values.values()))) > 1:
        message = f"'{first}' and '{second}' are the same thing and differ: give one of them."
        raise InvalidRequest(message, code="invalid_value", param=second)
    return next(iter(values.items()), (first, None))


def _seconds(form: VideoForm) -> int | None:
    name, given = _either(form, "seconds", "duration")
    if given is None:
        return None
    try:
        length = float(given)
    except ValueError:
        length = 0.0
    if not length.is_integer() or not 1 <= length <= MOST_SECONDS:
        message = f"Invalid '{name}': expected whole seconds from 1 to {MOST_SECONDS}."
        raise InvalidRequest(message, code="invalid_value", param=name)
    return int(length)


def _size(form: VideoForm) -> tuple[str | None, str | None]:
    """Size and resolution: a size that is no `WIDTHxHEIGHT` is a resolution, if there is no other."""
    size, resolution = form.size or None, form.resolution or None
    if size is not None and not _SIZE.fullmatch(size) and resolution in (None, size):
        size, resolution = None, size
    if size is not None and not _SIZE.fullmatch(size):
        raise _odd("size", size, "'WIDTHxHEIGHT' in pixels")
    if resolution is not None and not _WORD.fullmatch(resolution):
        param = "size" if form.size and not form.resolution else "resolution"
        raise _odd(param, resolution, "'WIDTHxHEIGHT' in pixels or a word like '720p'")
    return size, resolution


def _ratio(form: VideoForm) -> str | None:
    name, given = _either(form, "ratio", "aspect_ratio")
    if given is None:
        return None
    if not _RATIO.fullmatch(given):
        raise _odd(name, given, "'WIDTH:HEIGHT' or a word")
    return str(given)


def _images(form: VideoForm) -> tuple[str, ...]:
    """Where the pictures are, in order."""
    given = [("image", image) for image in _listed(form.image)] + [("images", image) for image in _listed(form.images)]
    reference = form.input_reference
    if isinstance(reference, _ImageReference):
        given.insert(0, ("input_reference", _referred(reference)))
    elif reference:
        given.insert(0, ("input_reference", reference))
    if len(given) > MOST_IMAGES:
        message = f"Invalid '{given[-1][0]}': at most {MOST_IMAGES} images."
        raise InvalidRequest(message, code="array_above_max_length", param=given[-1][0])
    for name, image in given:
        if not image.startswith(_SOURCES):
            message = f"Invalid '{name}': expected an http or https URL or a data URL."
            raise InvalidRequest(message, code="invalid_url", param=name)
    return tuple(image for _, image in given)


def _listed(images: str | list[str] | None) -> list[str]:
    if not images:
        return []
    return [images] if isinstance(images, str) else images


def _referred(reference: _ImageReference) -> str:
    if reference.file_id:
        message = "Invalid 'input_reference.file_id': no files are kept here. Give 'image_url', a URL or a data URL."
        raise InvalidRequest(message, code="invalid_value", param="input_reference.file_id")
    url = reference.image_url
    found = url.get("url") if isinstance(url, dict) else url
    if not isinstance(found, str) or not found:
        raise forms.missing("input_reference.image_url")
    return found


def _odd(param: str, given: str, expected: str) -> InvalidRequest:
    message = f"Invalid value for '{param}': '{echo.cut(given)}'. Expected {expected}."
    return InvalidRequest(message, code="invalid_value", param=param)
