"""Personas: every UUID names one, which sings whatever the studio has made."""

import re
from typing import Any

from polyrelay.sandbox.images import counter as images
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.music.studio import Studio
from polyrelay.sandbox.surfaces import Refused

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLIPS_A_PAGE = 20
_SEED, _SIDE = 0, 256


def page(studio: Studio, name: str, number: str, base: str, now: float) -> dict[str, Any]:
    """A page of its clips, from 1, the newest first. Raises `Refused`."""
    if not _UUID.fullmatch(name):
        raise Refused("Persona not found.", 404)
    current = int(number) if number.isdecimal() else 1
    clips = [clip.native(base, now) for clip in studio.newest(max(current, 1) - 1, _CLIPS_A_PAGE)]
    total = studio.clips_total
    return {
        "persona": {
            "id": name,
            "name": f"Sandbox voice {name[:4]}",
            "description": "Sings whatever the sandbox has made.",
            "image_s3_id": images.link(base, picture.digest_of(name), _SEED, _SIDE, _SIDE, "jpeg"),
            "root_clip_id": clips[0]["id"] if clips else "",
            "clip": clips[0] if clips else None,
            "user_display_name": "polyrelay sandbox",
            "user_handle": "sandbox",
            "user_image_url": None,
            "persona_clips": [{"clip": clip} for clip in clips],
            "is_suno_persona": False,
            "is_trashed": False,
            "is_owned": True,
            "is_public": True,
            "is_public_approved": True,
            "is_loved": True,
            "upvote_count": 0,
            "clip_count": total,
        },
        "total_results": total,
        "current_page": current,
        "is_following": True,
    }
