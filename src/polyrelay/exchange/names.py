"""How the relay names jobs and their clips to its clients, and which of them an ask names.

A job is named by its id, and its clips `<job id>-0`, `<job id>-1`, so that any name tells the job it belongs to. An
upstream's names are never shown, and a client's names mean nothing to an upstream: whoever sends an ask on replaces
them (`mentioned`, `renamed`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from polyrelay.exchange.job import Ask
from polyrelay.exchange.music import Concat, MusicAsk, Stems
from polyrelay.exchange.video import VideoAsk

_NAME = re.compile(r"(px_[0-9a-f]{28})(?:-(\d{1,2}))?")


class Place(msgspec.Struct, frozen=True, gc=False):
    """What a name stands for: clip `index` of job `job_id`, or the job itself when that is None."""

    job_id: str
    index: int | None = None


def clip(job_id: str, index: int) -> str:
    """The name of a job's clip, counted from 0."""
    return f"{job_id}-{index}"


def place(name: str) -> Place | None:
    """What `name` stands for; None when the relay gives no such name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    job_id, index = found.groups()
    return Place(job_id, None if index is None else int(index))


def job_ids(names: Iterable[str]) -> tuple[str, ...]:
    """The ids of the jobs that `names` of jobs or clips belong to, each once, in order. Other names are left out."""
    places = [place(name) for name in names]
    return tuple(dict.fromkeys(found.job_id for found in places if found is not None))


def mentioned(ask: Ask) -> frozenset[str]:
    """Every name that `ask` gives to another job or clip, in its own members or anywhere in `extra`.

    What stands where a name belongs is one, whatever it looks like; elsewhere it must look like the relay's.
    """
    own: tuple[str | None, ...] = ()
    match ask:
        case MusicAsk():
            own = (ask.continue_clip, ask.continue_job)
        case Concat() | Stems():
            own = (ask.clip,)
        case VideoAsk():
            own = (ask.remix_of,)
    return frozenset([name for name in own if name is not None]) | frozenset(_names(ask.extra))


def renamed(ask: Ask, names: Mapping[str, str]) -> Ask:
    """`ask` with each of its names replaced by what `names` has for it; others stay."""
    extra = _replaced(ask.extra, names)
    match ask:
        case MusicAsk():
            continued, job = _get(names, ask.continue_clip), _get(names, ask.continue_job)
            return msgspec.structs.replace(ask, continue_clip=continued, continue_job=job, extra=extra)
        case Concat() | Stems():
            return msgspec.structs.replace(ask, clip=names.get(ask.clip, ask.clip), extra=extra)
        case VideoAsk():
            return msgspec.structs.replace(ask, remix_of=_get(names, ask.remix_of), extra=extra)
        case _:
            return msgspec.structs.replace(ask, extra=extra)


def _get(names: Mapping[str, str], name: str | None) -> str | None:
    return None if name is None else names.get(name, name)


def _names(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,) if place(value) else ()
    if isinstance(value, dict):
        return [name for item in value.values() for name in _names(item)]
    if isinstance(value, list):
        return [name for item in value for name in _names(item)]
    return ()


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value) if place(value) else value
    if isinstance(value, dict):
        return {key: _replaced(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, names) for item in value]
    return value
