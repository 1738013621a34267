"""The flat dialect as clients speak it: the `/api/generate` family (WIRE 2.2).

Songs are bare lists of `AudioInfo`, a clip with its metadata beside it. Errors are `{"error": ...}`.
"""

from collections.abc import Sequence
from typing import Any

from polyrelay.exchange.job import Stage
from polyrelay.exchange.music import AlignedWord, Clip, ClipStatus, Concat, Stems
from polyrelay.kernel.errors import InsufficientQuota, Refusal
from polyrelay.wire import answers, forms
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno import alignment, clips, personas, requests, view
from polyrelay.wire.suno.credits import Credits
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
    """A song of lyrics and tags: `tags` and `title` must be there, and may be empty; an instrumental needs no lyrics.

    Raises `errors.InvalidRequest`.
    """
    given = forms.json(body)
    for name in ("tags", "title"):
        if given.get(name) is None:
            raise forms.missing(name)
    if not (given.get("prompt") or given.get("make_instrumental") or given.get("instrumental")):
        raise forms.missing("prompt")
    return requests.music(given, DEFAULT_MODEL)


def read_extend(body: bytes) -> Submission:
    """More of a clip. Raises `errors.InvalidRequest`."""
    given = forms.json(body)
    if not (given.get("audio_id") or given.get("continue_clip_id")):
        raise forms.missing("audio_id")
    return requests.music(given, DEFAULT_MODEL)


def read_concat(body: bytes) -> Submission:
    """The whole song of an extended clip. Raises `errors.InvalidRequest`."""
    return requests.concat(forms.json(body))


def read_stems(body: bytes) -> Submission:
    """The stems of a clip. Raises `errors.InvalidRequest`."""
    return requests.stems(forms.json(body))


def read_lyrics(body: bytes) -> Submission:
    """Lyrics, to be answered when they are written. Raises `errors.InvalidRequest`."""
    return requests.lyrics(forms.json(body))


def read_get(query: bytes) -> FeedQuery:
    """Which clips are wanted. Raises `errors.InvalidRequest`."""
    return requests.feed(query)


def read_clip(query: bytes) -> str:
    """The clip that `id` of `query` names. Raises `errors.InvalidRequest`."""
    return requests.clip_name(query, "id")


def read_aligned(query: bytes) -> str:
    """The clip that `song_id` of `query` names. Raises `errors.InvalidRequest`."""
    return requests.clip_name(query, "song_id")


def read_persona(query: bytes) -> personas.Query:
    """Which persona is asked for. Raises `errors.InvalidRequest`."""
    return personas.read_query(query, DEFAULT_MODEL)


def heard(job: JobView) -> bool:
    """Whether `wait_audio` need not wait longer: every clip can be heard, or never will be."""
    return job.stage.over or all(clip.status in _HEARD for clip in view.takes(job))


def submitted(job: JobView) -> Answer:
    """The answer to a submission of a song, as it stands, of stems, or of a concatenation: its clip, in the native
    shape.
    """
    shown = view.takes(job)
    if isinstance(job.ask, Concat):
        return answers.of(clips.native(shown[0]))
    if isinstance(job.ask, Stems):
        return answers.of([_stem(clip) for clip in shown])
    return answers.of([_audio_info(clip) for clip in shown])


def songs(jobs: Sequence[JobView], ids: Sequence[str] = ()) -> Answer:
    """The clips that `ids` name, or all of `jobs`."""
    chosen = view.picked(jobs, ids) if ids else [clip for job in jobs for clip in view.takes(job)]
    return answers.of([_audio_info(clip) for clip in chosen])


def clip(job: JobView, name: str) -> Answer:
    """One clip by its name, in the native shape. Raises `errors.NotFound`."""
    return answers.of(clips.native(view.one(job, name)))


def aligned(words: Sequence[AlignedWord]) -> Answer:
    """When each word of a clip is sung."""
    return answers.of(alignment.written(words))


def lyrics(job: JobView) -> Answer:
    """Lyrics that are written, or why they are not."""
    if job.stage is Stage.FAILED:
        return answers.of({"error": view.reason(job) or "The lyrics could not be written."}, status=500)
    written = view.lyrics(job)
    return answers.of({"text": written.text, "title": written.title, "status": view.status(job.stage).value})


def limit(left: Credits) -> Answer:
    """What the key may still spend."""
    return answers.of(left.told())


def persona(page: dict[str, Any]) -> Answer:
    """A page of a persona's clips."""
    return answers.of(page)


def refuse(refusal: Refusal) -> Answer:
    """`refusal` as this dialect says it."""
    status = PAYMENT_REQUIRED if isinstance(refusal, InsufficientQuota) else None
    return answers.refused(refusal, {"error": refusal.message}, status=status)


def _stem(clip: Clip) -> dict[str, Any]:
    return {
        "id": clip.id,
        "status": clip.status.value,
        "created_at": clip.created_at,
        "title": clip.title,
        "stem_from_id": clip.metadata.get("stem_from_id"),
        "duration": clip.duration,
    }


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
