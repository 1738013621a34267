"""The request contracts of images, checked in one typed decode in C (seed 002 united with WIRE 4.3).

Where the two differ, what either allows is accepted, with these decisions:

* `n` has the bounds of seed 002, 1 to 2^53-1. OpenAI takes at most 10; who asks for more pays for as many as it gets,
  and funds are held for all of them.
* `size`, `quality` and `style` are words of the vendor's. The first two are written into the books, so they have an
  end.
* How long a prompt may be depends on the model; that is the vendor's to check.

Null equals absent. Unknown members pass.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from polyrelay.wire.forms import Form

MOST_IMAGES = 2**53 - 1
"""Largest `n` (seed 002)."""

WORD_CHARACTERS = 64
"""Longest `size` and `quality`. The longest of a vendor is `1024x1024` or `standard`."""

MOST_REFERENCES = 16
"""Images that may be edited at once (WIRE 4.3)."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1, le=MOST_IMAGES)]
Word = Annotated[str, Meta(max_length=WORD_CHARACTERS)]
ResponseFormat = Literal["url", "b64_json"]
OutputFormat = Literal["png", "jpeg", "webp"]
Background = Literal["transparent", "opaque", "auto"]
Moderation = Literal["low", "auto"]
InputFidelity = Literal["high", "low"]
Source = Literal["ai_image", "ai_draft_generation", "plugin"]


class ImageForm(Form, gc=False, kw_only=True):
    """What the relay must know of any call for images."""

    model: Name | None = None
    n: Count | None = None
    size: Word | None = None
    quality: Word | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    user: str | None = None


class PromptedForm(ImageForm, gc=False, kw_only=True):
    """What generations and edits have besides."""

    prompt: str
    output_format: OutputFormat | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    background: Background | None = None
    moderation: Moderation | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None


class Generation(PromptedForm, gc=False, kw_only=True):
    """A prompt to be painted."""

    style: str | None = None


class Edit(PromptedForm, gc=False, kw_only=True):
    """Images to be changed, which are files of a form."""

    input_fidelity: InputFidelity | None = None


class Reference(msgspec.Struct, gc=False):
    """An image by URL, data URL or id. Which of the two is the vendor's to demand."""

    image_url: str | None = None
    file_id: str | None = None


class ReferringEdit(Edit, gc=False, kw_only=True):
    """The same in JSON."""

    prompt: Annotated[str, Meta(min_length=1)]
    images: Annotated[list[Reference], Meta(min_length=1, max_length=MOST_REFERENCES)]
    mask: Reference | None = None


class Variation(ImageForm, gc=False, kw_only=True):
    """One image to be varied, which is a file of a form."""


class BilledGeneration(Generation, gc=False, kw_only=True):
    """With AiToEarn's accounting extra (WIRE 1.2)."""

    source: Source | None = None


class BilledEdit(Edit, gc=False, kw_only=True):
    """The same for edits."""

    source: Source | None = None


class BilledReferringEdit(ReferringEdit, gc=False, kw_only=True):
    """The same for edits in JSON."""

    source: Source | None = None


class BilledVariation(Variation, gc=False, kw_only=True):
    """The same for variations."""

    source: Source | None = None


SUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "response_format": get_args(ResponseFormat),
        "output_format": get_args(OutputFormat),
        "background": get_args(Background),
        "moderation": get_args(Moderation),
        "input_fidelity": get_args(InputFidelity),
        "source": get_args(Source),
    }
)
"""The values of every enumeration, by field."""
