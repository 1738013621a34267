"""AiToEarn's video tasks as clients speak it: POST `/api/ai/video/generations` (WIRE 1.6, 1.9).

Everything comes in an envelope `{data, code, message}` under HTTP status 200, errors too; their `code` is not 0. A
task is called as its job. Times are ISO 8601.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from polyrelay.exchange.job import Stage
from polyrelay.kernel import errors
from polyrelay.kernel.errors import Refusal
from polyrelay.wire import answers, echo, forms, times
from polyrelay.wire.answers import Answer
from polyrelay.wire.forms import Form
from polyrelay.wire.videos import requests, view
from polyrelay.wire.videos.requests import Images, Submission, VideoForm
from polyrelay.wire.videos.view import VideoView

SUCCESS = "请求成功"

VALIDATION = 10002
NO_CREDITS = 12001
INVALID_MODEL = 12300
CALL_FAILED = 12301
INVALID_TASK = 12302
INVALID_KEY = 19000
UNAVAILABLE = 19001

_CODES: tuple[tuple[type[Refusal], int], ...] = (
    (errors.Unauthenticated, INVALID_KEY),
    (errors.InsufficientQuota, NO_CREDITS),
    (errors.NotPriced, INVALID_MODEL),
    (errors.NotFound, INVALID_TASK),
    (errors.InvalidRequest, VALIDATION),
    (errors.Overloaded, UNAVAILABLE),
    (errors.Draining, UNAVAILABLE),
    (errors.BooksAway, UNAVAILABLE),
    (errors.UpstreamFailure, CALL_FAILED),
)
"""The first that fits is the code of a refusal; any other keeps its HTTP status as code (WIRE 1.6)."""

_MODEL_CODES = frozenset({"model_not_found", "model_not_allowed"})

_STATUSES = {
    Stage.SUBMITTED: "SUBMITTED",
    Stage.QUEUED: "QUEUED",
    Stage.RUNNING: "InProgress",
    Stage.SUCCEEDED: "SUCCESS",
    Stage.FAILED: "FAILURE",
}
_ECHOED = {
    "groupId": "groupId",
    "video_url": "videoUrl",
    "videos": "videos",
    "audios": "audios",
    "watermark": "watermark",
}
"""Members of a request that the task's `input` shows, with the names it has for them."""

_LONGEST_ECHO = 2_048
"""Characters of a data URL that is shown again: a longer one holds more than an icon."""

_DEFAULT_PAGE_SIZE = 10


class Page(msgspec.Struct, frozen=True, gc=False):
    """Page `number` (from 1) of `size` tasks."""

    number: int
    size: int


class _AiToEarnForm(VideoForm, kw_only=True, rename={"group_id": "groupId"}):
    """What only this surface names; checked here, and passed on as it came."""

    prompt: Annotated[str, Meta(min_length=1, max_length=4_000)]
    group_id: Annotated[str, Meta(max_length=requests.MOST_NAME)] | None = None
    image_tail: str | None = None
    video_url: str | None = None
    videos: Images | None = None
    audios: Images | None = None
    mode: requests.Word | None = None
    seed: int | None = None
    watermark: bool | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=requests.MOST_IMAGES)] | None = None
    metadata: dict[str, Any] | None = None


class _PageForm(Form, rename={"page_size": "pageSize"}):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    page_size: Annotated[int, Meta(ge=1, le=1_000)] | None = None


_OWN_FIELDS = frozenset(_AiToEarnForm.__struct_encode_fields__) - frozenset(VideoForm.__struct_encode_fields__)


def read_create(body: bytes) -> Submission:
    """A video. Raises `errors.InvalidRequest`."""
    given = forms.json(body)
    asked = requests.video(given, _AiToEarnForm, None, written=False)
    own = {name: value for name, value in given.items() if name in _OWN_FIELDS and value is not None}
    ask = msgspec.structs.replace(asked.ask, extra={**own, **asked.ask.extra})
    return msgspec.structs.replace(asked, ask=ask)


def read_list(query: bytes) -> Page:
    """Which tasks to list. Raises `errors.InvalidRequest`."""
    form, _ = forms.checked(forms.query(query), _PageForm, written=True)
    return Page(form.page or 1, form.page_size or _DEFAULT_PAGE_SIZE)


def submitted(job: VideoView, request_id: str | None = None) -> Answer:
    """The answer to a submission: one that is taken on is SUBMITTED, however far its upstream is (WIRE 1.9)."""
    status = _STATUSES[job.stage if job.stage.over else Stage.SUBMITTED]
    return _success({"id": job.job_id, "status": status}, request_id)


def one(job: VideoView, request_id: str | None = None) -> Answer:
    """One task."""
    return _success(_task(job), request_id)


def listed(jobs: Sequence[VideoView], page: Page, total: int, request_id: str | None = None) -> Answer:
    """A page of the `total` tasks that the key has."""
    data = {
        "page": page.number,
        "pageSize": page.size,
        "totalPages": -(-total // page.size),
        "total": total,
        "list": [_task(job) for job in jobs],
    }
    return _success(data, request_id)


def notice(job: VideoView) -> bytes:
    """What a webhook is told: the task by itself."""
    return msgspec.json.encode(_task(job))


def refuse(refusal: Refusal, now_ms: int, request_id: str | None = None) -> Answer:
    """`refusal` in the envelope; `now_ms` are milliseconds since the epoch."""
    body = {"data": {}, "code": code(refusal), "message": refusal.message, "timestamp": now_ms}
    return answers.refused(refusal, _identified(body, request_id), status=200)


def code(refusal: Refusal) -> int:
    """What AiToEarn calls such a refusal."""
    if refusal.code in _MODEL_CODES:
        return INVALID_MODEL
    return next((number for kind, number in _CODES if isinstance(refusal, kind)), refusal.status)


def _task(job: VideoView) -> dict[str, Any]:
    made = view.shown(job)
    task: dict[str, Any] = {
        "id": job.job_id,
        "model": job.model,
        "status": _STATUSES[job.stage],
        "input": _input(job),
        "videoUrl": made.url,
        "coverUrl": made.cover_url,
        "groupId": job.ask.extra.get("groupId"),
        "error": _error(job),
        "submittedAt": times.iso(job.created),
        "startedAt": times.iso(job.started or job.created),
        "finishedAt": None if job.finished is None else times.iso(job.finished),
    }
    return {name: value for name, value in task.items() if value is not None}


def _input(job: VideoView) -> dict[str, Any]:
    """The request again, but for media that it held."""
    ask = job.ask
    given: dict[str, Any] = {
        "prompt": ask.prompt,
        "image": ask.images[0] if len(ask.images) == 1 else None,
        "images": list(ask.images) if len(ask.images) > 1 else None,
        "duration": ask.seconds,
        "resolution": ask.resolution or ask.size,
        "aspectRatio": ask.ratio,
    }
    given |= {shown: ask.extra.get(name) for name, shown in _ECHOED.items()}
    return {name: _shortened(value) for name, value in given.items() if value is not None}


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    held = isinstance(value, str) and value.startswith("data:") and len(value) > _LONGEST_ECHO
    return echo.cut(value) if held else value


def _error(job: VideoView) -> dict[str, str] | None:
    if job.stage is not Stage.FAILED:
        return None
    return {"message": view.reason(job) or "The video could not be made."}


def _success(data: Any, request_id: str | None) -> Answer:
    return answers.of(_identified({"data": data, "code": 0, "message": SUCCESS}, request_id))


def _identified(body: Mapping[str, Any], request_id: str | None) -> Mapping[str, Any]:
    return body if request_id is None else {**body, "requestId": request_id}
