"""Asks that build on an earlier job: the client's name of a clip or a video becomes the upstream's.

Only the upstream that made it knows it, and only for the credential it was made with; so that decides who may serve.
"""

from collections.abc import Sequence

import msgspec

from polyrelay.exchange import names
from polyrelay.exchange.job import Ask
from polyrelay.exchange.music import ClipStatus, Concat, MusicAsk, Song, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.routing.channel import Candidate

_WITH_CLIPS = (Kind.MUSIC, Kind.CONCAT, Kind.STEMS)


class Named(msgspec.Struct, frozen=True):
    """What an ask refers to: clip or video `number` of `job`; `member` is the ask's that says so."""

    job: ExchangeId
    number: int
    member: str


def named(ask: Ask) -> Named | None:
    """What `ask` builds on; None when it stands alone. Raises `errors.InvalidRequest` for a name not of our making."""
    match ask:
        case MusicAsk(continue_clip=str(name)):
            return _clip(name, "continue_clip_id")
        case Concat(clip=name):
            return _clip(name, "clip_id")
        case Stems(clip=name):
            return _clip(name, "audio_id")
        case VideoAsk(remix_of=str(name)):
            return Named(ExchangeId(name), 0, "id")
        case _:
            return None


def outgoing(ask: Ask, reference: Named, source: Job | None) -> Ask:
    """`ask` with the upstream's name for what it builds on, which is of job `source` (None: there is none such).

    Raises `errors.InvalidRequest`.
    """
    if source is None or source.upstreamed is None or source.state is not State.SUCCEEDED:
        raise unknown(reference.member)
    known = source.upstreamed.clips or source.upstreamed.ids
    if reference.number >= len(known) or not _fits(ask, source) or not _made(source, reference.number):
        raise unknown(reference.member)
    own = {names.clip(source.id, number): name for number, name in enumerate(known)}
    job = next(iter(source.upstreamed.ids), known[0])
    made = names.renamed(ask, {source.id: job, **own})
    return msgspec.structs.replace(made, continue_job=job) if isinstance(made, MusicAsk) else made


def serving(candidates: Sequence[Candidate], source: Job) -> tuple[Candidate, ...]:
    """Those of `candidates` that know what `source` made."""
    place = source.place
    return tuple(
        each
        for each in candidates
        if place is not None and (each.channel.name, each.credential.name) == (place.channel, place.credential)
    )


def unknown(member: str) -> errors.Refusal:
    """The refusal for a name that leads nowhere; `member` is where it stands."""
    return errors.InvalidRequest(
        "There is nothing finished under that id that this API key may build on.", code="not_found", param=member
    )


def elsewhere(member: str) -> errors.Refusal:
    """The refusal for a name whose maker does not offer what is asked for."""
    return errors.InvalidRequest(
        "The upstream that made what has that id does not offer this, or not by that model, and no other knows it.",
        code="not_offered",
        param=member,
    )


def _clip(name: str, member: str) -> Named:
    place = names.place(name)
    if place is None or place.index is None:
        raise unknown(member)
    return Named(ExchangeId(place.job_id), place.index, member)


def _fits(ask: Ask, source: Job) -> bool:
    if isinstance(ask, VideoAsk):
        return source.kind is Kind.VIDEO
    return source.kind in _WITH_CLIPS and isinstance(source.result, Song)


def _made(source: Job, number: int) -> bool:
    """A song has succeeded, and is paid for, when one of its clips has; nothing can be built on the others."""
    if not isinstance(source.result, Song):
        return True
    clips = source.result.clips
    return number < len(clips) and clips[number].status is not ClipStatus.ERROR
