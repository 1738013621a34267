"""The flat dialect as clients speak it: the `/api/generate` family (WIRE 2.2).

Songs are bare lists of `AudioInfo`, a clip with its metadata beside it. Errors are `{"error": ...}`.
"""

from collections.abc import Sequence
from typing import Any

from polyrelay.exchange.job import Stage
from polyrelay.exchange.music import Clip, ClipStatus, Concat, MusicAsk
from polyrelay.kernel.errors import InsufficientQuota, InvalidRequest, Refusal
from polyrelay.wire import answers, forms
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno import clips, requests, view
from polyrelay.wire.suno.requests import FeedQuery, Submission
from polyrelay.wire.suno.view import JobView

DEFAULT_MODEL = "chirp-v3-5"

WAIT_SECONDS = 100.0
"""How long `wait_audio` waits for a song before its state is told as it is."""

PAYMENT_REQUIRED = 402
"""What this dialect says when credits are used up."""

_HEARD = (ClipStatus.STREAMING, ClipStatus.COMPLETE, ClipStatus.ERROR)


def read_generate(body: bytes) -> Submission:
    """A song of a description. Raises `errors.InvalidRequest`."""
    given = forms.json(body)
    if not (given.get("prompt") or given.get("gpt_description_prompt")):
        raise forms.missing("prompt")
    return requests.music(given, DEFAULT_MODEL, described=True)


def read_custom(body: bytes) -> Submission:
    """A song of lyrics and tags. Raises `errors.InvalidRequest`."""
    return requests.music(forms.json(body), DEFAULT_MODEL)


def read_extend(body: bytes) -> Submission:
    """More of a clip. Raises `errors.InvalidRequest`."""
    asked = requests.music(forms.json(body), DEFAULT_MODEL)
    if isinstance(asked.ask, MusicAsk) and asked.ask.continue_clip is None:
        raise forms.missing("audio_id")
    return asked


def read_concat(body: bytes) -> Submission:
    """The whole song of an extended clip. Raises `errors.InvalidRequest`."""
    return requests.concat(forms.json(body))


def read_lyrics(body: bytes) -> Submission:
    """Lyrics, to be answered when they are written. Raises `errors.InvalidRequest`."""
    return requests.lyrics(forms.json(body))


def read_get(query: bytes) -> FeedQuery:
    """Which clips are wanted. Raises `errors.InvalidRequest`."""
    return requests.feed(query)


def read_clip(query: bytes) -> str:
    """The clip that `id` of `query` names. Raises `errors.InvalidRequest`."""
    name = forms.query(query).get("id")
    if not name:
        raise forms.missing("id")
    if len(name) > requests.MOST_NAME:
        message = f"Invalid 'id': a name has at most {requests.MOST_NAME} characters."
        raise InvalidRequest(message, code="string_above_max_length", param="id")
    return name


def heard(job: JobView) -> bool:
    """Whether `wait_audio` need not wait longer: every clip can be heard, or never will be."""
    return job.stage.over or all(clip.status in _HEARD for clip in view.takes(job))


def submitted(job: JobView) -> Answer:
    """The answer to a submission of a song, as it stands, or of a concatenation: its clip, in the native shape."""
    shown = view.takes(job)
    if isinstance(job.ask, Concat):
        return answers.of(clips.native(shown[0]))
    return answers.of([_audio_info(clip) for clip in shown])


def songs(jobs: Sequence[JobView], ids: Sequence[str] = ()) -> Answer:
    """The clips that `ids` name, or all of `jobs`."""
    chosen = view.picked(jobs, ids) if ids else [clip for job in jobs for clip in view.takes(job)]
    return answers.of([_audio_info(clip) for clip in chosen])


def clip(job: JobView, name: str) -> Answer:
    """One clip by its name, in the native shape. Raises `errors.NotFound`."""
    return answers.of(clips.native(view.one(job, name)))


def lyrics(job: JobView) -> Answer:
    """Lyrics that are written, or why they are not."""
    if job.stage is Stage.FAILED:
        return answers.of({"error": view.reason(job) or "The lyrics could not be written."}, status=500)
    written = view.lyrics(job)
    return answers.of({"text": written.text, "title": written.title, "status": view.status(job.stage).value})


def limit(credits_left: float, monthly_limit: float, monthly_usage: float, period: str | None = None) -> Answer:
    """What the key may still spend. Only told: nothing is decided by these numbers."""
    told = {
        "credits_left": credits_left,
        "period": period,
        "monthly_limit": monthly_limit,
        "monthly_usage": monthly_usage,
    }
    return answers.of(told)


def refuse(refusal: Refusal) -> Answer:
    """`refusal` as this dialect says it."""
    status = PAYMENT_REQUIRED if isinstance(refusal, InsufficientQuota) else None
    return answers.refused(refusal, {"error": refusal.message}, status=status)


def _audio_info(clip: Clip) -> dict[str, Any]:
    """`lyric` is the lyrics without their empty lines."""
    return {
        "id": clip.id,
        "title": clip.title,
        "image_url": clip.image_url,
        "lyric": "\n".join(line for line in clip.lyrics.split("\n") if line.strip()),
        "audio_url": clip.audio_url,
        "video_url": clip.video_url,
        "created_at": clip.created_at,
        "model_name": clip.model,
        "status": clip.status.value,
        "gpt_description_prompt": clip.description,
        "prompt": clip.lyrics,
        "type": clip.kind,
        "tags": clip.tags,
        "negative_tags": clip.negative_tags,
        "duration": clip.duration,
        "error_message": clip.error_message,
    }
