"""What each dialect's clients are answered, and how they are refused."""

import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, Clip, ClipStatus, Concat, Lyrics, LyricsAsk, MusicAsk, Song, Stems
from polyrelay.kernel import errors
from polyrelay.wire.answers import Answer
from polyrelay.wire.suno.credits import Credits
from polyrelay.wire.suno.flat import surface as flat
from polyrelay.wire.suno.native import surface as native
from polyrelay.wire.suno.requests import FeedQuery
from polyrelay.wire.suno.task import surface as task
from polyrelay.wire.suno.view import JobView

JOB = "px_" + "0a" * 14
OTHER = "px_" + "0b" * 14
CLIPS = (
    Clip("up-a", ClipStatus.COMPLETE, lyrics="a\n\n  \nb", audio_url="https://a", duration=61.5, model="chirp-crow"),
    Clip("up-b", ClipStatus.STREAMING, audio_url="https://b"),
)
VIEW = JobView(
    job_id=JOB,
    ask=MusicAsk("m", description="about rain", tags="pop"),
    model="m",
    stage=Stage.RUNNING,
    progress=75,
    created=1_700_000_000,
    started=1_700_000_010,
    upstreamed=Upstreamed(("up-a", "up-b"), ("up-a", "up-b")),
    result=Song(CLIPS),
    hook="https://client.example/hook",
)
WORDS = JobView(
    job_id=OTHER,
    ask=LyricsAsk("about rain"),
    stage=Stage.SUCCEEDED,
    created=1_700_000_000,
    finished=1_700_000_099,
    result=Lyrics("la", "Rain"),
)
WHOLE = msgspec.structs.replace(VIEW, ask=Concat(f"{OTHER}-0"), result=None, stage=Stage.SUBMITTED)

VOICES = Song((Clip("up-v", ClipStatus.COMPLETE, title="La (Vocals)", duration=61.5), Clip("up-i", ClipStatus.QUEUED)))
STEMS = msgspec.structs.replace(
    VIEW, ask=Stems(f"{OTHER}-0"), result=VOICES, upstreamed=Upstreamed(("up-v", "up-i"), ("up-v", "up-i"))
)


def said(answer: Answer, status: int = 200, content_type: bytes = b"application/json") -> Any:
    sent, headers, body = answer
    assert (sent, dict(headers)[b"content-type"]) == (status, content_type)
    return json.loads(body)


def test_native_submissions() -> None:
    batch = said(native.submitted(VIEW))
    assert (batch["id"], batch["status"], batch["batch_size"]) == (JOB, "complete", 2)
    assert batch["created_at"] == "2023-11-14T22:13:20.000Z"
    assert [clip["id"] for clip in batch["clips"]] == [f"{JOB}-0", f"{JOB}-1"]
    assert batch["metadata"]["gpt_description_prompt"] == "about rain"
    assert batch["clips"][0]["metadata"]["duration"] == 61.5
    whole = said(native.submitted(WHOLE))
    assert (whole["id"], whole["metadata"]["type"], whole["status"]) == (f"{JOB}-0", "concat", "submitted")
    assert said(native.submitted(WORDS)) == {"id": OTHER}


def test_native_clips_have_every_member() -> None:
    clip = said(native.clip(VIEW, f"{JOB}-0"))
    listed = (
        "id video_url audio_url image_url image_large_url is_video_pending major_model_version model_name metadata"
        " is_liked"
        " user_id display_name handle is_handle_updated avatar_image_url is_trashed reaction created_at status title"
        " play_count upvote_count is_public"
    )
    assert set(clip) == set(listed.split())
    inner = (
        "tags negative_tags prompt gpt_description_prompt audio_prompt_id history concat_history type duration"
        " refund_credits stream infill has_vocal error_type error_message"
    )
    assert set(clip["metadata"]) == set(inner.split())
    assert (clip["user_id"], clip["display_name"], clip["handle"]) == ("", "", "")
    with pytest.raises(errors.NotFound):
        native.clip(VIEW, f"{JOB}-2")


def test_native_feeds() -> None:
    bare = said(native.feed([VIEW], [f"{JOB}-1"]), content_type=b"text/plain; charset=utf-8")
    assert [clip["id"] for clip in bare] == [f"{JOB}-1"]
    assert len(said(native.feed([VIEW]), content_type=b"text/plain; charset=utf-8")) == 2
    asked = FeedQuery((f"{JOB}-1", f"{OTHER}-0"))
    page = said(native.feed_v2([VIEW], asked, 40))
    assert ([clip["id"] for clip in page["clips"]], page["num_total_results"]) == ([f"{JOB}-1"], 1)
    page = said(native.feed_v2([VIEW], FeedQuery(page=1), 40))
    assert (len(page["clips"]), page["num_total_results"], page["current_page"]) == (2, 40, 1)


def test_native_lyrics() -> None:
    assert said(native.lyrics(WORDS)) == {"id": OTHER, "text": "la", "title": "Rain", "status": "complete"}
    failed = msgspec.structs.replace(WORDS, stage=Stage.FAILED, result=None, reason="bad words")
    answer = {"id": OTHER, "text": "", "title": "", "status": "error", "error_message": "bad words"}
    assert said(native.lyrics(failed)) == answer


def test_tasks() -> None:
    assert said(task.submitted(VIEW)) == {"code": "success", "message": "", "data": JOB}
    one = said(task.fetched_one(VIEW))["data"]
    assert one["data"][1]["audio_url"] == "https://b"
    del one["data"]
    assert one == {
        "task_id": JOB,
        "notify_hook": "https://client.example/hook",
        "action": "MUSIC",
        "status": "IN_PROGRESS",
        "fail_reason": "",
        "submit_time": 1_700_000_000,
        "start_time": 1_700_000_010,
        "finish_time": 0,
        "progress": "75%",
        "search_item": "about rain",
    }
    words = said(task.fetched_one(WORDS))["data"]
    assert (words["action"], words["status"], words["progress"]) == ("LYRICS", "SUCCESS", "100%")
    assert words["data"] == {"id": OTHER, "status": "complete", "title": "Rain", "text": "la"}
    assert words["finish_time"] == 1_700_000_099
    assert json.loads(task.notice(WORDS)) == words


@pytest.mark.parametrize(
    ("action", "ids"),
    [(None, [JOB, OTHER, JOB]), ("MUSIC", [JOB]), ("LYRICS", [OTHER]), ("CONCAT", [JOB]), ("DANCE", [])],
)
def test_tasks_by_action(action: str | None, ids: list[str]) -> None:
    answer = said(task.fetched([VIEW, WORDS, WHOLE], task.Fetch((), action)))
    assert [item["task_id"] for item in answer["data"]] == ids


def test_failed_tasks() -> None:
    failed = msgspec.structs.replace(VIEW, stage=Stage.FAILED, reason="up-clip failed at 10.0.0.1", finished=5)
    one = said(task.fetched_one(failed))["data"]
    assert (one["status"], one["progress"], one["fail_reason"]) == ("FAILURE", "100%", "up-clip failed at …")
    assert {clip["status"] for clip in one["data"]} == {"error"}
    assert {clip["audio_url"] for clip in one["data"]} == {""}


def test_flat_songs() -> None:
    first, second = said(flat.submitted(VIEW))
    assert first == {
        "id": f"{JOB}-0",
        "title": "",
        "image_url": "",
        "lyric": "a\nb",
        "audio_url": "https://a",
        "video_url": "",
        "created_at": "2023-11-14T22:13:20.000Z",
        "model_name": "m",
        "status": "complete",
        "gpt_description_prompt": "about rain",
        "prompt": "a\n\n  \nb",
        "type": "gen",
        "tags": "pop",
        "negative_tags": "",
        "duration": 61.5,
        "error_message": None,
    }
    assert second["status"] == "streaming"
    assert [clip["id"] for clip in said(flat.songs([VIEW], [f"{JOB}-1"]))] == [f"{JOB}-1"]
    assert len(said(flat.songs([VIEW]))) == 2
    assert said(flat.clip(VIEW, f"{JOB}-1"))["metadata"]["tags"] == "pop"
    assert said(flat.submitted(WHOLE))["metadata"]["type"] == "concat"


def test_waiting_ends_when_all_can_be_heard() -> None:
    assert flat.heard(VIEW)
    assert not flat.heard(msgspec.structs.replace(VIEW, result=None))
    queued = Song((CLIPS[0], Clip("up-b", ClipStatus.QUEUED)))
    assert not flat.heard(msgspec.structs.replace(VIEW, result=queued))
    assert flat.heard(msgspec.structs.replace(VIEW, result=None, stage=Stage.FAILED))


def test_flat_lyrics_and_limits() -> None:
    assert said(flat.lyrics(WORDS)) == {"text": "la", "title": "Rain", "status": "complete"}
    failed = msgspec.structs.replace(WORDS, stage=Stage.FAILED, reason="bad words")
    assert said(flat.lyrics(failed), status=500) == {"error": "bad words"}
    assert said(flat.lyrics(msgspec.structs.replace(failed, reason=None)), status=500)["error"]


def test_what_is_left_is_the_same_in_every_dialect() -> None:
    assert Credits(0.1, 0.2).told()["monthly_limit"] == 0.3
    left = Credits(2.5, 7.75)
    told = {"credits_left": 2.5, "period": "month", "monthly_limit": 10.25, "monthly_usage": 7.75}
    assert said(flat.limit(left)) == said(native.limit(left)) == told
    billing = said(native.billing(left))
    assert (billing["total_credits_left"], billing["monthly_limit"], billing["monthly_usage"]) == (2, 9, 7)
    assert (billing["period"], billing["credits"], billing["is_active"]) == ("month", 2, True)
    assert all(isinstance(value, bool | int | str | None) for value in billing.values()), "no fractions"
    account = said(task.account(left, 1_700_000_000))
    assert (account["code"], account["data"]["msg"]) == ("success", "")
    assert account["data"]["certificate"] == {
        "credits_left": 2,
        "monthly_limit": 9,
        "monthly_usage": 7,
        "period": "month",
        "is_active": True,
        "last_update": 1_700_000_000,
    }


def test_stems() -> None:
    first, second = said(flat.submitted(STEMS))
    assert first == {
        "id": f"{JOB}-0",
        "status": "complete",
        "created_at": "2023-11-14T22:13:20.000Z",
        "title": "La (Vocals)",
        "stem_from_id": f"{OTHER}-0",
        "duration": 61.5,
    }
    assert (second["status"], second["stem_from_id"], second["duration"]) == ("queued", f"{OTHER}-0", None)
    batch = said(native.submitted(STEMS))
    assert [clip["metadata"]["stem_from_id"] for clip in batch["clips"]] == [f"{OTHER}-0"] * 2
    one = said(task.fetched_one(STEMS))["data"]
    assert (one["action"], one["status"], one["search_item"], len(one["data"])) == ("STEMS", "QUEUED", "", 2)
    assert len(said(flat.submitted(msgspec.structs.replace(STEMS, result=None)))) == 2


def test_aligned_words() -> None:
    words = (AlignedWord("[Verse]\nla ", 0, 1.5, p_align=0.9), AlignedWord("la", 1.5, 3, success=False))
    listed = said(flat.aligned(words))
    assert listed == [
        {"word": "[Verse]\nla ", "start_s": 0, "end_s": 1.5, "success": True, "p_align": 0.9},
        {"word": "la", "start_s": 1.5, "end_s": 3, "success": False, "p_align": None},
    ]
    assert said(native.aligned(words)) == {"aligned_words": listed}


@pytest.mark.parametrize(
    ("clips", "status"),
    [
        (("submitted", "submitted"), "SUBMITTED"),
        (("queued", "queued"), "QUEUED"),
        (("streaming", "complete"), "IN_PROGRESS"),
        (("complete", "streaming"), "IN_PROGRESS"),
        (("complete", "queued"), "QUEUED"),
        (("queued", "streaming"), "QUEUED"),
        (("streaming", "queued"), "IN_PROGRESS"),
        (("error", "streaming"), "IN_PROGRESS"),
        (("queued", "error"), "QUEUED"),
    ],
)
def test_a_task_is_as_its_clip_that_is_not_complete(clips: tuple[str, str], status: str) -> None:
    song = Song(tuple(Clip(f"up-{word}-{place}", ClipStatus(word)) for place, word in enumerate(clips)))
    one = said(task.fetched_one(msgspec.structs.replace(VIEW, result=song)))["data"]
    assert one["status"] == status


def test_a_task_with_one_whole_clip_is_a_success_as_it_is_paid() -> None:
    song = Song((Clip("up-a", ClipStatus.ERROR, error_message="no"), CLIPS[0]))
    done = msgspec.structs.replace(VIEW, result=song, stage=Stage.SUCCEEDED, finished=1_700_000_050)
    one = said(task.fetched_one(done))["data"]
    assert (one["status"], one["fail_reason"], one["progress"]) == ("SUCCESS", "", "100%")
    assert [clip["status"] for clip in one["data"]] == ["error", "complete"]


def test_a_task_that_was_never_seen_to_run_began_when_it_was_submitted() -> None:
    def times(**members: object) -> tuple[int, int]:
        one = said(task.fetched_one(msgspec.structs.replace(VIEW, started=None, **members)))["data"]
        return one["start_time"], one["finish_time"]

    assert times(stage=Stage.SUCCEEDED, finished=1_700_000_050) == (1_700_000_000, 1_700_000_050)
    assert times(stage=Stage.FAILED, finished=1_700_000_050) == (0, 1_700_000_050)
    assert times(stage=Stage.QUEUED) == (0, 0)


@pytest.mark.parametrize(
    ("refusal", "codes", "statuses"),
    [
        (errors.InvalidRequest("m", param="mv", code="invalid_type"), "invalid_request", (400, 400, 400)),
        (errors.Unauthenticated("m"), "invalid_request", (401, 401, 401)),
        (errors.Forbidden("m"), "invalid_request", (403, 403, 403)),
        (errors.NotFound("m", code="clip_not_found"), "invalid_request", (404, 404, 404)),
        (errors.InsufficientQuota("m"), "invalid_request", (402, 429, 402)),
        (errors.RateLimited("m", retry_after=1.5), "invalid_request", (429, 429, 429)),
        (errors.InternalFault("m"), "internal_error", (500, 500, 500)),
        (errors.UpstreamBroken("m"), "internal_error", (502, 502, 502)),
        (errors.Overloaded("m"), "internal_error", (503, 503, 503)),
    ],
)
def test_refusals(refusal: errors.Refusal, codes: str, statuses: tuple[int, int, int]) -> None:
    sent = native.refuse(refusal), task.refuse(refusal), flat.refuse(refusal)
    bodies = [said(answer, status) for answer, status in zip(sent, statuses, strict=True)]
    assert bodies == [{"detail": "m"}, {"code": codes, "message": "m", "data": None}, {"error": "m"}]
    for _, headers, _ in sent:
        assert ((b"x-should-retry", b"false") in headers) is refusal.final
        assert ((b"retry-after", b"2") in headers) is (refusal.retry_after is not None)
