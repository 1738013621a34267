"""Videos as OpenAI's and AiToEarn's task surfaces have them (WIRE 1.9, 4.3)."""

from typing import Any

import msgspec


class VideoAsk(msgspec.Struct, frozen=True, tag="video", omit_defaults=True):
    """One video. `seconds` is its length, `size` `WIDTHxHEIGHT`, `resolution` a vendor's word (`720p`) and `ratio`
    `WIDTH:HEIGHT`; each None when unnamed.

    `images` are URLs or data URLs in their order, the first frame first; `remix_of` another video, named as
    `MusicAsk.continue_clip` is. `extra` has members that are not named here.
    """

    model: str
    prompt: str
    seconds: int | None = None
    size: str | None = None
    resolution: str | None = None
    ratio: str | None = None
    images: tuple[str, ...] = ()
    remix_of: str | None = None
    extra: dict[str, Any] = {}


class Video(msgspec.Struct, frozen=True, tag="video", omit_defaults=True):
    """A video made. `url` is the upstream's, None when it is fetched by its name; `seconds` its length; `expires` when
    the upstream throws it away, in seconds since the epoch.
    """

    url: str | None = None
    cover_url: str | None = None
    seconds: float | None = None
    size: str | None = None
    expires: int | None = None
    extra: dict[str, Any] = {}
