"""Usage of images as OpenAI states it, normalised to disjoint buckets, and the images that are counted beside it.

OpenAI's convention is inclusive: `input_tokens` contains the image tokens that its details name. Its output is images,
but for what the details call text.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from polyrelay.exchange.usage import BUCKETS, ImageCount, Usage
from polyrelay.wire import counts
from polyrelay.wire.openai_images.schema import WORD_CHARACTERS

PREVIEW_TOKENS = 100
"""What OpenAI's image generation guide counts for each partial image, in output tokens."""

_UNNAMED = "auto"
"""The size and quality of images of which neither the request nor the answer says them (WIRE 4.3: the default)."""

_NO_DETAILS: dict[str, Any] = {}


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a request asks for: `count` images of that size and quality, `prompt_tokens` its text by estimate."""

    count: int
    size: str
    quality: str
    prompt_tokens: int

    @property
    def images(self) -> tuple[ImageCount, ...]:
        """All of them."""
        return self.made({self.one(): self.count})

    @property
    def unstated(self) -> Usage:
        """What is charged when the upstream has begun to answer and nothing more is known: what was asked for."""
        return Usage(input_text=self.prompt_tokens, images=self.images, estimated=True)

    @property
    def nothing(self) -> Usage:
        """What is charged when the upstream broke off before there was a whole image: the prompt, which it had read."""
        return Usage(input_text=self.prompt_tokens, estimated=True)

    def one(self, size: object = None, quality: object = None) -> ImageCount:
        """One image of an answer that states this size and quality: they count where the request leaves the choice."""
        return ImageCount(_word(self.size, size), _word(self.quality, quality), 1)

    def made(self, counted: Mapping[ImageCount, int]) -> tuple[ImageCount, ...]:
        """So many images of each kind, in all never more than were asked for."""
        left = self.count
        taken: list[ImageCount] = []
        for kind, count in counted.items():
            share = min(count, left)
            left -= share
            if share > 0:
                taken.append(ImageCount(kind.size, kind.quality, share))
        return tuple(taken)


def asked(count: int | None, size: str | None, quality: str | None, prompt_tokens: int) -> Asked:
    """What a request asks for that names this much of it."""
    return Asked(1 if count is None else count, size or _UNNAMED, quality or _UNNAMED, prompt_tokens)


def tokens(stated: object) -> Usage | None:
    """The disjoint token buckets of a `usage` member of any shape; None when it counts nothing. Never raises."""
    if not isinstance(stated, dict):
        return None
    given, made = counts.read(stated.get("input_tokens")), counts.read(stated.get("output_tokens"))
    if max(given or 0, 0) + max(made or 0, 0) == 0:
        return None
    inputs, outputs = _details(stated, "input_tokens_details"), _details(stated, "output_tokens_details")
    cached, image_in, text_in = counts.split(
        given, counts.read(inputs.get("cached_tokens")), counts.read(inputs.get("image_tokens"))
    )
    text_out, image_out = counts.split(made, counts.read(outputs.get("text_tokens")))
    return Usage(
        input_text=text_in, cached_read=cached, input_image=image_in, output_text=text_out, output_image=image_out
    )


def plus(one: Usage, other: Usage) -> Usage:
    """The tokens of both, without images."""
    return Usage(**{bucket: getattr(one, bucket) + getattr(other, bucket) for bucket in BUCKETS})


def _details(stated: dict[str, Any], name: str) -> dict[str, Any]:
    found = stated.get(name)
    return found if isinstance(found, dict) else _NO_DETAILS


def _word(named: str, stated: object) -> str:
    if named != _UNNAMED or not isinstance(stated, str) or not stated.isascii():
        return named
    return stated if 0 < len(stated) <= WORD_CHARACTERS else named
