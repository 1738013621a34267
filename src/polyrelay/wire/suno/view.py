"""A job as its client may see it: under the relay's names, whatever the upstream called things."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from polyrelay.exchange import names
from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, Clip, ClipStatus, Concat, Lyrics, LyricsAsk, MusicAsk, Song, Stems
from polyrelay.kernel.errors import InvalidRequest, NotFound
from polyrelay.wire import disclosure, times
from polyrelay.wire.disclosure import Disclosure
from polyrelay.wire.suno import clips

NOT_MADE = "This clip was not made."

Asked = MusicAsk | LyricsAsk | Concat | Stems


class JobView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One job, as the relay has it.

    `ask` is as its client sent it and `model` the client's name for the model; `result`, `reason` and `upstreamed` are
    the upstream's. `known` are upstream names of other jobs and clips with the relay's names for them, as many as are
    at hand: at least those that `names.mentioned(ask)` were translated to. Times are seconds since the epoch. `hook` is
    the webhook the client asked for.
    """

    job_id: str
    ask: Asked
    stage: Stage
    created: int
    model: str = ""
    started: int | None = None
    finished: int | None = None
    progress: int = 0
    result: Song | Lyrics | None = None
    reason: str | None = None
    upstreamed: Upstreamed = Upstreamed()
    known: Mapping[str, str] = {}
    hook: str | None = None


def takes(view: JobView) -> list[Clip]:
    """The clips of a song as they may be shown, numbered for good; none for lyrics.

    Before the upstream said anything of them there are as many as it will make. Those of a failed job are errors
    without media: it is not paid for.
    """
    if isinstance(view.ask, LyricsAsk):
        return []
    seen = _disclosure(view)
    told = _told(view)
    if told:
        return [_shown(view, clip, index, seen) for index, clip in enumerate(told)]
    return [_awaited(view, index, seen) for index in range(_expected(view))]


def picked(views: Iterable[JobView], wanted: Iterable[str]) -> list[Clip]:
    """The clips that `wanted` names, each once, by their names or their jobs'; what no view has is left out.

    A clip that was announced and did not come of a job that is over is an error.
    """
    by_id = {view.job_id: view for view in views}
    shown: dict[str, list[Clip]] = {}
    chosen: dict[str, Clip] = {}
    for name in wanted:
        place = names.place(name)
        view = by_id.get(place.job_id) if place else None
        if place is None or view is None:
            continue
        if view.job_id not in shown:
            shown[view.job_id] = takes(view)
        found = shown[view.job_id] if place.index is None else _at(view, shown[view.job_id], place.index)
        chosen |= {clip.id: clip for clip in found}
    return list(chosen.values())


def one(view: JobView, name: str) -> Clip:
    """The clip called `name`. Raises `errors.NotFound`."""
    place = names.place(name)
    found = picked([view], [name]) if place and place.index is not None else []
    if not found:
        raise NotFound("There is no such clip.", code="clip_not_found", param="id")
    return found[0]


def alignable(view: JobView, name: str) -> int:
    """The number of the clip called `name`, which is complete. Raises `errors.NotFound`, `errors.InvalidRequest`."""
    clip = one(view, name)
    place = names.place(name)
    if clip.status is not ClipStatus.COMPLETE or place is None or place.index is None:
        message = f"Only the lyrics of a complete clip are aligned; the status of this one is '{clip.status.value}'."
        raise InvalidRequest(message, code="clip_not_complete", param="id")
    return place.index


def aligned(view: JobView, words: Iterable[AlignedWord]) -> list[AlignedWord]:
    """`words`, which the upstream found in a clip, as they may be shown."""
    seen = _disclosure(view)
    return [msgspec.structs.replace(word, word=seen.text(word.word)) for word in words]


def reason(view: JobView) -> str:
    """Why the job failed, fit to be seen; empty when nobody said."""
    return _disclosure(view).reason(view.reason) if view.reason else ""


def lyrics(view: JobView) -> Lyrics:
    """The lyrics as they may be shown; empty ones until they are there."""
    if not isinstance(view.result, Lyrics) or view.stage is Stage.FAILED:
        return Lyrics()
    seen = _disclosure(view)
    return Lyrics(seen.text(view.result.text), seen.text(view.result.title))


def status(stage: Stage) -> ClipStatus:
    """Suno's word for how far a job is."""
    return _STATUSES[stage]


_STATUSES = {
    Stage.SUBMITTED: ClipStatus.SUBMITTED,
    Stage.QUEUED: ClipStatus.QUEUED,
    Stage.RUNNING: ClipStatus.STREAMING,
    Stage.SUCCEEDED: ClipStatus.COMPLETE,
    Stage.FAILED: ClipStatus.ERROR,
}


def _told(view: JobView) -> tuple[Clip, ...]:
    return view.result.clips if isinstance(view.result, Song) else ()


def _expected(view: JobView) -> int:
    """Two takes of a song, one concatenation (WIRE 2.1); of stems at least the voice and the rest."""
    return 1 if isinstance(view.ask, Concat) else 2


def _disclosure(view: JobView) -> Disclosure:
    own = dict.fromkeys(view.upstreamed.ids, view.job_id)
    own |= {clip: names.clip(view.job_id, index) for index, clip in enumerate(view.upstreamed.clips)}
    own |= {clip.id: names.clip(view.job_id, index) for index, clip in enumerate(_told(view))}
    return disclosure.of({**view.known, **own})


def _at(view: JobView, shown: list[Clip], index: int) -> list[Clip]:
    if index < len(shown):
        return [shown[index]]
    return [_awaited(view, index, _disclosure(view))] if index < _expected(view) else []


def _awaited(view: JobView, index: int, seen: Disclosure) -> Clip:
    """A clip that nothing is known of: it will come, or the job ended without it."""
    clip = Clip(names.clip(view.job_id, index), ClipStatus.SUBMITTED)
    if view.stage is Stage.SUCCEEDED:
        clip = msgspec.structs.replace(clip, status=ClipStatus.ERROR, error_message=NOT_MADE)
    return _shown(view, clip, index, seen)


def _shown(view: JobView, clip: Clip, index: int, seen: Disclosure) -> Clip:
    asked = _described(view.ask)
    lost = view.stage is Stage.FAILED
    model = view.model or seen.text(clip.model)
    return Clip(
        id=names.clip(view.job_id, index),
        status=ClipStatus.ERROR if lost else clip.status,
        title=seen.text(clip.title or asked.title),
        audio_url="" if lost else clip.audio_url,
        video_url="" if lost else clip.video_url,
        image_url="" if lost else clip.image_url,
        image_large_url="" if lost else clip.image_large_url,
        model=model,
        major_version=seen.text(clip.major_version) or clips.MAJOR_VERSIONS.get(model, ""),
        lyrics=seen.text(clip.lyrics or asked.prompt),
        tags=seen.text(clip.tags or asked.tags),
        negative_tags=seen.text(clip.negative_tags or asked.negative_tags),
        description=seen.text(clip.description or asked.description),
        kind="concat" if isinstance(view.ask, Concat) else seen.text(clip.kind),
        duration=clip.duration,
        created_at=seen.text(clip.created_at) or times.iso(view.created),
        error_type=seen.reason(clip.error_type) if clip.error_type else None,
        error_message=_complaint(view, clip, seen),
        extra={} if lost else seen.members(clip.extra),
        metadata=_extension(view.ask) | ({} if lost else _stated(seen.members(clip.metadata))),
    )


def _complaint(view: JobView, clip: Clip, seen: Disclosure) -> str | None:
    said = clip.error_message or (view.reason if view.stage is Stage.FAILED else None)
    return seen.reason(said) if said else None


def _described(ask: Asked) -> MusicAsk:
    return ask if isinstance(ask, MusicAsk) else MusicAsk("")


def _stated(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if value is not None}


def _extension(ask: Asked) -> dict[str, Any]:
    """What the metadata says of the clip that an extension or a stem is of (WIRE 2.1), before the upstream said it."""
    if isinstance(ask, Stems):
        return {"stem_from_id": ask.clip}
    if not isinstance(ask, MusicAsk) or ask.continue_clip is None:
        return {}
    part = {"id": ask.continue_clip, "continue_at": ask.continue_at, "type": "gen", "source": "web", "infill": False}
    return {"audio_prompt_id": ask.continue_clip, "history": [part]}
