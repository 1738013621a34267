"""An upstream that speaks OpenAI's videos; its base URL is what stands before `/videos` (WIRE 4.3)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.wire import nesting, replies
from polyrelay.wire.dialect import Asked, Garbled, Message, Unsupported
from polyrelay.wire.videos import outgoing, shapes

_STAGES = {
    "queued": Stage.QUEUED,
    "in_progress": Stage.RUNNING,
    "processing": Stage.RUNNING,
    "completed": Stage.SUCCEEDED,
    "succeeded": Stage.SUCCEEDED,
    "failed": Stage.FAILED,
    "cancelled": Stage.FAILED,
    "expired": Stage.FAILED,
}
"""OpenAI's four, and words that look-alikes add."""

_URLS = ("url", "video_url", "output_url")
_KNOWN = frozenset(
    {
        *_URLS,
        "id",
        "object",
        "model",
        "status",
        "progress",
        "created_at",
        "completed_at",
        "expires_at",
        "prompt",
        "seconds",
        "size",
        "remixed_from_video_id",
        "error",
        "thumbnail_url",
    }
)


class OpenAIVideos:
    """See `Dialect` and `Keeper`."""

    def most_polled(self, ask: Ask) -> int:  # noqa: ARG002  # the same for every kind
        """Videos are asked for one by one."""
        return 1

    def submit(self, ask: Ask, model: str) -> Message:
        """Raises `Unsupported`: this dialect takes one picture, and makes no music."""
        if not isinstance(ask, VideoAsk):
            raise Unsupported("OpenAI's videos are no songs")
        if ask.remix_of is not None:
            path = f"/videos/{quote(ask.remix_of, safe='')}/remix"
            return Message("POST", path, outgoing.body({"prompt": ask.prompt}, ask.extra))
        if len(ask.images) > 1:
            raise Unsupported("a video of several images")
        return Message("POST", "/videos", outgoing.body(_video(ask, model), ask.extra))

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:  # noqa: ARG002  # a port
        """Raises `Declined`, `Garbled`."""
        value = _object(status, body)
        name = replies.name(value.get("id"))
        if name is None:
            raise Garbled("a video without an id")
        return Upstreamed((name,)), _snapshot(value) or Snapshot(Stage.SUBMITTED)

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """One video."""
        return Message("GET", _path(jobs[0].upstreamed))

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:  # noqa: ARG002  # one
        """Raises `Declined`, `Garbled`."""
        return [_snapshot(_object(status, body))]

    def content(self, upstreamed: Upstreamed, variant: str) -> Message:
        """The file itself: `variant` is `video`, `thumbnail` or `spritesheet`."""
        return Message("GET", f"{_path(upstreamed)}/content?variant={quote(variant, safe='')}")

    def delete(self, upstreamed: Upstreamed) -> Message:
        """Throws the video away."""
        return Message("DELETE", _path(upstreamed))


def _path(upstreamed: Upstreamed) -> str:
    return f"/videos/{quote(upstreamed.ids[0], safe='')}"


def _video(ask: VideoAsk, model: str) -> dict[str, Any]:
    """A shape that cannot be told in pixels goes as it was named."""
    return {
        "model": model,
        "prompt": ask.prompt,
        "seconds": None if ask.seconds is None else str(ask.seconds),
        "size": ask.size or shapes.pixels(ask.resolution, ask.ratio) or ask.resolution,
        "input_reference": {"image_url": ask.images[0]} if ask.images else None,
    }


def _object(status: int, body: bytes) -> Mapping[str, Any]:
    value = replies.value(status, body)
    if not isinstance(value, dict):
        raise Garbled("a video that is no object")
    return value


def _snapshot(value: Mapping[str, Any]) -> Snapshot | None:
    """None when the status is not known."""
    stage = _STAGES.get(replies.text(value.get("status")).strip().lower())
    if stage is None:
        return None
    stated = replies.percent(value.get("progress")) or 0
    if stage is Stage.FAILED:
        return Snapshot(stage, stated, reason=replies.words(value.get("error")) or None)
    if stage is not Stage.SUCCEEDED:
        return Snapshot(stage, stated)
    seconds = replies.number(value.get("seconds")) or None
    usage = None if seconds is None else Usage(seconds=math.ceil(seconds), tasks=1)
    return Snapshot(stage, 100, _made(value, seconds), usage=usage)


def _made(value: Mapping[str, Any], seconds: float | None) -> Video:
    nested = value.get("metadata")
    places = [value, nested] if isinstance(nested, dict) else [value]
    urls = [replies.text(place.get(member)) for place in places for member in _URLS]
    return Video(
        url=next((url for url in urls if url), None),
        cover_url=replies.text(value.get("thumbnail_url")) or None,
        seconds=seconds,
        size=replies.text(value.get("size")) or None,
        expires=replies.moment(value.get("expires_at")),
        extra={name: item for name, item in value.items() if name not in _KNOWN and nesting.fits(item)},
    )
