"""How far a song is, from how far its clips are."""

from collections.abc import Mapping, Sequence
from typing import Any

from polyrelay.exchange.job import Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, Song
from polyrelay.wire import replies
from polyrelay.wire.dialect import Asked, Garbled
from polyrelay.wire.suno import clips as wire_clips

PERCENT = {
    ClipStatus.SUBMITTED: 0,
    ClipStatus.QUEUED: 10,
    ClipStatus.STREAMING: 50,
    ClipStatus.COMPLETE: 100,
    ClipStatus.ERROR: 100,
}
"""Suno states no progress; these keep a bar moving."""


def over(clip: Clip) -> bool:
    """Whether nothing will change any more."""
    return clip.status in (ClipStatus.COMPLETE, ClipStatus.ERROR)


def stage(clips: Sequence[Clip]) -> Stage:
    """What `clips`, at least one, amount to. One that is complete makes the song a success, whatever the other's end:
    it is delivered, and billing is by song (WIRE 2.4).
    """
    statuses = {clip.status for clip in clips}
    if all(map(over, clips)):
        return Stage.SUCCEEDED if ClipStatus.COMPLETE in statuses else Stage.FAILED
    if statuses & {ClipStatus.STREAMING, ClipStatus.COMPLETE}:
        return Stage.RUNNING
    return Stage.QUEUED if ClipStatus.QUEUED in statuses else Stage.SUBMITTED


def percent(clips: Sequence[Clip]) -> int:
    """How much of `clips`, at least one, is done."""
    return sum(PERCENT[clip.status] for clip in clips) // len(clips)


def complaint(clips: Sequence[Clip]) -> str | None:
    """Why the first of `clips` that says so failed."""
    return next(
        (clip.error_message or clip.error_type for clip in clips if clip.error_message or clip.error_type), None
    )


def snapshot(clips: Sequence[Clip]) -> Snapshot:
    """What `clips`, at least one, say of their job."""
    reached = stage(clips)
    return Snapshot(
        reached,
        percent(clips),
        Song(tuple(clips)),
        complaint(clips) if reached is Stage.FAILED else None,
        clips=tuple([clip.id for clip in clips]),
    )


def arranged(clips: Sequence[Clip], known: Sequence[str]) -> list[Clip]:
    """`clips` in the order of `known`, the clips that the job is known to have, then any others.

    A known one that is missing stands as submitted, so that each keeps its number.
    """
    found = {clip.id: clip for clip in clips}
    missing = [Clip(clip_id, ClipStatus.SUBMITTED) for clip_id in known if clip_id not in found]
    found |= {clip.id: clip for clip in missing}
    order = dict.fromkeys([*known, *found])
    return [found[clip_id] for clip_id in order]


def feed(jobs: Sequence[Asked], value: Any) -> list[Snapshot | None]:
    """What a list of clips says of `jobs`, which are polled by their clips. Raises `Garbled` when it is none."""
    listed = value.get("clips") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise Garbled("a feed that is no list of clips")
    found = {clip.id: clip for clip in map(wire_clips.read, replies.objects(listed)) if clip is not None}
    return [_so_far(found, job.upstreamed) for job in jobs]


def _so_far(found: Mapping[str, Clip], upstreamed: Upstreamed) -> Snapshot | None:
    own = [found[name] for name in upstreamed.ids if name in found]
    return snapshot(arranged(own, upstreamed.ids)) if own else None
