"""What clients may ask of Suno, the same members in every dialect (WIRE 2.4), checked.

Every dialect takes every dialect's names for a member. A dialect adds which of them it cannot do without, its default
model, and what `prompt` means.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from polyrelay.exchange import names
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import forms, hooks
from polyrelay.wire.forms import Form
from polyrelay.wire.hooks import Address, Hook

MOST_WORDS = 10_000
"""Characters of a prompt, a description or tags. Suno's models stop at 5,000 (WIRE 2.1)."""

MOST_TITLE = 1_000
"""Characters of a title. Suno shows about 80."""

MOST_NAME = 256
"""Characters of a name: of a model, a clip, a job."""

MOST_IDS = 100
"""Names in one question after clips or jobs."""

PAGE_CLIPS = 20
"""Clips on a page of the newest ones, as the studio API has it."""

MOST_PAGES = 10_000

MOST_SECONDS = 86_400
"""Where a clip may be continued: a day, hundreds of times what a song takes."""

_SECONDS = re.compile(r"(\d{1,5}(?:\.\d{1,6})?)|(\d{1,3}):([0-5]?\d(?:\.\d{1,6})?)")

Words = Annotated[str, Meta(max_length=MOST_WORDS)]
Name = Annotated[str, Meta(max_length=MOST_NAME)]


class Submission(msgspec.Struct, frozen=True, gc=False):
    """A checked request. `hook` is where the client wants to be told of the end, `wait` whether it wants its answer
    only when its song can be heard.
    """

    ask: MusicAsk | LyricsAsk | Concat | Stems
    hook: Hook | None = None
    wait: bool = False


class FeedQuery(msgspec.Struct, frozen=True, gc=False):
    """Which clips are asked for: those with `ids`, or, without any, page `page` (from 0) of the newest."""

    ids: tuple[str, ...] = ()
    page: int = 0


class _Hooked(Form):
    notify_hook: Address | None = None
    webhook_url: Address | None = None


class MusicForm(_Hooked):
    """A song, under every name that a dialect has for a member."""

    prompt: Words | None = None
    gpt_description_prompt: Words | None = None
    tags: Words | None = None
    negative_tags: Words | None = None
    title: Annotated[str, Meta(max_length=MOST_TITLE)] | None = None
    mv: Name | None = None
    model: Name | None = None
    make_instrumental: bool | None = None
    instrumental: bool | None = None
    continue_clip_id: Name | None = None
    audio_id: Name | None = None
    continue_at: Annotated[float, Meta(ge=0, le=MOST_SECONDS)] | Annotated[str, Meta(max_length=16)] | None = None
    task: Name | None = None
    task_id: Name | None = None
    wait_audio: bool | None = None


class _LyricsForm(_Hooked, kw_only=True):
    prompt: Annotated[str, Meta(min_length=1, max_length=MOST_WORDS)]


class _ConcatForm(_Hooked, kw_only=True):
    clip_id: Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
    is_infill: bool | None = None


class _StemsForm(_Hooked, kw_only=True):
    audio_id: Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]


def music(given: Mapping[str, Any], default_model: str, *, described: bool = False) -> Submission:
    """A song; with `described`, `prompt` is its description and not its lyrics. Raises `errors.InvalidRequest`."""
    form, extra = forms.checked(given, MusicForm)
    clip = _either(form, "continue_clip_id", "audio_id") or None
    ask = MusicAsk(
        model=_either(form, "mv", "model") or default_model,
        prompt="" if described else form.prompt or "",
        tags=form.tags or "",
        negative_tags=form.negative_tags or "",
        title=form.title or "",
        description=(_either(form, "gpt_description_prompt", "prompt") if described else form.gpt_description_prompt)
        or "",
        instrumental=_either(form, "make_instrumental", "instrumental") or False,
        continue_clip=clip,
        continue_job=_maker(clip, form.task_id),
        continue_at=_continue_at(form, clip),
        task=form.task or None,
        extra=extra,
    )
    _sung(ask)
    return Submission(ask, _hook(form), form.wait_audio or False)


def lyrics(given: Mapping[str, Any]) -> Submission:
    """Lyrics. Raises `errors.InvalidRequest`."""
    form, extra = forms.checked(given, _LyricsForm)
    return Submission(LyricsAsk(form.prompt, extra), _hook(form))


def concat(given: Mapping[str, Any]) -> Submission:
    """The whole song of an extended clip. Raises `errors.InvalidRequest`."""
    form, extra = forms.checked(given, _ConcatForm)
    return Submission(Concat(form.clip_id, form.is_infill or False, extra), _hook(form))


def stems(given: Mapping[str, Any]) -> Submission:
    """The stems of the clip `audio_id`. Raises `errors.InvalidRequest`."""
    form, extra = forms.checked(given, _StemsForm)
    return Submission(Stems(form.audio_id, extra), _hook(form))


def feed(query: bytes) -> FeedQuery:
    """The clips that `ids` or `page` of `query` name. Raises `errors.InvalidRequest`."""
    given = forms.query(query)
    return FeedQuery(ids(given.get("ids")), page(given, 0))


def page(given: Mapping[str, str], first: int) -> int:
    """The page that the query `given` asks for, `first` when it names none. Raises `errors.InvalidRequest`."""
    asked = given.get("page") or str(first)
    if not (asked.isascii() and asked.isdigit() and len(asked) <= len(str(MOST_PAGES)) and int(asked) <= MOST_PAGES):
        message = f"Invalid 'page': expected a whole number from 0 to {MOST_PAGES}."
        raise InvalidRequest(message, code="invalid_value", param="page")
    return int(asked)


def clip_name(query: bytes, param: str) -> str:
    """The clip that the member `param` of `query` names. Raises `errors.InvalidRequest`."""
    name = forms.query(query).get(param)
    if not name:
        raise forms.missing(param)
    return listed([name], param)[0]


def ids(text: str | None, param: str = "ids") -> tuple[str, ...]:
    """The names in `text`, which has commas between them; none without it. Raises `errors.InvalidRequest`."""
    given = [name.strip() for name in (text or "").split(",")]
    return listed([name for name in given if name], param)


def listed(given: list[str], param: str = "ids", most: int = MOST_IDS) -> tuple[str, ...]:
    """`given`, each once. Raises `errors.InvalidRequest` when there are more than `most` or one is no name."""
    if len(given) > most:
        message = f"Invalid '{param}': {len(given)} names. At most {most} can be asked for at once."
        raise InvalidRequest(message, code="array_above_max_length", param=param)
    if any(len(name) > MOST_NAME for name in given):
        message = f"Invalid '{param}': a name has at most {MOST_NAME} characters."
        raise InvalidRequest(message, code="string_above_max_length", param=param)
    return tuple(dict.fromkeys(given))


def _sung(ask: MusicAsk) -> None:
    """Check that there is something to make a song of. Raises `errors.InvalidRequest` naming `prompt`."""
    if not (ask.prompt or ask.description or ask.tags or ask.title or ask.continue_clip or ask.task):
        message = (
            "Nothing to make a song of: give 'gpt_description_prompt', or 'prompt' with the lyrics,"
            " or 'tags' for an instrumental, or 'continue_clip_id'."
        )
        raise InvalidRequest(message, code="missing_required_parameter", param="prompt")


def _either(form: MusicForm, first: str, second: str) -> Any:
    """The member under either of its names. Raises `errors.InvalidRequest` when they differ."""
    values = [value for value in (getattr(form, first), getattr(form, second)) if value not in (None, "")]
    if len(set(values)) > 1:
        message = f"'{first}' and '{second}' are the same thing and differ: give one of them."
        raise InvalidRequest(message, code="invalid_value", param=second)
    return values[0] if values else None


def _maker(clip: str | None, stated: str | None) -> str | None:
    """The job that made `clip`: its name tells, if it is the relay's, and what a client states only if not."""
    if clip is None:
        return None
    place = names.place(clip)
    return place.job_id if place is not None else stated or None


def _continue_at(form: MusicForm, clip: str | None) -> float | None:
    given = form.continue_at
    seconds = _seconds(given) if isinstance(given, str) else given
    if clip is None and seconds:
        message = "'continue_at' says where a clip goes on: give 'continue_clip_id' too, or leave it out."
        raise InvalidRequest(message, code="missing_required_parameter", param="continue_clip_id")
    return seconds if clip else None


def _seconds(text: str) -> float | None:
    """`90`, `1:30` or nothing."""
    if not text:
        return None
    found = _SECONDS.fullmatch(text)
    if found is None:
        message = "Invalid 'continue_at': expected seconds as a number, or minutes and seconds as '1:30'."
        raise InvalidRequest(message, code="invalid_value", param="continue_at")
    seconds, minutes, rest = found.groups()
    return float(seconds) if seconds else int(minutes) * 60 + float(rest)


def _hook(form: _Hooked) -> Hook | None:
    return hooks.asked(form.notify_hook, form.webhook_url)
