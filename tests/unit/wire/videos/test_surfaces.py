"""What each surface's clients are answered, and how they are refused."""

import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.kernel import errors
from polyrelay.wire.answers import Answer
from polyrelay.wire.videos.aitoearn import surface as aitoearn
from polyrelay.wire.videos.openai import surface as openai
from polyrelay.wire.videos.view import VideoView

JOB = "px_" + "0a" * 14
OTHER = "px_" + "0b" * 14
UPSTREAM = "video_68d7b2f4a1c0819087654321"
MADE = Video("https://cdn/v.mp4", "https://cdn/c.jpg", 8, "1280x720", 1_800_000_000, {"fps": 24, "task_id": UPSTREAM})
VIEW = VideoView(
    job_id=JOB,
    ask=VideoAsk("mine", "a cat", 8, "1280x720", images=("https://a",), extra={"groupId": "g"}),
    model="mine",
    stage=Stage.SUCCEEDED,
    created=1_700_000_000,
    started=1_700_000_010,
    finished=1_700_000_099,
    progress=100,
    upstreamed=Upstreamed((UPSTREAM,)),
    result=MADE,
)


def changed(**members: Any) -> VideoView:
    return msgspec.structs.replace(VIEW, **members)


def said(answer: Answer, status: int = 200) -> Any:
    sent, headers, body = answer
    assert (sent, dict(headers)[b"content-type"]) == (status, b"application/json")
    return json.loads(body)


def test_an_openai_video() -> None:
    assert said(openai.one(VIEW)) == {
        "id": f"video_{JOB}",
        "object": "video",
        "model": "mine",
        "status": "completed",
        "progress": 100,
        "created_at": 1_700_000_000,
        "completed_at": 1_700_000_099,
        "expires_at": 1_800_000_000,
        "prompt": "a cat",
        "size": "1280x720",
        "seconds": "8",
        "remixed_from_video_id": None,
        "error": None,
        "fps": 24,
        "task_id": JOB,
        "url": "https://cdn/v.mp4",
    }
    assert json.loads(openai.notice(VIEW)) == said(openai.one(VIEW))


@pytest.mark.parametrize(
    ("stage", "openai_word", "aitoearn_word"),
    [
        (Stage.SUBMITTED, "queued", "SUBMITTED"),
        (Stage.QUEUED, "queued", "QUEUED"),
        (Stage.RUNNING, "in_progress", "InProgress"),
        (Stage.SUCCEEDED, "completed", "SUCCESS"),
        (Stage.FAILED, "failed", "FAILURE"),
    ],
)
def test_words_and_what_is_shown_before_and_after_the_end(stage: Stage, openai_word: str, aitoearn_word: str) -> None:
    view = changed(stage=stage, progress=40)
    video, task = said(openai.one(view)), said(aitoearn.one(view))["data"]
    assert (video["status"], task["status"]) == (openai_word, aitoearn_word)
    assert video["progress"] == (100 if stage is Stage.SUCCEEDED else 40)
    shown = stage is Stage.SUCCEEDED
    assert ("url" in video) is ("videoUrl" in task) is ("coverUrl" in task) is shown
    assert (video["completed_at"] is not None) is shown
    assert (video["error"] is not None) is ("error" in task) is (stage is Stage.FAILED)


def test_failures_are_cleaned() -> None:
    view = changed(stage=Stage.FAILED, reason=f"{UPSTREAM} was blocked by https://upstream.example/moderation")
    assert said(openai.one(view))["error"] == {"code": openai.FAILED, "message": "… was blocked by …"}
    assert said(aitoearn.one(view))["data"]["error"] == {"message": "… was blocked by …"}
    for told in (said(openai.one(changed(stage=Stage.FAILED)))["error"]["message"],):
        assert told


def test_the_relay_may_hand_it_out_itself() -> None:
    view = changed(content_url="https://relay/files/1", expires=1_700_009_999)
    assert said(openai.one(view))["url"] == said(aitoearn.one(view))["data"]["videoUrl"] == "https://relay/files/1"
    assert said(openai.one(view))["expires_at"] == 1_700_009_999
    kept = changed(result=Video(seconds=8))
    assert "url" not in said(openai.one(kept))
    assert "videoUrl" not in said(aitoearn.one(kept))["data"]


def test_remixes_and_lists() -> None:
    remix = changed(ask=VideoAsk("mine", "a dog", remix_of=OTHER), result=None, stage=Stage.QUEUED)
    assert said(openai.one(remix))["remixed_from_video_id"] == f"video_{OTHER}"
    assert said(openai.one(remix))["seconds"] is None
    page = said(openai.listed([VIEW, remix], more=True))
    assert (page["object"], page["has_more"], len(page["data"])) == ("list", True, 2)
    assert page["first_id"] == page["data"][0]["id"]
    assert said(openai.listed([], more=False))["first_id"] is None
    assert said(openai.deleted(JOB)) == {"id": f"video_{JOB}", "object": "video.deleted", "deleted": True}


def test_an_aitoearn_task() -> None:
    answer = said(aitoearn.one(VIEW, "req-1"))
    assert (answer["code"], answer["message"], answer["requestId"]) == (0, "请求成功", "req-1")
    assert answer["data"] == {
        "id": JOB,
        "model": "mine",
        "status": "SUCCESS",
        "input": {"prompt": "a cat", "image": "https://a", "duration": 8, "resolution": "1280x720", "groupId": "g"},
        "videoUrl": "https://cdn/v.mp4",
        "coverUrl": "https://cdn/c.jpg",
        "groupId": "g",
        "submittedAt": "2023-11-14T22:13:20.000Z",
        "startedAt": "2023-11-14T22:13:30.000Z",
        "finishedAt": "2023-11-14T22:14:59.000Z",
    }
    assert json.loads(aitoearn.notice(VIEW)) == answer["data"]
    assert said(aitoearn.submitted(changed(stage=Stage.SUBMITTED)))["data"] == {"id": JOB, "status": "SUBMITTED"}


def test_an_aitoearn_input_holds_no_media() -> None:
    held = "data:image/png;base64," + "A" * 100_000
    extra = {"videos": [held, "https://v"], "watermark": True}
    view = changed(ask=VideoAsk("m", "p", images=(held, "https://b"), resolution="720p", ratio="1:1", extra=extra))
    shown = said(aitoearn.one(view))["data"]["input"]
    assert len(json.dumps(shown)) < 1_000
    assert shown["images"][1] == "https://b"
    assert shown["videos"][1] == "https://v"
    assert (shown["resolution"], shown["aspectRatio"], shown["watermark"]) == ("720p", "1:1", True)


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (10, 1), (11, 2)])
def test_aitoearn_pages(total: int, pages: int) -> None:
    data = said(aitoearn.listed([VIEW], aitoearn.Page(1, 10), total))["data"]
    assert (data["page"], data["pageSize"], data["total"], data["totalPages"]) == (1, 10, total, pages)
    assert data["list"][0]["id"] == JOB


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (errors.InvalidRequest("m", param="prompt"), 10002),
        (errors.Unauthenticated("m"), 19000),
        (errors.InsufficientQuota("m"), 12001),
        (errors.NotPriced("m"), 12300),
        (errors.NotFound("m", code="model_not_found"), 12300),
        (errors.Forbidden("m", code="model_not_allowed"), 12300),
        (errors.Forbidden("m"), 403),
        (errors.NotFound("m"), 12302),
        (errors.MethodNotAllowed("m"), 405),
        (errors.BodyTooLarge("m"), 413),
        (errors.RateLimited("m", retry_after=3), 429),
        (errors.FundsInFlight("m"), 429),
        (errors.InternalFault("m"), 500),
        (errors.Overloaded("m"), 19001),
        (errors.Draining("m"), 19001),
        (errors.BooksAway("m"), 19001),
        (errors.UpstreamBroken("m"), 12301),
        (errors.UpstreamBusy("m"), 12301),
        (errors.UpstreamSlow("m"), 12301),
    ],
)
def test_aitoearn_refusals_come_under_200(refusal: errors.Refusal, code: int) -> None:
    answer = aitoearn.refuse(refusal, 1_700_000_000_123, "req-1")
    told = {"data": {}, "code": code, "message": "m", "timestamp": 1_700_000_000_123, "requestId": "req-1"}
    assert said(answer) == told
    assert ((b"x-should-retry", b"false") in answer[1]) is refusal.final
    assert "requestId" not in said(aitoearn.refuse(refusal, 0))


def test_openai_refusals() -> None:
    refusal = errors.InvalidRequest("m", param="seconds", code="invalid_value")
    error = {"message": "m", "type": "invalid_request_error", "param": "seconds", "code": "invalid_value"}
    assert said(openai.refuse(refusal), 400) == {"error": error}
