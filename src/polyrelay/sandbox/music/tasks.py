"""Serves the dialect in which everything is a task with an envelope (WIRE 2.3)."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from polyrelay.sandbox.calls import Call, Route
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.lives import Life, Stage
from polyrelay.sandbox.music.clips import ERROR_MESSAGE, Clip
from polyrelay.sandbox.music.native import as_json, model_of_song, song_asked, written
from polyrelay.sandbox.music.studio import Lyrics, NoSuchClipError, Studio
from polyrelay.sandbox.surfaces import SUNO_TASKS, Refused

_STATUS = {
    Stage.SUBMITTED: "SUBMITTED",
    Stage.QUEUED: "QUEUED",
    Stage.RUNNING: "IN_PROGRESS",
    Stage.DONE: "SUCCESS",
    Stage.FAILED: "FAILURE",
}
_MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Task:
    """A song (its clips) or lyrics, and who wants to be told."""

    id: str
    born: float
    life: Life
    made: tuple[Clip, ...] | Lyrics
    notify_hook: str

    def stage(self, now: float) -> Stage:
        """That of its parts; when they differ, of the one that is not complete."""
        if isinstance(self.made, Lyrics):
            return self.made.stage(now)
        stages = [clip.stage(now) for clip in self.made]
        return next((stage for stage in stages if stage is not Stage.DONE), stages[0])

    def shown(self, base: str, now: float) -> dict[str, Any]:
        """The task as it is now; times are whole seconds since the epoch, 0 for what has not come."""
        stage = self.stage(now)
        over = stage in (Stage.DONE, Stage.FAILED)
        began = self.life.running_after
        started = began is not None and now >= self.born + began
        return {
            "task_id": self.id,
            "notify_hook": self.notify_hook,
            "action": "LYRICS" if isinstance(self.made, Lyrics) else "MUSIC",
            "status": _STATUS[stage],
            "fail_reason": ERROR_MESSAGE if stage is Stage.FAILED else "",
            "submit_time": int(self.born),
            "start_time": int(self.born + began) if started and began is not None else 0,
            "finish_time": int(self.born + self.life.seconds) if over else 0,
            "progress": f"{int(100 * self.life.part(now - self.born))}%",
            "search_item": "",
            "data": self._data(base, now),
        }

    def _data(self, base: str, now: float) -> Any:
        if isinstance(self.made, Lyrics):
            return {"id": self.made.id, **written(self.made, now)}
        return [clip.native(base, now) for clip in self.made]


class Tasks:
    """The calls of the task dialect over a studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._tasks: OrderedDict[str, Task] = OrderedDict()

    def routes(self) -> list[Route]:
        """The calls of this counter."""
        return [
            Route("POST", "/suno/submit/music", SUNO_TASKS, self._music, model_of_song),
            Route("POST", "/suno/submit/lyrics", SUNO_TASKS, self._lyrics),
            Route("POST", "/suno/submit/concat", SUNO_TASKS, self._concat),
            Route("POST", "/suno/fetch", SUNO_TASKS, self._fetch),
            Route("GET", "/suno/fetch/{id}", SUNO_TASKS, self._fetch_one),
        ]

    def _music(self, call: Call) -> Reply:
        try:
            ask = song_asked(call)
            return self._submitted(call, self._studio.sing(ask, call.script, call.dice(), call.now))
        except NoSuchClipError as error:
            raise Refused(f"clip {error} not exist") from None

    def _lyrics(self, call: Call) -> Reply:
        prompt = call.content.json.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise Refused("prompt is empty")
        return self._submitted(call, self._studio.write(prompt, call.script, call.dice(), call.now))

    def _concat(self, call: Call) -> Reply:
        clip_id = call.content.json.get("clip_id")
        try:
            return self._submitted(call, (self._studio.concat(str(clip_id), call.script, call.now),))
        except NoSuchClipError as error:
            raise Refused(f"clip {error} not exist") from None

    def _submitted(self, call: Call, made: tuple[Clip, ...] | Lyrics) -> Reply:
        hook = call.content.json.get("notify_hook")
        task = Task(str(uuid4()), call.now, call.script.song, made, hook if isinstance(hook, str) else "")
        self._tasks[task.id] = task
        if len(self._tasks) > _MOST_KEPT:
            self._tasks.popitem(last=False)
        return _enveloped(task.id)

    def _fetch(self, call: Call) -> Reply:
        ids = call.content.json.get("ids")
        if not isinstance(ids, list):
            raise Refused("ids is empty")
        wanted = str(call.content.json.get("action") or "").upper()
        shown = [self._tasks[name].shown(call.base, call.now) for name in map(str, ids) if name in self._tasks]
        return _enveloped([task for task in shown if wanted in ("", task["action"])])

    def _fetch_one(self, call: Call) -> Reply:
        task = self._tasks.get(call.names["id"])
        if task is None:
            raise Refused("task_not_exist")
        return _enveloped(task.shown(call.base, call.now))


def _enveloped(data: object) -> Reply:
    return as_json({"code": "success", "message": "", "data": data})
