"""The studio API's dialect as clients speak it: POST `/api/generate/v2/` and what belongs to it (WIRE 2.1, seed 003).

Answers are never wrapped. A description makes a song by itself; `prompt` are lyrics. Errors are `{"detail": ...}`.
"""

from collections.abc import Sequence
from typing import Any

from polyrelay.exchange.music import AlignedWord, Clip, ClipStatus, Concat, LyricsAsk
from polyrelay.kernel.errors import InsufficientQuota, Refusal
from polyrelay.wire import answers, forms, times
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno import alignment, clips, requests, view
from polyrelay.wire.suno.credits import PERIOD, Credits
from polyrelay.wire.suno.requests import FeedQuery, Submission
from polyrelay.wire.suno.view import JobView

DEFAULT_MODEL = "chirp-v3-0"
"""What seed 003 documents, and the studio API's first."""

PAYMENT_REQUIRED = 402
"""What the studio API says when credits are used up."""

_FEED_TYPE = b"text/plain; charset=utf-8"
"""What seed 003 serves the JSON of the feed as."""


def read_generate(body: bytes) -> Submission:
    """A song, new or extending a clip. Raises `errors.InvalidRequest`."""
    return requests.music(forms.json(body), DEFAULT_MODEL)


def read_described(body: bytes) -> Submission:
    """A song of a description alone. Raises `errors.InvalidRequest`."""
    given = forms.json(body)
    if not given.get("gpt_description_prompt"):
        raise forms.missing("gpt_description_prompt")
    return requests.music(given, DEFAULT_MODEL)


def read_concat(body: bytes) -> Submission:
    """The whole song of an extended clip. Raises `errors.InvalidRequest`."""
    return requests.concat(forms.json(body))


def read_stems(body: bytes, clip_id: str) -> Submission:
    """The stems of a clip; the body may be empty. Raises `errors.InvalidRequest`."""
    return requests.stems({**forms.json(body or b"{}"), "audio_id": clip_id})


def read_lyrics(body: bytes) -> Submission:
    """Lyrics. Raises `errors.InvalidRequest`."""
    return requests.lyrics(forms.json(body))


def read_feed(query: bytes) -> FeedQuery:
    """Which clips are wanted. Raises `errors.InvalidRequest`."""
    return requests.feed(query)


def read_feed_of(names: str) -> FeedQuery:
    """The clips that `names`, with commas between them, are of. Raises `errors.InvalidRequest`."""
    found = requests.ids(names)
    if not found:
        raise forms.missing("ids")
    return FeedQuery(found)


def submitted(job: JobView) -> Answer:
    """The answer to a submission: a batch of clips, a concatenation's clip, or the id of lyrics to come."""
    if isinstance(job.ask, LyricsAsk):
        return answers.of({"id": job.job_id})
    shown = view.takes(job)
    if isinstance(job.ask, Concat):
        return answers.of(clips.native(shown[0]))
    return answers.of(_batch(job, shown))


def feed(jobs: Sequence[JobView], ids: Sequence[str] = ()) -> Answer:
    """The clips that `ids` name, or all of `jobs`: a bare array, served as text."""
    return answers.of([clips.native(clip) for clip in _chosen(jobs, ids)], content_type=_FEED_TYPE)


def feed_v2(jobs: Sequence[JobView], query: FeedQuery, total: int) -> Answer:
    """The clips of `query`, `total` being all that the key has when it asked for a page."""
    shown = [clips.native(clip) for clip in _chosen(jobs, query.ids)]
    count = len(shown) if query.ids else total
    return answers.of({"clips": shown, "num_total_results": count, "current_page": query.page})


def clip(job: JobView, name: str) -> Answer:
    """One clip by its name. Raises `errors.NotFound`."""
    return answers.of(clips.native(view.one(job, name)))


def aligned(words: Sequence[AlignedWord]) -> Answer:
    """When each word of a clip is sung."""
    return answers.of({"aligned_words": alignment.written(words)})


def limit(left: Credits) -> Answer:
    """What the key may still spend, as SunoAI's server tells it."""
    return answers.of(left.told())


def billing(left: Credits) -> Answer:
    """What the key may still spend, as the studio API tells it of an account that is paid in advance."""
    whole, used = int(left.left), int(left.used)
    told = {
        "is_active": True,
        "is_past_due": False,
        "credits": whole,
        "total_credits_left": whole,
        "period": PERIOD,
        "monthly_limit": whole + used,
        "monthly_usage": used,
        "plan": None,
        "renews_on": None,
    }
    return answers.of(told)


def lyrics(job: JobView) -> Answer:
    """Lyrics, as far as they are."""
    written = view.lyrics(job)
    status = view.status(job.stage)
    said: dict[str, Any] = {"id": job.job_id, "text": written.text, "title": written.title, "status": status.value}
    if status is ClipStatus.ERROR:
        said["error_message"] = view.reason(job)
    return answers.of(said)


def refuse(refusal: Refusal) -> Answer:
    """`refusal` as the studio API says it."""
    status = PAYMENT_REQUIRED if isinstance(refusal, InsufficientQuota) else None
    return answers.refused(refusal, {"detail": refusal.message}, status=status)


def _chosen(jobs: Sequence[JobView], ids: Sequence[str]) -> list[Clip]:
    return view.picked(jobs, ids) if ids else [clip for job in jobs for clip in view.takes(job)]


def _batch(job: JobView, shown: Sequence[Clip]) -> dict[str, Any]:
    """`status` is that of the request, which is complete once it is taken on."""
    return {
        "id": job.job_id,
        "clips": [clips.native(clip) for clip in shown],
        "metadata": clips.metadata(shown[0]),
        "major_model_version": shown[0].major_version,
        "status": "complete",
        "created_at": times.iso(job.created),
        "batch_size": len(shown),
    }
