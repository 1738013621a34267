"""A clip: one take of a song, and how it looks natively at a given time (WIRE 2.1)."""

from dataclasses import dataclass
from typing import Any

from polyrelay.sandbox.images import counter as images
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.lives import Life, Stage
from polyrelay.sandbox.moments import iso

STATUS = {
    Stage.SUBMITTED: "submitted",
    Stage.QUEUED: "queued",
    Stage.RUNNING: "streaming",
    Stage.DONE: "complete",
    Stage.FAILED: "error",
}
ERROR_TYPE, ERROR_MESSAGE = "sandbox_error", "The sandbox was told to let this song fail."
_VERSIONS = {
    "chirp-v3-0": "v3",
    "chirp-v3-5": "v3.5",
    "chirp-v4": "v4",
    "chirp-auk": "v4.5",
    "chirp-auk-turbo": "v4.5-all",
    "chirp-bluejay": "v4.5+",
    "chirp-crow": "v5",
    "chirp-fenix": "v5.5",
}
_COVER, _LARGE_COVER = 256, 512

History = tuple[tuple[str, float | None], ...]
"""Ids of clips, each with the second at which the next part sets in, None for its end."""


@dataclass(frozen=True, slots=True)
class SongAsk:
    """What a song is asked for. `model` is Suno's `mv`; a clip to be continued is named, `continue_at` in seconds."""

    model: str
    prompt: str = ""
    tags: str = ""
    negative_tags: str = ""
    title: str = ""
    description: str = ""
    instrumental: bool = False
    continue_clip: str = ""
    continue_at: float | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """`lyrics`, `title` and `seconds` are those of the finished clip; `born` is in seconds since the epoch.

    `history` holds the parts that come before it, of a concatenation all parts. `second` marks the second of two
    takes. `stem_from` is the clip that it is a stem of.
    """

    id: str
    ask: SongAsk
    life: Life
    born: float
    title: str
    lyrics: str
    seconds: float
    kind: str = "gen"
    second: bool = False
    history: History = ()
    stem_from: str | None = None

    def stage(self, now: float) -> Stage:
        """Where in its life it is."""
        return self.life.stage(now - self.born, second=self.second)

    def native(self, base: str, now: float) -> dict[str, Any]:
        """The clip as Suno's own API has it; links begin with `base`."""
        stage = self.stage(now)
        done, running = stage is Stage.DONE, stage is Stage.RUNNING
        digest, seed = picture.digest_of(self.title), picture.seed_of(self.id.encode())
        seen = running or done
        return {
            "id": self.id,
            "video_url": f"{base}/media/songs/{self.id}.mp4" if done else "",
            "audio_url": self._audio(base, stage),
            "image_url": images.link(base, digest, seed, _COVER, _COVER, "jpeg") if seen else None,
            "image_large_url": images.link(base, digest, seed, _LARGE_COVER, _LARGE_COVER, "jpeg") if seen else None,
            "is_video_pending": False,
            "major_model_version": _VERSIONS.get(self.ask.model, "v3"),
            "model_name": self.ask.model,
            "metadata": self._metadata(stage),
            "is_liked": False,
            "user_id": "5a5a5a5a-0000-4000-8000-000000000000",
            "display_name": "polyrelay sandbox",
            "handle": "sandbox",
            "is_handle_updated": True,
            "avatar_image_url": None,
            "is_trashed": False,
            "reaction": None,
            "created_at": iso(self.born),
            "status": STATUS[stage],
            "title": self.title if seen else self.ask.title,
            "play_count": 0,
            "upvote_count": 0,
            "is_public": False,
        }

    def _audio(self, base: str, stage: Stage) -> str:
        """Empty, then the live stream, then the file."""
        if stage is Stage.RUNNING:
            return f"{base}/audiopipe/?item_id={self.id}"
        return f"{base}/media/songs/{self.id}.mp3" if stage is Stage.DONE else ""

    def _metadata(self, stage: Stage) -> dict[str, Any]:
        seen, failed = stage in (Stage.RUNNING, Stage.DONE), stage is Stage.FAILED
        parts = [
            {"id": name, "continue_at": at, "type": "gen", "source": "web", "infill": False}
            for name, at in self.history
        ]
        concat = self.kind == "concat"
        return {
            "tags": self.ask.tags,
            "negative_tags": self.ask.negative_tags,
            "prompt": self.lyrics if seen else self.ask.prompt,
            "gpt_description_prompt": self.ask.description or None,
            "audio_prompt_id": self.ask.continue_clip or None,
            "history": None if concat else parts or None,
            "concat_history": parts if concat else None,
            "type": self.kind,
            "duration": self.seconds if stage is Stage.DONE else None,
            "refund_credits": failed,
            "stream": True,
            "infill": False,
            "has_vocal": not self.ask.instrumental,
            "is_audio_upload_tos_accepted": None,
            "stem_from_id": self.stem_from,
            "error_type": ERROR_TYPE if failed else None,
            "error_message": ERROR_MESSAGE if failed else None,
        }
