"""Songs and lyrics as every dialect of Suno's has them (WIRE 2): what is asked for, and what is made."""

from enum import Enum
from typing import Any

import msgspec


class MusicAsk(msgspec.Struct, frozen=True, tag="music", omit_defaults=True):
    """One song: of a description when `description` is set, else of the lyrics `prompt` in the style `tags`.

    `model` is Suno's `mv`. With `continue_clip` a clip is extended from `continue_at` seconds on (from its end when
    None), and `continue_job` is the job that made it, which some dialects want to know (WIRE 2.3); both names are the
    relay's own for its client and the upstream's for an upstream. `task` is Suno's word for other kinds (`extend`,
    `cover`). `extra` has members that the contract does not name, to be passed on as they came.
    """

    model: str
    prompt: str = ""
    tags: str = ""
    negative_tags: str = ""
    title: str = ""
    description: str = ""
    instrumental: bool = False
    continue_clip: str | None = None
    continue_job: str | None = None
    continue_at: float | None = None
    task: str | None = None
    extra: dict[str, Any] = {}


class LyricsAsk(msgspec.Struct, frozen=True, tag="lyrics", omit_defaults=True):
    """Lyrics about `prompt`."""

    prompt: str
    extra: dict[str, Any] = {}


class Concat(msgspec.Struct, frozen=True, tag="concat", omit_defaults=True):
    """The whole song of an extended clip, named as in `MusicAsk.continue_clip`."""

    clip: str
    infill: bool = False
    extra: dict[str, Any] = {}


class Stems(msgspec.Struct, frozen=True, tag="stems", omit_defaults=True):
    """The voices and instruments of a clip, each by itself; it is named as in `MusicAsk.continue_clip`."""

    clip: str
    extra: dict[str, Any] = {}


class ClipStatus(Enum):
    """Suno's own words (WIRE 2.1)."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    STREAMING = "streaming"
    COMPLETE = "complete"
    ERROR = "error"


class Clip(msgspec.Struct, frozen=True, omit_defaults=True):
    """One take of a song. `id` is the upstream's while it comes from there; `duration` seconds; `created_at` ISO 8601.

    `extra` has members of the clip, `metadata` those of its metadata, that are not named here.
    """

    id: str
    status: ClipStatus
    title: str = ""
    audio_url: str = ""
    video_url: str = ""
    image_url: str = ""
    image_large_url: str = ""
    model: str = ""
    major_version: str = ""
    lyrics: str = ""
    tags: str = ""
    negative_tags: str = ""
    description: str = ""
    kind: str = "gen"
    duration: float | None = None
    created_at: str = ""
    error_type: str | None = None
    error_message: str | None = None
    extra: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class Song(msgspec.Struct, frozen=True, tag="song"):
    """The takes of one song: two for a generation, one for a concatenation, one for each of its stems."""

    clips: tuple[Clip, ...]


class AlignedWord(msgspec.Struct, frozen=True, gc=False):
    """A word of a clip's lyrics and when it is sung, in seconds from the clip's beginning.

    `success` says whether it was found in the recording, `p_align` how sure that is, from 0 to 1, None when unsaid.
    """

    word: str
    start_s: float
    end_s: float
    success: bool = True
    p_align: float | None = None


class Lyrics(msgspec.Struct, frozen=True, tag="lyrics", omit_defaults=True):
    """Written lyrics."""

    text: str = ""
    title: str = ""
