"""What a job made, thing by thing, and the links to those that the relay keeps.

A link is a capability: whoever has it may fetch the thing until the link ends. It is signed by HMAC-SHA256 over path
and end, so that nobody makes one up, and no table of links is needed.
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from polyrelay.exchange.job import Result
from polyrelay.exchange.music import Clip, Song
from polyrelay.exchange.video import Video
from polyrelay.kernel.ids import ExchangeId

ROOT = "/artefacts/"
"""Where links lead to."""

MOST_OF_A_JOB = 64
"""Things of one job. A song of two takes has eight."""

STEPS = 4
"""A link's end is rounded up to a quarter of its time, so that a job asked for again shows the same link for a while,
and browsers need not fetch again what they have."""

_PREFIX = "art_"
_JOB_PREFIX = "px_"


class State(StrEnum):
    """Values of `artefacts.state`."""

    WANTED = "wanted"
    STORED = "stored"
    FAILED = "failed"
    """Given up: clients go on getting the upstream's address."""


class Sort(StrEnum):
    """What a thing is, whatever its format."""

    AUDIO = "audio"
    IMAGE = "image"
    VIDEO = "video"


class Medium(msgspec.Struct, frozen=True):
    """One thing. `slot` names its place in the result; `url` is None for what its upstream hands out by name only."""

    slot: str
    sort: Sort
    url: str | None


class File(msgspec.Struct, frozen=True):
    """A thing that is kept: its name for whoever saves it, size in bytes, and SHA-256 in hexadecimal digits."""

    name: str
    size: int
    media_type: str
    digest: str


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """The row of one thing. Times are Unix seconds; `file` is there once it is stored, in `place`."""

    id: str
    job: ExchangeId
    account: str
    slot: str
    state: State
    attempts: int = 0
    file: File | None = None
    place: str | None = None
    stored_at: float | None = None
    expires_at: float | None = None


def media(result: Result | None) -> tuple[Medium, ...]:
    """Everything that was made, in a fixed order; nothing of lyrics."""
    match result:
        case Song():
            found = tuple(each for index, clip in enumerate(result.clips) for each in _of_clip(index, clip))
        case Video():
            cover = (Medium("cover", Sort.IMAGE, result.cover_url),) if result.cover_url else ()
            found = (Medium("video", Sort.VIDEO, result.url or None), *cover)
        case _:
            found = ()
    return found[:MOST_OF_A_JOB]


def linked(result: Result, urls: Mapping[str, str]) -> Result:
    """`result` with the URLs of its things replaced by those that `urls` has for their slots; others stay."""
    match result:
        case Song():
            return Song(tuple(_linked_clip(index, clip, urls) for index, clip in enumerate(result.clips)))
        case Video():
            url, cover = urls.get("video", result.url), urls.get("cover", result.cover_url)
            return msgspec.structs.replace(result, url=url, cover_url=cover)
        case _:
            return result


def identify(job: ExchangeId, number: int) -> str:
    """The id of thing `number` (from 0) of `job`."""
    return f"{_PREFIX}{job.removeprefix(_JOB_PREFIX)}{number:02x}"


def path(artefact: Artefact, key: bytes, expires: int) -> str:
    """Path and query of a link to what is stored, until `expires` (Unix seconds)."""
    name = artefact.file.name if artefact.file is not None else artefact.slot
    return _signed(f"{artefact.id}/{name}", key, expires)


def passage(job: ExchangeId, key: bytes, expires: int) -> str:
    """The same of a link to the video of `job` that its upstream keeps, and hands out by name only."""
    return _signed(f"{job}/video", key, expires)


def passing(where: str) -> ExchangeId | None:
    """The job whose upstream keeps what the link with the path `where` leads to; None when the relay keeps it."""
    name = where.removeprefix(ROOT).partition("/")[0]
    return ExchangeId(name) if name.startswith(_JOB_PREFIX) else None


def end(now: float, seconds: float) -> int:
    """When a link made at `now` ends that is to work for `seconds`: then, or up to a quarter later."""
    step = math.ceil(seconds / STEPS)
    return (int(now) // step + STEPS + 1) * step


def is_genuine(where: str, query: str, key: bytes) -> bool:
    """Whether `path` made a link of this path and this whole query, whatever the time."""
    expires, _, signature = query.partition("&signature=")
    return hmac.compare_digest(_signature(key, f"{where}?{expires}").encode(), signature.encode())


def ends(query: str) -> int | None:
    """When a link with this query ends, Unix seconds; None when it says nothing sensible."""
    given = query.partition("&")[0].removeprefix("expires=")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= len(str(2**53)) else None


def _of_clip(index: int, clip: Clip) -> Iterator[Medium]:
    for slot, (member, sort) in _CLIP.items():
        if url := getattr(clip, member):
            yield Medium(f"{index}-{slot}", sort, url)


def _linked_clip(index: int, clip: Clip, urls: Mapping[str, str]) -> Clip:
    changes = {member: urls[name] for slot, (member, _) in _CLIP.items() if (name := f"{index}-{slot}") in urls}
    return msgspec.structs.replace(clip, **changes) if changes else clip


_CLIP = {
    "audio": ("audio_url", Sort.AUDIO),
    "video": ("video_url", Sort.VIDEO),
    "image": ("image_url", Sort.IMAGE),
    "cover": ("image_large_url", Sort.IMAGE),
}


def _signed(name: str, key: bytes, expires: int) -> str:
    where = f"{ROOT}{name}?expires={expires}"
    return f"{where}&signature={_signature(key, where)}"


def _signature(key: bytes, where: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, where.encode(), hashlib.sha256)).rstrip(b"=").decode()
