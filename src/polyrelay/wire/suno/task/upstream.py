"""An upstream that speaks the task dialect; its base URL is what stands before `/suno` (WIRE 2.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, Concat, Lyrics, LyricsAsk, MusicAsk, Stems
from polyrelay.wire import replies
from polyrelay.wire.dialect import Asked, Declined, Garbled, Message, Unsupported
from polyrelay.wire.suno import clips, outgoing, progress

BATCH = 50
"""Tasks in one poll: about 10 KB each when they are done."""

_SUCCESSES = ("success", "200", "0", "")

_STAGES = {
    "not_start": Stage.SUBMITTED,
    "submitted": Stage.SUBMITTED,
    "pending": Stage.SUBMITTED,
    "queued": Stage.QUEUED,
    "in_progress": Stage.RUNNING,
    "streaming": Stage.RUNNING,
    "processing": Stage.RUNNING,
    "success": Stage.SUCCEEDED,
    "complete": Stage.SUCCEEDED,
    "completed": Stage.SUCCEEDED,
    "failure": Stage.FAILED,
    "failed": Stage.FAILED,
    "error": Stage.FAILED,
}
"""Statuses of a task, and those of clips that some vendors write there."""

_PERCENT = {Stage.SUBMITTED: 0, Stage.QUEUED: 10, Stage.RUNNING: 50}

_DEFAULTS = {Stage.SUCCEEDED: ClipStatus.COMPLETE, Stage.FAILED: ClipStatus.ERROR}

_REFUSALS = {"invalid_request": 400, "task_not_exist": 404, "rate_limit_exceeded": 429}
_OTHER_REFUSAL = 502


class Task:
    """See `Dialect`."""

    def most_polled(self, ask: Ask) -> int:  # noqa: ARG002  # the same for every kind
        """Tasks of every kind share a poll."""
        return BATCH

    def submit(self, ask: Ask, model: str) -> Message:
        """Raises `Unsupported`: no task takes a clip apart."""
        match ask:
            case MusicAsk():
                return Message("POST", "/suno/submit/music", outgoing.body(_song(ask, model), ask.extra))
            case Concat():
                body = outgoing.body({"clip_id": ask.clip, "is_infill": ask.infill}, ask.extra)
                return Message("POST", "/suno/submit/concat", body)
            case LyricsAsk():
                body = outgoing.body({"prompt": ask.prompt}, ask.extra)
                return Message("POST", "/suno/submit/lyrics", body, slow=True)
            case Stems():
                raise Unsupported("tasks have no stems")
            case _:
                raise Unsupported("Suno makes no videos")

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:  # noqa: ARG002  # a port
        """Raises `Declined`, `Garbled`."""
        data = _opened(replies.value(status, body))
        if isinstance(data, dict):
            data = data.get("task_id", data.get("id"))
        name = replies.name(data)
        if name is None:
            raise Garbled("no task id")
        return Upstreamed((name,)), Snapshot(Stage.SUBMITTED)

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """All tasks in one question."""
        ids = [name for job in jobs for name in job.upstreamed.ids]
        return Message("POST", "/suno/fetch", msgspec.json.encode({"ids": ids}))

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
        """Raises `Declined`, `Garbled`."""
        data = _opened(replies.value(status, body))
        if data is not None and not isinstance(data, list | dict):
            raise Garbled("tasks that are no list")
        tasks = {replies.name(task.get("task_id", task.get("id"))): task for task in replies.objects(data)}
        told = [next((tasks[name] for name in job.upstreamed.ids if name in tasks), None) for job in jobs]
        return [None if task is None else _snapshot(job, task) for job, task in zip(jobs, told, strict=True)]


def _song(ask: MusicAsk, model: str) -> dict[str, Any]:
    song: dict[str, Any] = {
        "prompt": ask.prompt,
        "mv": model,
        "title": ask.title,
        "tags": ask.tags,
        "make_instrumental": ask.instrumental,
    }
    if ask.description:
        song["gpt_description_prompt"] = ask.description
    if ask.negative_tags:
        song["negative_tags"] = ask.negative_tags
    if ask.continue_clip is not None:
        song |= {"continue_clip_id": ask.continue_clip, "continue_at": ask.continue_at}
    if ask.continue_job is not None:
        song["task_id"] = ask.continue_job
    if ask.task or ask.continue_clip is not None:
        song["task"] = ask.task or "extend"
    return song


def _opened(value: Any) -> Any:
    """The envelope's `data`. Raises `Declined` when its code is no success, `Garbled` when it is no envelope."""
    if not isinstance(value, dict):
        raise Garbled("no envelope")
    if _code(value) not in _SUCCESSES or "error" in value:
        raise _declined(value)
    if "data" not in value:
        raise Garbled("an envelope without data")
    return value["data"]


def _code(value: Mapping[str, Any]) -> str:
    code = value.get("code")
    return "" if code is None else str(code).strip().lower()


def _declined(value: Mapping[str, Any]) -> Declined:
    code = _code(value)
    status = _REFUSALS.get(code, _OTHER_REFUSAL)
    if code.isascii() and code.isdigit() and len(code) == len("400") and code[0] in "45":
        status = int(code)
    return Declined(replies.words(dict(value)) or f"code {code[:64]}", status)


def _snapshot(job: Asked, task: Mapping[str, Any]) -> Snapshot | None:
    """What one task says; None when that is nothing: an unknown status, or success without what was made."""
    stage = _STAGES.get(replies.text(task.get("status")).strip().lower())
    if isinstance(job.ask, LyricsAsk):
        return _lyrics(task, stage)
    made = clips.read_any(task.get("data"), _DEFAULTS.get(stage) if stage else None)
    if not made:
        return _bare(task, stage)
    reached = progress.snapshot([_ended(clip, stage) for clip in progress.arranged(made, job.upstreamed.clips)])
    if reached.stage is Stage.FAILED:
        return msgspec.structs.replace(reached, reason=_reason(task) or reached.reason)
    stated = replies.percent(task.get("progress"))
    return reached if stated is None or reached.stage.over else msgspec.structs.replace(reached, progress=stated)


def _ended(clip: Clip, stage: Stage | None) -> Clip:
    """`clip` of a task at `stage`: when that is over, the clip is, because nothing more will be said of it."""
    if stage is None or not stage.over or progress.over(clip):
        return clip
    done = stage is Stage.SUCCEEDED and clip.audio_url
    return msgspec.structs.replace(clip, status=ClipStatus.COMPLETE if done else ClipStatus.ERROR)


def _bare(task: Mapping[str, Any], stage: Stage | None) -> Snapshot | None:
    """A task that says nothing of its clips."""
    if stage is None or stage is Stage.SUCCEEDED:
        return None
    if stage is Stage.FAILED:
        return Snapshot(stage, 100, reason=_reason(task))
    stated = replies.percent(task.get("progress"))
    return Snapshot(stage, _PERCENT[stage] if stated is None else stated)


def _lyrics(task: Mapping[str, Any], stage: Stage | None) -> Snapshot | None:
    data = next(iter(replies.objects(task.get("data"))), {})
    text = replies.text(data.get("text"))
    if stage is Stage.SUCCEEDED and text:
        return Snapshot(stage, 100, Lyrics(text, replies.text(data.get("title"))))
    if stage is Stage.FAILED:
        return Snapshot(stage, 100, reason=_reason(task) or replies.words(data) or None)
    return _bare(task, stage)


def _reason(task: Mapping[str, Any]) -> str | None:
    return replies.words(task.get("fail_reason")) or None
