"""Usage as OpenAI states it, normalised to disjoint buckets.

OpenAI's convention is inclusive: `prompt_tokens` contains the cached, written, audio and image tokens that its details
name, `completion_tokens` the reasoning and audio ones. The details are taken out in a fixed order, each at most what is
left, and the rest is text; so the buckets always sum to `prompt_tokens + completion_tokens`.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from polyrelay.exchange.usage import Usage
from polyrelay.wire import counts

Count = Annotated[int, msgspec.Meta(ge=-counts.MOST_TOKENS, le=counts.MOST_TOKENS)]


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    video_tokens: Count | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class Stated(msgspec.Struct, gc=False):
    """Usage as it is on the wire.

    `prompt_cache_hit_tokens` is DeepSeek's word for cached tokens, a top-level `cached_tokens` Moonshot's.
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: Count | None = None
    cached_tokens: Count | None = None


_Details = TypeVar("_Details", _PromptDetails, _CompletionDetails)

_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()


def normalise(stated: Stated) -> Usage | None:
    """The disjoint buckets of `stated`; None when it names neither count. Negative counts are taken as 0."""
    if stated.prompt_tokens is None and stated.completion_tokens is None:
        return None
    if not _has_parts(stated):
        return Usage(input_text=max(stated.prompt_tokens or 0, 0), output_text=max(stated.completion_tokens or 0, 0))
    given = stated.prompt_tokens_details or _NO_PROMPT_DETAILS
    made = stated.completion_tokens_details or _NO_COMPLETION_DETAILS
    hits = (given.cached_tokens, stated.prompt_cache_hit_tokens, stated.cached_tokens)
    cached, written, audio_in, image_in, video_in, text_in = counts.split(
        stated.prompt_tokens,
        next((count for count in hits if count is not None), None),
        given.cache_write_tokens,
        given.audio_tokens,
        given.image_tokens,
        given.video_tokens,
    )
    reasoning, audio_out, image_out, text_out = counts.split(
        stated.completion_tokens, made.reasoning_tokens, made.audio_tokens, made.image_tokens
    )
    return Usage(
        input_text=text_in,
        cached_read=cached,
        cache_write_5m=written,
        input_audio=audio_in,
        input_image=image_in,
        input_video=video_in,
        output_text=text_out,
        reasoning=reasoning,
        output_audio=audio_out,
        output_image=image_out,
    )


def _has_parts(stated: Stated) -> bool:
    """Whether anything but the two sums was stated."""
    return (
        stated.prompt_tokens_details is not None
        or stated.completion_tokens_details is not None
        or stated.prompt_cache_hit_tokens is not None
        or stated.cached_tokens is not None
    )


def read(value: object) -> Stated | None:
    """Usage from decoded JSON of any shape, member by member; None when that is not an object. Never raises.

    A member that cannot be read counts as absent, so that a vendor's slip in a detail never loses the sums.
    """
    if not isinstance(value, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "prompt_cache_hit_tokens", "cached_tokens")
    return Stated(
        **_counts(value, names),
        prompt_tokens_details=_details(value.get("prompt_tokens_details"), _PromptDetails),
        completion_tokens_details=_details(value.get("completion_tokens_details"), _CompletionDetails),
    )


def _details(value: object, kind: type[_Details]) -> _Details | None:
    return kind(**_counts(value, kind.__struct_fields__)) if isinstance(value, dict) else None


def _counts(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: counts.read(value.get(name)) for name in names}
