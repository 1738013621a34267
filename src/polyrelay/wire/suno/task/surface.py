"""The task dialect as clients speak it: POST `/suno/submit/{action}`, `/suno/fetch` (WIRE 2.3).

Everything comes in an envelope `{code, message, data}`; a submission's `data` is the task's id. Errors have the HTTP
status too.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from polyrelay.exchange.job import Stage
from polyrelay.exchange.music import ClipStatus, Concat, LyricsAsk, Song, Stems
from polyrelay.kernel.errors import InvalidRequest, Refusal
from polyrelay.wire import answers, echo, forms
from polyrelay.wire.answers import Answer
from polyrelay.wire.forms import Form
from polyrelay.wire.suno import clips, requests, view
from polyrelay.wire.suno.credits import PERIOD, Credits
from polyrelay.wire.suno.requests import Submission
from polyrelay.wire.suno.view import JobView

DEFAULT_MODEL = "chirp-v3-0"

ACTIONS = ("music", "lyrics", "concat")

MOST_TASKS = 1_000
"""Of one question. new-api asks for every task under way at once, and takes a refusal for no news of any."""

SUCCESS = "success"

_STATUSES = {
    Stage.SUBMITTED: "SUBMITTED",
    Stage.QUEUED: "QUEUED",
    Stage.RUNNING: "IN_PROGRESS",
    Stage.SUCCEEDED: "SUCCESS",
    Stage.FAILED: "FAILURE",
}
_CLIP_STATUSES = {
    ClipStatus.SUBMITTED: "SUBMITTED",
    ClipStatus.QUEUED: "QUEUED",
    ClipStatus.STREAMING: "IN_PROGRESS",
}
_ENDS = (ClipStatus.COMPLETE, ClipStatus.ERROR)
_INVALID_REQUEST = "invalid_request"
_INTERNAL_ERROR = "internal_error"
_FIRST_OF_OURS = 500


class Fetch(msgspec.Struct, frozen=True, gc=False):
    """Which tasks are asked for; with `action` only those of it (in capitals)."""

    ids: tuple[str, ...]
    action: str | None = None


class _FetchForm(Form):
    ids: Annotated[list[str], Meta(max_length=MOST_TASKS)]
    action: Annotated[str, Meta(max_length=requests.MOST_NAME)] | None = None


def read_submit(action: str, body: bytes) -> Submission:
    """What `action`, the last part of the path in any case, is to be done. Raises `errors.InvalidRequest`."""
    match action.lower():
        case "music":
            return requests.music(forms.json(body), DEFAULT_MODEL)
        case "lyrics":
            return requests.lyrics(forms.json(body))
        case "concat":
            return requests.concat(forms.json(body))
    message = f"Invalid action {echo.cut(action)!r}. Supported values are: {', '.join(map(repr, ACTIONS))}."
    raise InvalidRequest(message, code="invalid_value", param="action")


def read_fetch(body: bytes) -> Fetch:
    """Which tasks are asked for. Raises `errors.InvalidRequest`."""
    form, _ = forms.checked(forms.json(body), _FetchForm)
    return Fetch(requests.listed(form.ids, most=MOST_TASKS), form.action.upper() if form.action else None)


def submitted(job: JobView) -> Answer:
    """The answer to a submission: the task's id."""
    return _success(job.job_id)


def fetched(jobs: Sequence[JobView], asked: Fetch) -> Answer:
    """Those of `jobs` that are of the action asked for."""
    chosen = [job for job in jobs if asked.action in (None, _action(job))]
    return _success([task(job) for job in chosen])


def fetched_one(job: JobView) -> Answer:
    """One task."""
    return _success(task(job))


def account(left: Credits, now: int) -> Answer:
    """What the key may still spend at `now` (Unix seconds), without the secrets that the original shows."""
    whole, used = int(left.left), int(left.used)
    certificate = {
        "credits_left": whole,
        "monthly_limit": whole + used,
        "monthly_usage": used,
        "period": PERIOD,
        "is_active": True,
        "last_update": now,
    }
    return _success({"certificate": certificate, "msg": ""})


def notice(job: JobView) -> bytes:
    """What a webhook is told: the task by itself."""
    return msgspec.json.encode(task(job))


def refuse(refusal: Refusal) -> Answer:
    """`refusal` in the envelope, under its own status."""
    return answers.refused(refusal, {"code": _code(refusal), "message": refusal.message, "data": None})


def task(job: JobView) -> dict[str, Any]:
    """The task's members. `start_time` and `finish_time` are 0 until then.

    One that succeeded before it was seen to run began some time after its submission; nobody knows when.
    """
    unseen = job.created if job.stage is Stage.SUCCEEDED else 0
    return {
        "task_id": job.job_id,
        "notify_hook": job.hook or "",
        "action": _action(job),
        "status": _status(job),
        "fail_reason": view.reason(job) if job.stage is Stage.FAILED else "",
        "submit_time": job.created,
        "start_time": job.started or unseen,
        "finish_time": job.finished or 0,
        "progress": f"{100 if job.stage.over else job.progress}%",
        "search_item": _search_item(job),
        "data": _data(job),
    }


def _status(job: JobView) -> str:
    """That of the job; while it goes on, that of its first clip which is not over (WIRE 2.3).

    A song with one take is delivered and paid, so it is a success, although the dialect's first server called it a
    failure: no client pays for what it is told has failed.
    """
    if job.stage.over or not isinstance(job.result, Song):
        return _STATUSES[job.stage]
    under_way = [clip.status for clip in view.takes(job) if clip.status not in _ENDS]
    return _CLIP_STATUSES[under_way[0]] if under_way else _STATUSES[job.stage]


def _data(job: JobView) -> Any:
    if not isinstance(job.ask, LyricsAsk):
        return [clips.native(clip) for clip in view.takes(job)]
    written = view.lyrics(job)
    status = view.status(job.stage).value
    return {"id": job.job_id, "status": status, "title": written.title, "text": written.text}


def _action(job: JobView) -> str:
    """Stems are made in other dialects only, and are tasks here all the same."""
    match job.ask:
        case LyricsAsk():
            return "LYRICS"
        case Concat():
            return "CONCAT"
        case Stems():
            return "STEMS"
        case _:
            return "MUSIC"


def _search_item(job: JobView) -> str:
    """What a person would look the task up by."""
    if isinstance(job.ask, Concat | Stems):
        return ""
    if isinstance(job.ask, LyricsAsk):
        return job.ask.prompt
    return job.ask.description or job.ask.title or job.ask.tags


def _success(data: Any) -> Answer:
    return answers.of({"code": SUCCESS, "message": "", "data": data})


def _code(refusal: Refusal) -> str:
    """One of the two that the dialect has; the status tells more."""
    return _INTERNAL_ERROR if refusal.status >= _FIRST_OF_OURS else _INVALID_REQUEST
