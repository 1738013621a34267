"""What a webhook is told of a job: what the surface it came in by would show."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from polyrelay.exchange.music import LyricsAsk
from polyrelay.jobs.job import Job
from polyrelay.service.jobs.surfaces.reception import song, video
from polyrelay.wire.suno.flat import surface as flat
from polyrelay.wire.suno.native import surface as native
from polyrelay.wire.suno.task import surface as task
from polyrelay.wire.videos.aitoearn import surface as aitoearn
from polyrelay.wire.videos.openai import surface as openai


def _native(job: Job) -> bytes:
    view = song(job)
    _, _, body = native.lyrics(view) if isinstance(job.ask, LyricsAsk) else native.feed([view])
    return body


def _flat(job: Job) -> bytes:
    view = song(job)
    _, _, body = flat.lyrics(view) if isinstance(job.ask, LyricsAsk) else flat.songs([view])
    return body


RENDERS: Mapping[str, Callable[[Job], bytes]] = MappingProxyType(
    {
        "suno_native": _native,
        "suno_task": lambda job: task.notice(song(job)),
        "suno_flat": _flat,
        "openai_videos": lambda job: openai.notice(video(job)),
        "aitoearn_videos": lambda job: aitoearn.notice(video(job)),
    }
)
"""By the name of the surface."""
