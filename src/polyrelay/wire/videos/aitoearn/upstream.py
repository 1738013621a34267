"""An upstream that speaks AiToEarn's video tasks; its base URL is what stands before `/api` (WIRE 1.6, 1.9)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.wire import nesting, replies
from polyrelay.wire.dialect import Asked, Declined, Garbled, Message, Unsupported
from polyrelay.wire.videos import outgoing

PATH = "/api/ai/video/generations"

_STAGES = {
    "not_start": Stage.SUBMITTED,
    "submitted": Stage.SUBMITTED,
    "queued": Stage.QUEUED,
    "inprogress": Stage.RUNNING,
    "in_progress": Stage.RUNNING,
    "generating": Stage.RUNNING,
    "success": Stage.SUCCEEDED,
    "succeeded": Stage.SUCCEEDED,
    "completed": Stage.SUCCEEDED,
    "succeed": Stage.SUCCEEDED,
    "failure": Stage.FAILED,
    "failed": Stage.FAILED,
    "error": Stage.FAILED,
}
"""The dialect's own words, and those that its reference client takes beside them."""

_PERCENT = {Stage.SUBMITTED: 0, Stage.QUEUED: 10, Stage.RUNNING: 50}
"""Tasks state no progress; these keep a bar moving."""

_STATUSES = {
    10002: 400,
    12000: 401,
    12001: 402,
    12300: 404,
    12301: 502,
    12302: 404,
    12303: 404,
    19000: 401,
    19001: 503,
}
"""What the codes of errors amount to (WIRE 1.6). Codes that are HTTP statuses stand for themselves."""

_OTHER_STATUS = 502
_KNOWN = frozenset(
    {
        "id",
        "model",
        "status",
        "input",
        "videoUrl",
        "coverUrl",
        "error",
        "submittedAt",
        "startedAt",
        "finishedAt",
    }
)


class AiToEarnVideos:
    """See `Dialect`."""

    def most_polled(self, ask: Ask) -> int:  # noqa: ARG002  # the same for every kind
        """Tasks are asked for one by one."""
        return 1

    def submit(self, ask: Ask, model: str) -> Message:
        """Raises `Unsupported`: this dialect makes no new version of a video, and no music."""
        if not isinstance(ask, VideoAsk):
            raise Unsupported("AiToEarn's videos are no songs")
        if ask.remix_of is not None:
            raise Unsupported("a new version of a video")
        return Message("POST", PATH, outgoing.body(_video(ask, model), ask.extra))

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:  # noqa: ARG002  # a port
        """Raises `Declined`, `Garbled`."""
        task = _opened(status, body)
        name = replies.name(task.get("id"))
        if name is None:
            raise Garbled("a task without an id")
        return Upstreamed((name,)), _snapshot(task) or Snapshot(Stage.SUBMITTED)

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """One task."""
        return Message("GET", f"{PATH}/{quote(jobs[0].upstreamed.ids[0], safe='')}")

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:  # noqa: ARG002  # one
        """Raises `Declined`, `Garbled`."""
        return [_snapshot(_opened(status, body))]


def _video(ask: VideoAsk, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "prompt": ask.prompt,
        "image": ask.images[0] if len(ask.images) == 1 else None,
        "images": ask.images if len(ask.images) > 1 else None,
        "duration": ask.seconds,
        "size": ask.size,
        "resolution": ask.resolution,
        "ratio": ask.ratio,
    }


def _opened(status: int, body: bytes) -> Mapping[str, Any]:
    """The task in the envelope, or bare. Raises `Declined` for a code other than 0, `Garbled` without a task."""
    value = replies.value(status, body)
    if not isinstance(value, dict):
        raise Garbled("no envelope")
    code = replies.number(value.get("code")) if value.get("code") is not None else 0
    if code != 0:
        number = -1 if code is None else int(code)
        raise Declined(replies.words(value) or f"code {number}", _amounts_to(number))
    task = value.get("data", value)
    if not isinstance(task, dict):
        raise Garbled("no task")
    return task


def _amounts_to(code: int) -> int:
    if 400 <= code <= 599:  # noqa: PLR2004  # the classes of RFC 9110 section 15
        return code
    return _STATUSES.get(code, _OTHER_STATUS)


def _snapshot(task: Mapping[str, Any]) -> Snapshot | None:
    """None when the status is not known, or is success without a video."""
    stage = _STAGES.get(replies.text(task.get("status")).strip().lower())
    if stage is None:
        return None
    if stage is Stage.FAILED:
        return Snapshot(stage, 100, reason=replies.words(task.get("error")) or None)
    if stage is not Stage.SUCCEEDED:
        return Snapshot(stage, _PERCENT[stage])
    url = replies.text(task.get("videoUrl"))
    if not url:
        return None
    extra = {name: item for name, item in task.items() if name not in _KNOWN and nesting.fits(item)}
    return Snapshot(stage, 100, Video(url, replies.text(task.get("coverUrl")) or None, extra=extra))
