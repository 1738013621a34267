"""When each word of a clip is sung: nobody sings it, so each takes the same time."""

import re
from typing import Any

from polyrelay.sandbox.music.clips import Clip

_WORD = re.compile(r"(?:\[[^\]\n]*\]\s*)*\S+\s*")
"""With the names of sections before it and the spaces after it, as Suno has them."""


def words(clip: Clip) -> list[dict[str, Any]]:
    """The words of the lyrics, which together are all of them; none of an instrumental."""
    found = _WORD.findall(clip.lyrics)
    step = clip.seconds / max(len(found), 1)
    return [
        {
            "word": word,
            "start_s": round(number * step, 3),
            "end_s": round((number + 1) * step, 3),
            "success": True,
            "p_align": 1.0,
        }
        for number, word in enumerate(found)
    ]
