"""Serves AiToEarn's video tasks: an envelope with status 200 around everything, errors too (WIRE 1.6, 1.9)."""

import re
from typing import Any
from uuid import uuid4

import msgspec

from polyrelay.sandbox import faults, fields
from polyrelay.sandbox.calls import Call, Later, Route, model_in_body
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.lives import Stage
from polyrelay.sandbox.moments import iso
from polyrelay.sandbox.surfaces import AITOEARN, MEDIA, Refused
from polyrelay.sandbox.video.films import FAILURE, Film, Films

_PATH = "/api/ai/video/generations"
_STATUS = {
    Stage.SUBMITTED: "SUBMITTED",
    Stage.QUEUED: "QUEUED",
    Stage.RUNNING: "InProgress",
    Stage.DONE: "SUCCESS",
    Stage.FAILED: "FAILURE",
}
_OK, _INVALID, _NO_TASK = 200, "10002", "12302"
_ID = re.compile(r"[0-9a-f]{24}")
_MOST_PROMPT = 4000
_MOST_LISTED, _USUALLY_LISTED = 1000, 10
_USUAL_SECONDS, _MOST_SECONDS = 5.0, 60.0
_LINES = re.compile(r"(\d{3,4})p")
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})")
_USUAL_LINES = 720


class VideoTasks:
    """The calls of this surface over a studio of films."""

    def __init__(self, films: Films) -> None:
        self._films = films

    def routes(self) -> list[Route]:
        """The calls of this counter, and the files that its answers link to."""
        return [
            Route("POST", _PATH, AITOEARN, self._create, model_in_body()),
            Route("GET", _PATH, AITOEARN, self._list),
            Route("GET", f"{_PATH}/{{id}}", AITOEARN, self._retrieve),
            Route("GET", "/media/films/{name}", MEDIA, self._file),
        ]

    def _create(self, call: Call) -> Reply:
        _told(call)
        given = _given(call)
        model, prompt = given.get("model"), given.get("prompt")
        if not isinstance(model, str) or not model:
            raise _invalid("model should not be empty")
        if not isinstance(prompt, str) or not 1 <= len(prompt) <= _MOST_PROMPT:
            raise _invalid(f"prompt must be 1 to {_MOST_PROMPT} characters long")
        seconds = given.get("duration", _USUAL_SECONDS)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= _MOST_SECONDS:
            raise _invalid(f"duration must be from 1 to {_MOST_SECONDS:g}")
        film = Film(
            id=uuid4().hex[:24],
            model=model,
            prompt=prompt,
            seconds=float(seconds) if call.script.seconds is None else call.script.seconds,
            size=_pixels(given),
            seed=_seed(given, call),
            life=call.script.video,
            born=call.now,
            asked={name: value for name, value in given.items() if name != "model"},
        )
        self._films.order(film)
        return _enveloped({"id": film.id, "status": _STATUS[Stage.SUBMITTED]}, call)

    def _retrieve(self, call: Call) -> Reply:
        _told(call)
        if _ID.fullmatch(call.names["id"]) is None:
            raise _invalid("id must be a mongodb id")
        film = self._films.find(call.names["id"])
        if film is None:
            raise Refused("Invalid AI task id", _OK, code=_NO_TASK)
        return _enveloped(_described(film, call), call)

    def _list(self, call: Call) -> Reply:
        _told(call)
        page, size = call.asked("page", "1"), call.asked("pageSize", str(_USUALLY_LISTED))
        if not (page.isdecimal() and int(page) >= 1 and size.isdecimal() and 1 <= int(size) <= _MOST_LISTED):
            raise _invalid("page must be at least 1, pageSize from 1 to 1000")
        films = [film for film in reversed(self._films.all()) if _ID.fullmatch(film.id)]
        first, many = (int(page) - 1) * int(size), int(size)
        listed = {
            "page": int(page),
            "pageSize": many,
            "totalPages": -(-len(films) // many),
            "total": len(films),
            "list": [_described(film, call) for film in films[first : first + many]],
        }
        return _enveloped(listed, call)

    def _file(self, call: Call) -> Later:
        name, _, ending = call.names["name"].partition(".")
        film = self._films.find(name)
        if film is None or film.stage(call.now) is not Stage.DONE or ending not in ("mp4", "jpeg"):
            raise Refused("No such video.", 404, code="not_found")
        if ending == "mp4":
            return Later(lambda: Reply(200, (("content-type", "video/mp4"),), [film.file()]))
        return Later(lambda: Reply(200, (("content-type", "image/jpeg"),), [film.still("jpeg")]))


def _told(call: Call) -> None:
    """Fail as a script says by its `code`: with status 200."""
    if call.script.code is not None:
        raise Refused("The sandbox was told to fail.", _OK, code=call.script.code)


def _given(call: Call) -> dict[str, Any]:
    try:
        return call.content.json
    except Refused as refused:
        raise _invalid(refused.message) from None


def _invalid(message: str) -> Refused:
    return Refused(message, _OK, code=_INVALID)


def _pixels(given: dict[str, Any]) -> tuple[int, int]:
    """Of `size` as `WIDTHxHEIGHT`, else of `resolution` or `size` as lines (`720p`) and `ratio`, else 1280x720."""
    written = fields.pixels(str(given.get("size")))
    if written is not None and max(written) <= picture.MOST_SIDE and min(written) > 0:
        return written
    lines = _LINES.fullmatch(str(given.get("resolution") or given.get("size")))
    ratio = _RATIO.fullmatch(str(given.get("ratio")))
    short = int(lines[1]) if lines else _USUAL_LINES
    wide, high = (int(ratio[1]), int(ratio[2])) if ratio and ratio[1] != "0" and ratio[2] != "0" else (16, 9)
    width, height = (short * wide // high, short) if wide >= high else (short, short * high // wide)
    return min(picture.MOST_SIDE, width), min(picture.MOST_SIDE, height)


def _seed(given: dict[str, Any], call: Call) -> int:
    """That of the reference images, by what stands for them; else one that follows from the request."""
    named = [given.get(name) for name in ("image", "images", "image_tail", "video_url", "videos", "audios")]
    references = [value for value in named if value]
    return picture.seed_of(msgspec.json.encode(references)) if references else call.dice().below(1 << 48)


def _described(film: Film, call: Call) -> dict[str, Any]:
    stage, began = film.stage(call.now), film.life.running_after
    started = began is not None and call.now >= film.born + began
    shown: dict[str, Any] = {
        "id": film.id,
        "model": film.model,
        "status": _STATUS[stage],
        "input": film.asked,
        "submittedAt": iso(film.born),
        "startedAt": iso(film.born + began) if started and began is not None else None,
    }
    if stage is Stage.DONE:
        shown["videoUrl"] = f"{call.base}/media/films/{film.id}.mp4"
        shown["coverUrl"] = f"{call.base}/media/films/{film.id}.jpeg"
    if stage is Stage.FAILED:
        shown["error"] = {"message": FAILURE}
    if stage in (Stage.DONE, Stage.FAILED):
        shown["finishedAt"] = iso(film.over_at)
    return shown


def _enveloped(data: object, call: Call) -> Reply:
    request_id = call.header(b"x-request-id") or str(uuid4())
    whole = {"data": data, "code": 0, "message": "请求成功", "requestId": request_id}
    return Reply(200, (faults.JSON,), [msgspec.json.encode(whole)])
