"""The upstream side of every dialect that works in jobs, by the name that providers know it by."""

from collections.abc import Mapping
from types import MappingProxyType

from polyrelay.wire.dialect import Dialect, Keeper, Studio
from polyrelay.wire.suno.flat.upstream import Flat
from polyrelay.wire.suno.native.upstream import Native
from polyrelay.wire.suno.task.upstream import Task
from polyrelay.wire.videos.aitoearn.upstream import AiToEarnVideos
from polyrelay.wire.videos.openai.upstream import OpenAIVideos

_NATIVE, _FLAT = Native(), Flat()
_OPENAI_VIDEOS = OpenAIVideos()

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "suno_native": _NATIVE,
        "suno_task": Task(),
        "suno_flat": _FLAT,
        "openai_videos": _OPENAI_VIDEOS,
        "aitoearn_videos": AiToEarnVideos(),
    }
)

STUDIOS: Mapping[str, Studio] = MappingProxyType({"suno_native": _NATIVE, "suno_flat": _FLAT})
"""Those of songs whose upstream tells more than how far they are."""

KEEPERS: Mapping[str, Keeper] = MappingProxyType({"openai_videos": _OPENAI_VIDEOS})
"""Those whose upstream hands out what it made by its name."""
