import json
from typing import Any

import pytest

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import ClipStatus, Concat, Lyrics, LyricsAsk, MusicAsk, Song
from polyrelay.exchange.video import VideoAsk
from polyrelay.wire.dialect import Asked, Declined, Garbled, Unsupported
from polyrelay.wire.suno.task.upstream import BATCH, Task
from support import suno

TASK = Task()
SONG = MusicAsk("ours", prompt="la", tags="pop", title="T")
ASKED = Asked(SONG, Upstreamed(("t1",)))


def sent(ask: Ask) -> tuple[str, dict[str, Any]]:
    message = TASK.submit(ask, "chirp-auk")
    assert message.method == "POST"
    return message.path, json.loads(message.body)


def told(task: dict[str, Any], asked: Asked = ASKED) -> Snapshot | None:
    body = json.dumps({"code": "success", "message": "", "data": [{"task_id": "t1", **task}]}).encode()
    (seen,) = TASK.polled([asked], 200, body)
    return seen


def test_submissions() -> None:
    plain = {"prompt": "la", "mv": "chirp-auk", "title": "T", "tags": "pop", "make_instrumental": False}
    assert sent(SONG) == ("/suno/submit/music", plain)
    more = MusicAsk(
        "ours", description="d", negative_tags="n", task="cover", extra={"cover_clip_id": "up", "task_id": 1}
    )
    body = sent(more)[1]
    assert body["gpt_description_prompt"] == "d"
    assert (body["negative_tags"], body["task"], body["cover_clip_id"]) == ("n", "cover", "up")
    assert "task_id" not in body
    extended = sent(MusicAsk("ours", continue_clip="up-1", continue_at=12, continue_job="t0"))[1]
    assert (extended["continue_clip_id"], extended["continue_at"]) == ("up-1", 12)
    assert (extended["task_id"], extended["task"]) == ("t0", "extend")
    assert sent(Concat("up-1")) == ("/suno/submit/concat", {"clip_id": "up-1", "is_infill": False})
    assert sent(LyricsAsk("rain", {"x": 1})) == ("/suno/submit/lyrics", {"prompt": "rain", "x": 1})
    assert TASK.submit(LyricsAsk("rain"), "").slow
    assert not TASK.submit(SONG, "").slow
    with pytest.raises(Unsupported):
        TASK.submit(VideoAsk("m", "p"), "m")


def test_polls_ask_for_all_at_once() -> None:
    message = TASK.poll([ASKED, Asked(SONG, Upstreamed(("t2",), ("a", "b")))])
    assert (message.method, message.path) == ("POST", "/suno/fetch")
    assert json.loads(message.body) == {"ids": ["t1", "t2"]}
    assert TASK.most_polled(SONG) == TASK.most_polled(LyricsAsk("p")) == BATCH


@pytest.mark.parametrize("data", ['"t1"', '{"task_id":"t1"}', '{"id":"t1"}'])
@pytest.mark.parametrize("code", ['"success"', "200", "0", '"200"', "null"])
def test_acceptance(data: str, code: str) -> None:
    body = f'{{"code":{code},"message":"","data":{data}}}'.encode()
    assert TASK.accepted(SONG, 200, body) == (Upstreamed(("t1",)), Snapshot(Stage.SUBMITTED))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"code":"success"}', b'{"code":"success","data":""}', b'{"data":[]}'])
def test_garbled_acceptance(body: bytes) -> None:
    with pytest.raises(Garbled):
        TASK.accepted(SONG, 200, body)


@pytest.mark.parametrize(
    ("status", "body", "words", "amounts"),
    [
        (400, {"code": "invalid_request", "message": "prompt is empty", "data": None}, "prompt is empty", 400),
        (200, {"code": "invalid_request", "message": "prompt is empty", "data": None}, "prompt is empty", 400),
        (200, {"code": "internal_error", "message": "oops", "data": None}, "oops", 502),
        (200, {"code": 429, "message": "slow down"}, "slow down", 429),
        (200, {"code": 503, "data": None}, "code 503", 503),
        (200, {"error": {"message": "no quota", "code": "insufficient_user_quota"}}, "no quota", 502),
        (403, {"error": {"message": "no quota"}}, "no quota", 403),
        (500, {}, "status 500", 500),
    ],
)
def test_refusals(status: int, body: dict[str, Any], words: str, amounts: int) -> None:
    with pytest.raises(Declined) as caught:
        TASK.accepted(SONG, status, json.dumps(body).encode())
    assert (str(caught.value), caught.value.status) == (words, amounts)


@pytest.mark.parametrize(
    ("status", "progress", "stage", "percent"),
    [
        ("NOT_START", "0%", Stage.SUBMITTED, 0),
        ("SUBMITTED", None, Stage.SUBMITTED, 0),
        ("QUEUED", None, Stage.QUEUED, 10),
        ("IN_PROGRESS", "70%", Stage.RUNNING, 70),
        ("in_progress", 33, Stage.RUNNING, 33),
    ],
)
def test_tasks_without_clips(status: str, progress: Any, stage: Stage, percent: int) -> None:
    assert told({"status": status, "progress": progress, "data": None}) == Snapshot(stage, percent)


def test_words_that_say_nothing() -> None:
    assert told({"status": "UNKNOWN"}) is None
    assert told({"status": None}) is None
    assert told({"status": "SUCCESS", "data": None}) is None
    assert told({"status": "SUCCESS", "data": []}) is None
    assert told({"task_id": "t2", "status": "SUCCESS"}) is None
    assert TASK.polled([ASKED], 200, b'{"code":"success","data":null}') == [None]
    with pytest.raises(Garbled):
        TASK.polled([ASKED], 200, b'{"code":"success","data":"t1"}')


def test_clips_tell_more_than_the_task() -> None:
    seen = told(
        {"status": "IN_PROGRESS", "progress": "60%", "data": [suno.clip("a", "complete"), suno.clip("b", "streaming")]}
    )
    assert seen is not None
    assert (seen.stage, seen.progress, seen.clips) == (Stage.RUNNING, 60, ("a", "b"))
    seen = told({"status": "SUCCESS", "data": [suno.clip("a", "complete"), suno.clip("b", "complete")]})
    assert seen is not None
    assert (seen.stage, seen.progress) == (Stage.SUCCEEDED, 100)


def test_numbers_stay_though_the_order_changes() -> None:
    asked = Asked(SONG, Upstreamed(("t1",), ("a", "b")))
    seen = told({"status": "SUCCESS", "data": [suno.clip("b", "complete"), suno.clip("a", "complete")]}, asked)
    assert seen is not None
    assert seen.clips == ("a", "b")


def test_an_end_is_an_end_for_every_clip() -> None:
    asked = Asked(SONG, Upstreamed(("t1",), ("a", "b")))
    seen = told({"status": "SUCCESS", "data": [suno.clip("a", "streaming")]}, asked)
    assert seen is not None
    assert isinstance(seen.result, Song)
    assert seen.stage is Stage.SUCCEEDED
    assert [clip.status for clip in seen.result.clips] == [ClipStatus.COMPLETE, ClipStatus.ERROR]


def test_failures() -> None:
    seen = told({"status": "FAILURE", "fail_reason": "flagged", "data": None})
    assert seen == Snapshot(Stage.FAILED, 100, reason="flagged")
    seen = told({"status": "FAILURE", "fail_reason": "", "data": [suno.clip("a", "error", {"error_message": "why"})]})
    assert seen is not None
    assert (seen.stage, seen.reason) == (Stage.FAILED, "why")
    half = told(
        {"status": "FAILURE", "fail_reason": "x", "data": [suno.clip("a", "complete"), suno.clip("b", "error")]}
    )
    assert half is not None
    assert half.stage is Stage.SUCCEEDED


def test_a_concatenation_comes_as_one_clip_or_a_list() -> None:
    asked = Asked(Concat("c"), Upstreamed(("t1",)))
    for data in (suno.clip("a", "complete"), [suno.clip("a", "complete")], {"clips": [suno.clip("a", "complete")]}):
        seen = told({"status": "SUCCESS", "data": data}, asked)
        assert seen is not None
        assert (seen.stage, seen.clips) == (Stage.SUCCEEDED, ("a",))


@pytest.mark.parametrize(
    ("task", "seen"),
    [
        (
            {"status": "SUCCESS", "data": {"id": "l", "text": "la", "title": "T", "status": "complete"}},
            Snapshot(Stage.SUCCEEDED, 100, Lyrics("la", "T")),
        ),
        ({"status": "SUCCESS", "data": [{"text": "la"}]}, Snapshot(Stage.SUCCEEDED, 100, Lyrics("la"))),
        ({"status": "SUCCESS", "data": {"text": ""}}, None),
        ({"status": "IN_PROGRESS", "data": None}, Snapshot(Stage.RUNNING, 50)),
        ({"status": "FAILURE", "fail_reason": "bad"}, Snapshot(Stage.FAILED, 100, reason="bad")),
        ({"status": "FAILURE", "data": {"error_message": "bad"}}, Snapshot(Stage.FAILED, 100, reason="bad")),
        ({"status": "?"}, None),
    ],
)
def test_lyrics(task: dict[str, Any], seen: Snapshot | None) -> None:
    assert told(task, Asked(LyricsAsk("p"), Upstreamed(("t1",)))) == seen


def test_one_task_by_itself() -> None:
    body = json.dumps({"code": "success", "data": suno.task([suno.clip("a")], name="t1")}).encode()
    (seen,) = TASK.polled([ASKED], 200, body)
    assert seen is not None
    assert seen.stage is Stage.SUBMITTED
