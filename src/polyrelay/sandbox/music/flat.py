"""Serves the dialect of flattened clips (WIRE 2.2)."""

from dataclasses import replace
from typing import Any

from polyrelay.sandbox.calls import Call, Route
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.lives import Life
from polyrelay.sandbox.music import alignment, personas, reading
from polyrelay.sandbox.music.clips import Clip, SongAsk
from polyrelay.sandbox.music.native import as_json, written
from polyrelay.sandbox.music.studio import NoSuchClipError, Studio
from polyrelay.sandbox.surfaces import SUNO_FLAT, Refused

_USUAL_MODEL = "chirp-v3-5"
_MOST_WAITED = 100.0
"""Seconds that `wait_audio` holds an answer back."""


class Flat:
    """The calls of the flat dialect over a studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        """The calls of this counter."""
        return [
            Route("POST", "/api/generate", SUNO_FLAT, self._generate, _model),
            Route("POST", "/api/custom_generate", SUNO_FLAT, self._custom, _model),
            Route("POST", "/api/extend_audio", SUNO_FLAT, self._extend, _model),
            Route("POST", "/api/concat", SUNO_FLAT, self._concat),
            Route("POST", "/api/generate_stems", SUNO_FLAT, self._stems),
            Route("POST", "/api/generate_lyrics", SUNO_FLAT, self._lyrics),
            Route("GET", "/api/get", SUNO_FLAT, self._get),
            Route("GET", "/api/clip", SUNO_FLAT, self._clip),
            Route("GET", "/api/get_aligned_lyrics", SUNO_FLAT, self._aligned),
            Route("GET", "/api/persona", SUNO_FLAT, self._persona),
            Route("GET", "/api/get_limit", SUNO_FLAT, self._limit),
        ]

    def _generate(self, call: Call) -> Reply:
        given = _given(call, "prompt")
        instrumental = given.get("make_instrumental") is True
        ask = SongAsk(_model(call), description=given["prompt"], instrumental=instrumental)
        return self._sung(call, ask)

    def _custom(self, call: Call) -> Reply:
        given = _given(call, "prompt", "tags", "title")
        return self._sung(call, _custom_ask(call, given))

    def _extend(self, call: Call) -> Reply:
        given = _given(call)
        if not reading.text(given, "audio_id"):
            raise Refused("Audio ID is required")
        return self._sung(call, _custom_ask(call, given))

    def _sung(self, call: Call, ask: SongAsk) -> Reply:
        """Two clips, at once or, with `wait_audio`, when both may be listened to or have failed."""
        try:
            takes = self._studio.sing(ask, call.script, call.dice(), call.now)
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found", 404) from None
        at = call.now + (_waited(call.script.song) if call.content.json.get("wait_audio") is True else 0.0)
        return replace(as_json([_flattened(clip, call.base, at) for clip in takes]), due=at)

    def _concat(self, call: Call) -> Reply:
        clip_id = _given(call).get("clip_id")
        if not clip_id:
            raise Refused("Clip id is required")
        try:
            whole = self._studio.concat(str(clip_id), call.script, call.now)
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found", 404) from None
        return as_json(whole.native(call.base, call.now))

    def _stems(self, call: Call) -> Reply:
        audio_id = _given(call).get("audio_id")
        if not audio_id:
            raise Refused("Audio ID is required")
        try:
            stems = self._studio.take_apart(str(audio_id), call.script, call.now)
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found", 404) from None
        return as_json([_stem(stem.native(call.base, call.now)) for stem in stems])

    def _lyrics(self, call: Call) -> Reply:
        """The answer waits for the end."""
        lyrics = self._studio.write(_given(call, "prompt")["prompt"], call.script, call.dice(), call.now)
        stuck = call.script.song.running_after is None
        at = call.now + (_MOST_WAITED if stuck else min(_MOST_WAITED, call.script.song.seconds))
        return replace(as_json(written(lyrics, at)), due=at)

    def _get(self, call: Call) -> Reply:
        ids, page = call.asked("ids"), call.asked("page", "0")
        clips = self._studio.clips(ids.split(",")) if ids else self._studio.newest(int(page) if page.isdecimal() else 0)
        return as_json([_flattened(clip, call.base, call.now) for clip in clips])

    def _clip(self, call: Call) -> Reply:
        if not call.asked("id"):
            raise Refused("Missing parameter id")
        try:
            return as_json(self._studio.clip(call.asked("id")).native(call.base, call.now))
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found", 404) from None

    def _aligned(self, call: Call) -> Reply:
        """A server of this kind says 500 to whatever goes wrong upstream of it."""
        if not call.asked("song_id"):
            raise Refused("Song ID is required")
        try:
            return as_json(alignment.words(self._studio.finished(call.asked("song_id"), call.now)))
        except NoSuchClipError as error:
            raise Refused(f"Internal server error. No alignment of clip {error}", 500) from None

    def _persona(self, call: Call) -> Reply:
        """As `_aligned`."""
        if not call.asked("id"):
            raise Refused("Missing parameter id")
        try:
            return as_json(personas.page(self._studio, call.asked("id"), call.asked("page", "1"), call.base, call.now))
        except Refused:
            raise Refused("Internal server error", 500) from None

    def _limit(self, call: Call) -> Reply:  # noqa: ARG002 - the signature of a handler
        return as_json(self._studio.credits())


def _model(call: Call) -> str:
    return reading.named(call, "model") or _USUAL_MODEL


def _given(call: Call, *required: str) -> dict[str, Any]:
    given = call.content.json
    for name in required:
        if not isinstance(given.get(name), str):
            raise Refused(f"{name} is required")
    return given


def _custom_ask(call: Call, given: dict[str, Any]) -> SongAsk:
    return SongAsk(
        model=_model(call),
        prompt=reading.text(given, "prompt"),
        tags=reading.text(given, "tags"),
        negative_tags=reading.text(given, "negative_tags"),
        title=reading.text(given, "title"),
        instrumental=given.get("make_instrumental") is True,
        continue_clip=reading.text(given, "audio_id"),
        continue_at=reading.seconds(given, "continue_at"),
    )


def _stem(whole: dict[str, Any]) -> dict[str, Any]:
    inner = whole["metadata"]
    return {
        "id": whole["id"],
        "status": whole["status"],
        "created_at": whole["created_at"],
        "title": whole["title"],
        "stem_from_id": inner["stem_from_id"],
        "duration": inner["duration"],
    }


def _flattened(clip: Clip, base: str, now: float) -> dict[str, Any]:
    whole = clip.native(base, now)
    inner = whole["metadata"]
    return {
        "id": clip.id,
        "title": whole["title"],
        "image_url": whole["image_url"],
        "lyric": inner["prompt"] or "",
        "audio_url": whole["audio_url"],
        "video_url": whole["video_url"],
        "created_at": whole["created_at"],
        "model_name": whole["model_name"],
        "status": whole["status"],
        "gpt_description_prompt": inner["gpt_description_prompt"],
        "prompt": inner["prompt"],
        "type": inner["type"],
        "tags": inner["tags"],
        "negative_tags": inner["negative_tags"],
        "duration": inner["duration"],
        "error_message": inner["error_message"],
    }


def _waited(life: Life) -> float:
    """Until it may be listened to, which one that fails may too before its end."""
    return _MOST_WAITED if life.running_after is None else min(_MOST_WAITED, life.running_after)
