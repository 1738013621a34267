"""Serves OpenAI's `videos` (WIRE 4.3)."""

from typing import Any
from uuid import uuid4

import msgspec

from polyrelay.sandbox import faults, fields
from polyrelay.sandbox.calls import Call, Later, Route, model_in_body
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.lives import Stage
from polyrelay.sandbox.surfaces import OPENAI, Refused
from polyrelay.sandbox.video import parts
from polyrelay.sandbox.video.films import FAILURE, Film, Films

PREFIX = "video_"
"""Ids of this surface begin with it."""
_STATUS = {
    Stage.SUBMITTED: "queued",
    Stage.QUEUED: "queued",
    Stage.RUNNING: "in_progress",
    Stage.DONE: "completed",
    Stage.FAILED: "failed",
}
_USUAL_MODEL = "sora-2"
_SECONDS = ("4", "8", "12")
_SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024")
_MOST_PROMPT = 32_000
_MOST_LISTED, _USUALLY_LISTED = 100, 20
_KEPT_SECONDS = 24 * 3600
"""How long OpenAI keeps a film; here only said."""


class Videos:
    """The calls of this surface over a studio of films."""

    def __init__(self, films: Films) -> None:
        self._films = films

    def routes(self) -> list[Route]:
        """The calls of this counter."""
        return [
            Route("POST", "*/videos", OPENAI, self._create, model_in_body(_USUAL_MODEL)),
            Route("GET", "*/videos", OPENAI, self._list),
            Route("GET", "*/videos/{id}", OPENAI, self._retrieve),
            Route("DELETE", "*/videos/{id}", OPENAI, self._delete),
            Route("GET", "*/videos/{id}/content", OPENAI, self._content),
            Route("POST", "*/videos/{id}/remix", OPENAI, self._remix),
        ]

    def _create(self, call: Call) -> Reply:
        given = call.fields
        size = fields.pixels(given.choice("size", _SIZES[0], _SIZES))
        seconds = float(given.choice("seconds", _SECONDS[0], _SECONDS))
        film = Film(
            id=f"{PREFIX}{uuid4().hex}",
            model=given.text("model", most=200, usual=_USUAL_MODEL),
            prompt=given.text("prompt", most=_MOST_PROMPT),
            seconds=seconds if call.script.seconds is None else call.script.seconds,
            size=size or (720, 1280),
            seed=_seed(call),
            life=call.script.video,
            born=call.now,
        )
        return _shown(self._films.order(film), call.now)

    def _remix(self, call: Call) -> Reply:
        source, prompt = self._found(call), call.fields.text("prompt", most=_MOST_PROMPT)
        remix = Film(
            id=f"{PREFIX}{uuid4().hex}",
            model=source.model,
            prompt=prompt,
            seconds=source.seconds,
            size=source.size,
            seed=source.seed,
            life=call.script.video,
            born=call.now,
            remix_of=source.id,
        )
        return _shown(self._films.order(remix), call.now)

    def _retrieve(self, call: Call) -> Reply:
        return _shown(self._found(call), call.now)

    def _delete(self, call: Call) -> Reply:
        film = self._found(call)
        self._films.forget(film.id)
        return _json({"id": film.id, "object": "video.deleted", "deleted": True})

    def _list(self, call: Call) -> Reply:
        """Pages as OpenAI has them: `after` an id, `limit`, and the newest first unless `order=asc`."""
        films = [film for film in self._films.all() if film.id.startswith(PREFIX)]
        if call.asked("order", "desc") != "asc":
            films.reverse()
        limit, after = call.asked("limit", str(_USUALLY_LISTED)), call.asked("after")
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_LISTED:
            raise Refused("Invalid 'limit': must be from 1 to 100.", param="limit", code="invalid_value")
        places = [place for place, film in enumerate(films) if film.id == after]
        rest = films[places[0] + 1 :] if places else films
        page = rest[: int(limit)]
        listed: dict[str, Any] = {"object": "list", "data": [_described(film, call.now) for film in page]}
        ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {"first_id": None, "last_id": None}
        return _json({**listed, **ends, "has_more": len(rest) > len(page)})

    def _content(self, call: Call) -> Later:
        film, variant = self._found(call), call.asked("variant", "video")
        if film.stage(call.now) is not Stage.DONE:
            raise Refused("Video is not ready yet, use GET /v1/videos/{video_id} to check its status.", 404)
        if variant not in _VARIANTS:
            raise Refused(f"Invalid value: '{variant}'.", param="variant", code="invalid_value")
        wanted = call.header(b"range")
        return Later(lambda: parts.reply(_VARIANTS[variant], _variant(film, variant), wanted))

    def _found(self, call: Call) -> Film:
        film = self._films.find(call.names["id"])
        if film is None:
            raise Refused(f"Video with id '{call.names['id']}' not found.", 404, param="id", code="not_found")
        return film


_VARIANTS = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}


def _variant(film: Film, variant: str) -> bytes:
    match variant:
        case "thumbnail":
            return film.still("webp")
        case "spritesheet":
            return film.still("jpeg")
    return film.file()


def _seed(call: Call) -> int:
    """That of the reference, a file or what stands in JSON for it; else one that follows from the request."""
    if call.content.is_form and (files := call.content.form.files("input_reference")):
        if not picture.looks_like_one(files[0].data):
            raise Refused("Invalid image file.", param="input_reference", code="invalid_image_file")
        return picture.seed_of(files[0].data)
    reference = call.content.values.get("input_reference")
    if isinstance(reference, dict):
        return picture.seed_of(str(reference.get("image_url") or reference.get("file_id")).encode())
    return call.dice().below(1 << 48)


def _described(film: Film, now: float) -> dict[str, Any]:
    stage = film.stage(now)
    over = int(film.over_at) if stage in (Stage.DONE, Stage.FAILED) else None
    return {
        "id": film.id,
        "object": "video",
        "model": film.model,
        "status": _STATUS[stage],
        "progress": film.progress(now),
        "created_at": int(film.born),
        "completed_at": over if stage is Stage.DONE else None,
        "expires_at": over + _KEPT_SECONDS if stage is Stage.DONE and over is not None else None,
        "prompt": film.prompt,
        "size": f"{film.size[0]}x{film.size[1]}",
        "seconds": f"{film.seconds:g}",
        "remixed_from_video_id": film.remix_of,
        "error": {"code": "sandbox_failure", "message": FAILURE} if stage is Stage.FAILED else None,
    }


def _shown(film: Film, now: float) -> Reply:
    return _json(_described(film, now))


def _json(value: object) -> Reply:
    return Reply(200, (faults.JSON,), [msgspec.json.encode(value)])
