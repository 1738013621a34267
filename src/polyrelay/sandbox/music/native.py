"""Serves Suno's own API (WIRE 2.1)."""

from typing import Any
from uuid import uuid4

import msgspec

from polyrelay.sandbox import faults
from polyrelay.sandbox.calls import Call, Route
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.lives import Stage
from polyrelay.sandbox.music import alignment, personas, reading
from polyrelay.sandbox.music.clips import STATUS, SongAsk
from polyrelay.sandbox.music.studio import Lyrics, NoSuchClipError, Studio
from polyrelay.sandbox.surfaces import SUNO, Refused

_USUAL_MODEL = "chirp-v3-0"


class Native:
    """The native calls over a studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        """The calls of this counter."""
        return [
            Route("POST", "/api/generate/v2", SUNO, self._generate, model_of_song),
            Route("POST", "/api/generate/concat/v2", SUNO, self._concat),
            Route("POST", "/api/edit/stems/{id}", SUNO, self._stems),
            Route("POST", "/api/generate/lyrics", SUNO, self._write),
            Route("GET", "/api/generate/lyrics/{id}", SUNO, self._lyrics),
            Route("GET", "/api/gen/{id}/aligned_lyrics/v2", SUNO, self._aligned),
            Route("GET", "/api/persona/get-persona-paginated/{id}", SUNO, self._persona),
            Route("GET", "/api/feed", SUNO, self._feed),
            Route("GET", "/api/feed/v2", SUNO, self._feed_v2),
        ]

    def _generate(self, call: Call) -> Reply:
        try:
            takes = self._studio.sing(song_asked(call), call.script, call.dice(), call.now)
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found.", 404) from None
        clips = [clip.native(call.base, call.now) for clip in takes]
        first = clips[0]
        return as_json(
            {
                "id": str(uuid4()),
                "clips": clips,
                "metadata": first["metadata"],
                "major_model_version": first["major_model_version"],
                "status": "complete",
                "created_at": first["created_at"],
                "batch_size": len(clips),
            }
        )

    def _concat(self, call: Call) -> Reply:
        clip_id = call.content.json.get("clip_id")
        try:
            whole = self._studio.concat(str(clip_id), call.script, call.now)
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found.", 404) from None
        return as_json(whole.native(call.base, call.now))

    def _stems(self, call: Call) -> Reply:
        try:
            stems = self._studio.take_apart(call.names["id"], call.script, call.now)
        except NoSuchClipError as error:
            raise Refused(f"Clip {error} not found.", 404) from None
        return as_json({"clips": [stem.native(call.base, call.now) for stem in stems]})

    def _write(self, call: Call) -> Reply:
        prompt = call.content.json.get("prompt")
        if not isinstance(prompt, str):
            raise Refused("prompt is required", 422)
        return as_json({"id": self._studio.write(prompt, call.script, call.dice(), call.now).id})

    def _lyrics(self, call: Call) -> Reply:
        lyrics = self._studio.lyrics(call.names["id"])
        if lyrics is None:
            raise Refused("Lyrics not found.", 404)
        return as_json(written(lyrics, call.now))

    def _aligned(self, call: Call) -> Reply:
        try:
            clip = self._studio.finished(call.names["id"], call.now)
        except NoSuchClipError as error:
            raise Refused(f"No alignment of clip {error}.", 404) from None
        return as_json({"aligned_words": alignment.words(clip), "waveform_data": [], "hoot_cer": 0.0})

    def _persona(self, call: Call) -> Reply:
        return as_json(personas.page(self._studio, call.names["id"], call.asked("page", "1"), call.base, call.now))

    def _feed(self, call: Call) -> Reply:
        return as_json(self._fed(call))

    def _feed_v2(self, call: Call) -> Reply:
        clips = self._fed(call)
        return as_json({"clips": clips, "num_total_results": len(clips), "current_page": 0})

    def _fed(self, call: Call) -> list[dict[str, Any]]:
        """The clips of `ids`, or a page of the newest."""
        ids, page = call.asked("ids"), call.asked("page", "0")
        clips = self._studio.clips(ids.split(",")) if ids else self._studio.newest(int(page) if page.isdecimal() else 0)
        return [clip.native(call.base, call.now) for clip in clips]


def model_of_song(call: Call) -> str:
    """The `mv` of a body, the usual one when it names none."""
    return reading.named(call, "mv") or _USUAL_MODEL


def song_asked(call: Call) -> SongAsk:
    """A song as the native body and the task dialect's ask for it. Raises `Refused`."""
    given = call.content.json
    ask = SongAsk(
        model=model_of_song(call),
        prompt=reading.text(given, "prompt"),
        tags=reading.text(given, "tags"),
        negative_tags=reading.text(given, "negative_tags"),
        title=reading.text(given, "title"),
        description=reading.text(given, "gpt_description_prompt"),
        instrumental=bool(given.get("make_instrumental")),
        continue_clip=reading.text(given, "continue_clip_id"),
        continue_at=reading.seconds(given, "continue_at"),
    )
    if not (ask.prompt or ask.description or ask.tags or ask.title or ask.continue_clip):
        raise Refused("prompt or gpt_description_prompt is required", 422)
    return ask


def written(lyrics: Lyrics, now: float) -> dict[str, str]:
    """Lyrics as they are now."""
    stage = lyrics.stage(now)
    done = stage is Stage.DONE
    return {"text": lyrics.text if done else "", "title": lyrics.title if done else "", "status": STATUS[stage]}


def as_json(value: object) -> Reply:
    """An answer of JSON."""
    return Reply(200, (faults.JSON,), [msgspec.json.encode(value)])
