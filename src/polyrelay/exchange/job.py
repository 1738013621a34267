"""What is asked of an upstream that answers later, and what it says of it, whatever its dialect."""

from enum import Enum

import msgspec

from polyrelay.exchange.music import Concat, Lyrics, LyricsAsk, MusicAsk, Song, Stems
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk

Ask = MusicAsk | LyricsAsk | Concat | Stems | VideoAsk
"""One of these is what a job is about. Tagged, so that it can be stored as JSON."""

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
    """By which names an upstream knows a job.

    `ids` are what it is polled by, none when the answer to its submission was the whole result. `clips` are the clips
    of a song, numbered by the relay in this order for good; none while the upstream has not told them. Some dialects
    poll by the clips, and then both are the same.
    """

    ids: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What an upstream said of one job at one time.

    `progress` is in percent; `reason` why it failed, in the upstream's words, for the operator and, cleaned, for the
    client; `usage` what it states to have used, None when it states nothing. `clips` are what `Upstreamed.clips` is
    from now on, none when that stays; those of a song in `result` are in its order.
    """

    stage: Stage
    progress: int = 0
    result: Result | None = None
    reason: str | None = None
    usage: Usage | None = None
    clips: tuple[str, ...] = ()
