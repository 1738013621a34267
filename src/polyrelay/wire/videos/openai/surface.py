"""OpenAI's videos as clients speak it: POST `/v1/videos` and what belongs to it (WIRE 4.3, openai_misc.json).

A video is called `video_` and its job's id. Errors are those of every surface of OpenAI's (`answers.openai_refusal`).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from polyrelay.exchange import names
from polyrelay.exchange.job import Stage
from polyrelay.exchange.video import VideoAsk
from polyrelay.kernel.errors import InvalidRequest, Refusal
from polyrelay.wire import answers, forms
from polyrelay.wire.answers import Answer
from polyrelay.wire.forms import Form
from polyrelay.wire.videos import requests, view
from polyrelay.wire.videos.requests import Submission, VideoForm
from polyrelay.wire.videos.view import VideoView

DEFAULT_MODEL = "sora-2"

PREFIX = "video_"

FAILED = "video_generation_failed"
"""The code of a failure whose kind the upstream did not state."""

Variant = Literal["video", "thumbnail", "spritesheet"]
Order = Literal["asc", "desc"]

_STATUSES = {
    Stage.SUBMITTED: "queued",
    Stage.QUEUED: "queued",
    Stage.RUNNING: "in_progress",
    Stage.SUCCEEDED: "completed",
    Stage.FAILED: "failed",
}
_DEFAULT_LIMIT = 20


class Page(msgspec.Struct, frozen=True, gc=False):
    """Which videos to list: `limit` of them by time, those after the job `after`."""

    limit: int
    ascending: bool
    after: str | None


class _Remix(Form):
    prompt: Annotated[str, Meta(min_length=1, max_length=requests.MOST_PROMPT)]


class _ListForm(Form):
    limit: Annotated[int, Meta(ge=1, le=100)] | None = None
    order: Order | None = None
    after: Annotated[str, Meta(max_length=requests.MOST_NAME)] | None = None


class _ContentForm(Form):
    variant: Variant | None = None


def name(job_id: str) -> str:
    """What clients call the job's video."""
    return PREFIX + job_id


def job_id(video: str) -> str | None:
    """The job whose video clients call `video`; None when the relay gives no such name."""
    place = names.place(video.removeprefix(PREFIX))
    return place.job_id if place is not None and place.index is None else None


def read_create(given: Mapping[str, Any], *, written: bool = False) -> Submission:
    """A video of the decoded members of a JSON body, or, `written`, of a multipart form's fields.

    A file in `input_reference` stands there as a data URL. Raises `errors.InvalidRequest`.
    """
    return requests.video(given, VideoForm, DEFAULT_MODEL, written=written)


def read_remix(given: Mapping[str, Any], remixed: VideoAsk, remixed_id: str) -> Submission:
    """A new version of the job `remixed_id`, which asked for `remixed`. Raises `errors.InvalidRequest`."""
    form, extra = forms.checked(given, _Remix)
    return Submission(VideoAsk(remixed.model, form.prompt, remix_of=remixed_id, extra=extra))


def read_list(query: bytes) -> Page:
    """Which videos to list. Raises `errors.InvalidRequest`."""
    form, _ = forms.checked(forms.query(query), _ListForm, {"order": get_args(Order)}, written=True)
    after = job_id(form.after) if form.after else None
    if form.after and after is None:
        raise InvalidRequest("Invalid 'after': there is no such video.", code="invalid_value", param="after")
    return Page(form.limit or _DEFAULT_LIMIT, form.order == "asc", after)


def read_variant(query: bytes) -> Variant:
    """Which file of a video is wanted. Raises `errors.InvalidRequest`."""
    form, _ = forms.checked(forms.query(query), _ContentForm, {"variant": get_args(Variant)}, written=True)
    return form.variant or "video"


def one(job: VideoView) -> Answer:
    """One video: the answer to its creation and to every question after it."""
    return answers.of(_video(job))


def listed(jobs: Sequence[VideoView], *, more: bool) -> Answer:
    """A page of videos; `more` says that it is not the last."""
    videos = [_video(job) for job in jobs]
    first, last = (videos[0]["id"], videos[-1]["id"]) if videos else (None, None)
    return answers.of({"object": "list", "data": videos, "first_id": first, "last_id": last, "has_more": more})


def deleted(job_id: str) -> Answer:
    """The answer to a deletion."""
    return answers.of({"id": name(job_id), "object": "video.deleted", "deleted": True})


def notice(job: VideoView) -> bytes:
    """What a webhook is told: the video by itself."""
    return msgspec.json.encode(_video(job))


def refuse(refusal: Refusal) -> Answer:
    """`refusal` as OpenAI says it."""
    return answers.openai_refusal(refusal)


def _video(job: VideoView) -> dict[str, Any]:
    made = view.shown(job)
    seconds = made.seconds if made.seconds is not None else job.ask.seconds
    video: dict[str, Any] = {
        **made.extra,
        "id": name(job.job_id),
        "object": "video",
        "model": job.model,
        "status": _STATUSES[job.stage],
        "progress": 100 if job.stage is Stage.SUCCEEDED else job.progress,
        "created_at": job.created,
        "completed_at": job.finished if job.stage is Stage.SUCCEEDED else None,
        "expires_at": made.expires,
        "prompt": job.ask.prompt,
        "size": made.size or job.ask.size or job.ask.resolution,
        "seconds": None if seconds is None else f"{seconds:g}",
        "remixed_from_video_id": None if job.ask.remix_of is None else name(job.ask.remix_of),
        "error": _error(job),
    }
    if made.url is not None:
        video["url"] = made.url
    return video


def _error(job: VideoView) -> dict[str, str] | None:
    if job.stage is not Stage.FAILED:
        return None
    return {"code": FAILED, "message": view.reason(job) or "The video could not be made."}
