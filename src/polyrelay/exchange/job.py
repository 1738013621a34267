"""What is asked of an upstream that answers later, and what it says of it, whatever its dialect."""

from enum import Enum

import msgspec

from polyrelay.exchange.music import Concat, Lyrics, LyricsAsk, MusicAsk, Song
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk

Ask = MusicAsk | LyricsAsk | Concat | VideoAsk
"""One of these is what a job is about."""

Result = Song | Lyrics | Video
"""One of these is what comes of it, whole or so far."""


class Stage(Enum):
    """How far an upstream says it is."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    RUNNING = "running"
    """Work has begun; a song may be listened to already."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self in (Stage.SUCCEEDED, Stage.FAILED)


class Upstreamed(msgspec.Struct, frozen=True, gc=False):
    """By which names an upstream knows a job: `ids` are what it is polled by, in its own order.

    `clips` are its names for the clips of a song, where they differ from `ids`, as soon as they are known.
    """

    ids: tuple[str, ...]
    clips: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What an upstream said of one job at one time.

    `progress` is in percent; `reason` why it failed, in the upstream's words, for the operator and, cleaned, for the
    client; `usage` what it states to have used, None when it states nothing; `clips` as in `Upstreamed`.
    """

    stage: Stage
    progress: int = 0
    result: Result | None = None
    reason: str | None = None
    usage: Usage | None = None
    clips: tuple[str, ...] = ()
