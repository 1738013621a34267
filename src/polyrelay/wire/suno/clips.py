"""Clips as Suno's dialects write them, native or flattened: read with tolerance, written natively (WIRE 2.1, 2.2)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from polyrelay.exchange.music import Clip, ClipStatus
from polyrelay.wire import nesting, replies

MAJOR_VERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "chirp-v3-0": "v3",
        "chirp-v3-5": "v3.5",
        "chirp-v3-5-tau": "v3.5",
        "chirp-v4": "v4",
        "chirp-v4-tau": "v4",
        "chirp-auk": "v4.5",
        "chirp-auk-turbo": "v4.5-all",
        "chirp-bluejay": "v4.5+",
        "chirp-crow": "v5",
        "chirp-fenix": "v5.5",
    }
)
"""Suno's versions by `mv` (WIRE 2.1)."""

MOST_CLIPS = 16
"""Clips read of one answer about one job. Suno makes two."""

_STATUSES = {status.value: status for status in ClipStatus} | {
    "completed": ClipStatus.COMPLETE,
    "success": ClipStatus.COMPLETE,
    "failed": ClipStatus.ERROR,
    "failure": ClipStatus.ERROR,
}
_CLIP = frozenset(
    {
        "id",
        "title",
        "audio_url",
        "video_url",
        "image_url",
        "image_large_url",
        "model_name",
        "major_model_version",
        "created_at",
        "status",
        "metadata",
    }
)
_METADATA = frozenset(
    {
        "prompt",
        "tags",
        "negative_tags",
        "gpt_description_prompt",
        "type",
        "duration",
        "error_type",
        "error_message",
    }
)
_FLAT = _CLIP | _METADATA | {"lyric"}


def read(given: Mapping[str, Any], default: ClipStatus | None = None) -> Clip | None:
    """The clip in `given`, whose metadata may be an object of its own or stand beside the rest; None without an id.

    `default` is its status where it names none.
    """
    clip_id = replies.name(given.get("id")) or replies.name(given.get("clip_id"))
    if clip_id is None:
        return None
    inner = given.get("metadata")
    nested = inner if isinstance(inner, dict) else {}
    details = {name: nested.get(name, given.get(name)) for name in _METADATA}
    return Clip(
        id=clip_id,
        status=_status(given, default),
        title=replies.text(given.get("title")),
        audio_url=replies.text(given.get("audio_url")),
        video_url=replies.text(given.get("video_url")),
        image_url=replies.text(given.get("image_url")),
        image_large_url=replies.text(given.get("image_large_url")),
        model=replies.text(given.get("model_name")),
        major_version=replies.text(given.get("major_model_version")),
        lyrics=replies.text(details["prompt"]) or replies.text(given.get("lyric")),
        tags=replies.text(details["tags"]),
        negative_tags=replies.text(details["negative_tags"]),
        description=replies.text(details["gpt_description_prompt"]),
        kind=replies.text(details["type"]) or "gen",
        duration=replies.number(details["duration"]),
        created_at=replies.text(given.get("created_at")),
        error_type=replies.text(details["error_type"]) or None,
        error_message=replies.text(details["error_message"])[: replies.MOST_WORDS] or None,
        extra=_kept(given, _FLAT),
        metadata=_kept(nested, _METADATA),
    )


def read_all(given: Any, default: ClipStatus | None = None) -> list[Clip]:
    """The clips in `given`, each once: a list of them, or an object with `clips`; at most `MOST_CLIPS`."""
    listed = given.get("clips") if isinstance(given, dict) else given
    if not isinstance(listed, list):
        return []
    found = [read(item, default) for item in replies.objects(listed)[:MOST_CLIPS]]
    return list({clip.id: clip for clip in found if clip is not None}.values())


def read_any(given: Any, default: ClipStatus | None = None) -> list[Clip]:
    """As `read_all`, but `given` may be the clip itself too, where there is but one."""
    if isinstance(given, dict) and "clips" not in given:
        return read_all([given], default)
    return read_all(given, default)


def native(clip: Clip) -> dict[str, Any]:
    """`clip` in the studio API's shape, every member that clients look for included.

    `extra` and `metadata` are taken as they are: they must be fit to be seen.
    """
    return {
        "id": clip.id,
        "video_url": clip.video_url,
        "audio_url": clip.audio_url,
        "image_url": clip.image_url,
        "image_large_url": clip.image_large_url,
        "is_video_pending": False,
        "major_model_version": clip.major_version,
        "model_name": clip.model,
        "is_liked": False,
        "user_id": "",
        "display_name": "",
        "handle": "",
        "is_handle_updated": False,
        "avatar_image_url": "",
        "is_trashed": False,
        "reaction": None,
        "created_at": clip.created_at,
        "status": clip.status.value,
        "title": clip.title,
        "play_count": 0,
        "upvote_count": 0,
        "is_public": False,
        **clip.extra,
        "metadata": metadata(clip),
    }


def metadata(clip: Clip) -> dict[str, Any]:
    """The `metadata` of `native`."""
    return {
        "audio_prompt_id": None,
        "history": None,
        "concat_history": None,
        "refund_credits": None,
        "stream": True,
        "infill": None,
        "has_vocal": None,
        **clip.metadata,
        "tags": clip.tags,
        "negative_tags": clip.negative_tags,
        "prompt": clip.lyrics,
        "gpt_description_prompt": clip.description or None,
        "type": clip.kind,
        "duration": clip.duration,
        "error_type": clip.error_type,
        "error_message": clip.error_message,
    }


def _status(given: Mapping[str, Any], default: ClipStatus | None) -> ClipStatus:
    """A word that is not known means that work goes on: it can be listened to, or is about to be."""
    word = replies.text(given.get("status")).strip().lower()
    if word in _STATUSES:
        return _STATUSES[word]
    if default is not None and not word:
        return default
    return ClipStatus.STREAMING if given.get("audio_url") else ClipStatus.QUEUED


def _kept(given: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in given.items()
        if name not in known and (not isinstance(value, dict | list) or nesting.fits(value))
    }
