"""A persona: a voice that anybody may ask for by its id, and a page of the clips it sings (WIRE 2.2).

It is the vendor's and public, so its ids and its clips' are shown as they are. What would tell of the account that was
used to ask is not: whether that owns, follows or loves it, and its names when it is the owner.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import forms, replies
from polyrelay.wire.dialect import Garbled
from polyrelay.wire.suno import clips, requests

MOST_CLIPS = 100
"""Clips read of one page. Suno's has some twenty."""

FIRST_PAGE = 1

_MOST_COUNTED = 2**53
"""What clients' numbers hold."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WORDS = ("id", "name", "description", "image_s3_id", "root_clip_id")
_OWNER = ("user_display_name", "user_handle", "user_image_url")
_FLAGS = ("is_suno_persona", "is_trashed", "is_public", "is_public_approved")
_COUNTS = ("upvote_count", "clip_count")


class Query(msgspec.Struct, frozen=True, gc=False):
    """Page `page` of the persona `name`, asked of a channel that offers `model`."""

    name: str
    page: int
    model: str


def read_query(query: bytes, default_model: str) -> Query:
    """What `id`, `page` and `model` of `query` ask for. Raises `errors.InvalidRequest`."""
    given = forms.query(query)
    name = given.get("id")
    if not name:
        raise forms.missing("id")
    if not _ID.fullmatch(name):
        message = "Invalid 'id': expected a persona's id, of at most 64 letters, digits, '-' and '_'."
        raise InvalidRequest(message, code="invalid_value", param="id")
    model = given.get("model") or default_model
    if len(model) > requests.MOST_NAME:
        message = f"Invalid 'model': a name has at most {requests.MOST_NAME} characters."
        raise InvalidRequest(message, code="string_above_max_length", param="model")
    return Query(name, requests.page(given, FIRST_PAGE), model)


def read(value: Any) -> dict[str, Any]:
    """The page in an upstream's answer, as it may be shown. Raises `Garbled` when there is none."""
    persona = value.get("persona") if isinstance(value, dict) else None
    if not isinstance(persona, dict) or replies.name(persona.get("id")) is None:
        raise Garbled("no persona")
    return {
        "persona": _persona(persona),
        "total_results": _count(value.get("total_results")),
        "current_page": _count(value.get("current_page")),
        "is_following": False,
    }


def said(page: Any) -> Iterable[str]:
    """Every text in a page but the addresses of media."""
    if isinstance(page, str):
        yield page
    elif isinstance(page, list):
        for item in page:
            yield from said(item)
    elif isinstance(page, dict):
        for name, item in page.items():
            if not name.endswith("_url") and name != "image_s3_id":
                yield from said(item)


def _persona(given: dict[str, Any]) -> dict[str, Any]:
    foreign = given.get("is_owned") is False
    sung = replies.objects(given.get("persona_clips"))[:MOST_CLIPS]
    return {
        **{name: replies.text(given.get(name)) for name in _WORDS},
        "clip": _clip(given.get("clip")),
        **{name: replies.text(given.get(name)) if foreign else "" for name in _OWNER},
        "persona_clips": [{"clip": clip} for clip in [_clip(item.get("clip")) for item in sung] if clip is not None],
        **{name: given.get(name) is True for name in _FLAGS},
        "is_owned": False,
        "is_loved": False,
        **{name: _count(given.get(name)) for name in _COUNTS},
    }


def _clip(given: Any) -> dict[str, Any] | None:
    """A clip without the members that no dialect names."""
    found = clips.read(given) if isinstance(given, dict) else None
    return None if found is None else clips.native(msgspec.structs.replace(found, extra={}, metadata={}))


def _count(given: Any) -> int:
    return min(int(replies.number(given) or 0), _MOST_COUNTED)
