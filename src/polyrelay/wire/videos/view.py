"""A video task as its client may see it: under the relay's names, whatever the upstream called things."""

from collections.abc import Mapping
from typing import Any

import msgspec

from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.wire import disclosure
from polyrelay.wire.disclosure import Disclosure


class VideoView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One job, as the relay has it.

    `ask` is as its client sent it and `model` the client's name for the model; `result`, `reason` and `upstreamed` are
    the upstream's. `known` are upstream names of other jobs with the relay's names for them. Times are seconds since
    the epoch; `expires` is when the relay hands the video out no longer, None when the upstream does it. `content_url`
    is where the relay itself does, None when it does not.
    """

    job_id: str
    ask: VideoAsk
    model: str
    stage: Stage
    created: int
    started: int | None = None
    finished: int | None = None
    expires: int | None = None
    progress: int = 0
    result: Video | None = None
    reason: str | None = None
    upstreamed: Upstreamed = Upstreamed()
    known: Mapping[str, str] = {}
    content_url: str | None = None


class Shown(msgspec.Struct, frozen=True, gc=False):
    """What may be seen of what was made; nothing until it is."""

    url: str | None = None
    cover_url: str | None = None
    seconds: float | None = None
    size: str | None = None
    expires: int | None = None
    extra: dict[str, Any] = {}


def shown(view: VideoView) -> Shown:
    """The video; nothing of one that is not paid for, because its job failed or goes on."""
    made = view.result
    if made is None or view.stage is not Stage.SUCCEEDED:
        return Shown()
    seen = _disclosure(view)
    size = seen.text(made.size) if made.size else None
    return Shown(
        view.content_url or made.url,
        made.cover_url,
        made.seconds,
        size,
        view.expires if view.expires is not None else made.expires,
        seen.members(made.extra),
    )


def reason(view: VideoView) -> str:
    """Why the job failed, fit to be seen; empty when nobody said."""
    return _disclosure(view).reason(view.reason) if view.reason else ""


def _disclosure(view: VideoView) -> Disclosure:
    return disclosure.of({**view.known, **dict.fromkeys(view.upstreamed.ids, view.job_id)})
