import json
from typing import Any

import pytest

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import MusicAsk
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.wire.dialect import Asked, Declined, Dialect, Garbled, Unsupported
from polyrelay.wire.videos.aitoearn.upstream import AiToEarnVideos
from polyrelay.wire.videos.openai.upstream import OpenAIVideos
from support import videos

OPENAI, AITOEARN = OpenAIVideos(), AiToEarnVideos()
CAT = VideoAsk("mine", "a cat")
ASKED = Asked(CAT, Upstreamed(("up-1",)))


def sent(dialect: Dialect, ask: Ask) -> dict[str, Any]:
    message = dialect.submit(ask, "sora-2")
    assert message.method == "POST"
    body: dict[str, Any] = json.loads(message.body)
    return body


@pytest.mark.parametrize(
    ("ask", "openai", "aitoearn"),
    [
        (CAT, {}, {}),
        (
            VideoAsk("m", "a cat", 8, "1280x720", images=("https://a",), extra={"x": 1}),
            {"seconds": "8", "size": "1280x720", "input_reference": {"image_url": "https://a"}, "x": 1},
            {"duration": 8, "size": "1280x720", "image": "https://a", "x": 1},
        ),
        (
            VideoAsk("m", "a cat", resolution="720p", ratio="9:16"),
            {"size": "720x1280"},
            {"resolution": "720p", "ratio": "9:16"},
        ),
        (VideoAsk("m", "a cat", resolution="HD"), {"size": "HD"}, {"resolution": "HD"}),
        (VideoAsk("m", "a cat", extra={"Duration": 60, "resolution": "8k", "Seconds": "60"}), {}, {}),
    ],
)
def test_submissions(ask: VideoAsk, openai: dict[str, Any], aitoearn: dict[str, Any]) -> None:
    common = {"model": "sora-2", "prompt": "a cat"}
    assert sent(OPENAI, ask) == {**common, **openai}
    assert sent(AITOEARN, ask) == {**common, **aitoearn}


def test_no_upstream_is_told_whom_to_call() -> None:
    ask = VideoAsk("m", "a cat", extra={"callback_url": "https://x", "fps": 30})
    for dialect in (OPENAI, AITOEARN):
        body = sent(dialect, ask)
        assert body["fps"] == 30
        assert "callback_url" not in body


def test_several_pictures() -> None:
    ask = VideoAsk("m", "a cat", images=("https://a", "https://b"))
    assert sent(AITOEARN, ask)["images"] == ["https://a", "https://b"]
    with pytest.raises(Unsupported):
        OPENAI.submit(ask, "m")


def test_remixes() -> None:
    ask = VideoAsk("m", "a dog", remix_of="up/1", extra={"x": 1, "model": "other"})
    message = OPENAI.submit(ask, "m")
    assert message.path == "/videos/up%2F1/remix"
    assert json.loads(message.body) == {"prompt": "a dog", "x": 1}
    with pytest.raises(Unsupported):
        AITOEARN.submit(ask, "m")
    for dialect in (OPENAI, AITOEARN):
        with pytest.raises(Unsupported):
            dialect.submit(MusicAsk("m"), "m")


def test_paths() -> None:
    assert OPENAI.submit(CAT, "m").path == "/videos"
    assert OPENAI.poll([ASKED]).path == "/videos/up-1"
    assert AITOEARN.submit(CAT, "m").path == "/api/ai/video/generations"
    assert AITOEARN.poll([ASKED]).path == "/api/ai/video/generations/up-1"
    content = OPENAI.content(ASKED.upstreamed, "thumbnail")
    assert (content.method, content.path) == ("GET", "/videos/up-1/content?variant=thumbnail")
    gone = OPENAI.delete(ASKED.upstreamed)
    assert (gone.method, gone.path) == ("DELETE", "/videos/up-1")
    assert OPENAI.most_polled(CAT) == AITOEARN.most_polled(CAT) == 1


def test_acceptance() -> None:
    names, seen = OPENAI.accepted(CAT, 200, videos.video("openai", "up-1", "queued"))
    assert (names, seen) == (Upstreamed(("up-1",)), Snapshot(Stage.QUEUED, 40))
    names, seen = AITOEARN.accepted(CAT, 201, b'{"data":{"id":"up-1","status":"SUBMITTED"},"code":0}')
    assert (names, seen) == (Upstreamed(("up-1",)), Snapshot(Stage.SUBMITTED))
    assert OPENAI.accepted(CAT, 200, b'{"id":"up-1","status":"?"}')[1] == Snapshot(Stage.SUBMITTED)
    assert AITOEARN.accepted(CAT, 200, b'{"id":"up-1"}')[0].ids == ("up-1",)


@pytest.mark.parametrize(
    ("word", "stage"),
    [
        ("NOT_START", Stage.SUBMITTED),
        ("SUBMITTED", Stage.SUBMITTED),
        ("QUEUED", Stage.QUEUED),
        ("InProgress", Stage.RUNNING),
        ("IN_PROGRESS", Stage.RUNNING),
        ("FAILURE", Stage.FAILED),
        ("failed", Stage.FAILED),
        ("error", Stage.FAILED),
        ("SUCCESS", Stage.SUCCEEDED),
        ("success", Stage.SUCCEEDED),
        ("succeeded", Stage.SUCCEEDED),
        ("completed", Stage.SUCCEEDED),
        ("succeed", Stage.SUCCEEDED),
        ("UNKNOWN", None),
        ("", None),
    ],
)
def test_words_of_aitoearn(word: str, stage: Stage | None) -> None:
    task = {"id": "up-1", "status": word, "videoUrl": "https://v"}
    for body in ({"data": task, "code": 0, "message": ""}, {"data": task}, task):
        (seen,) = AITOEARN.polled([ASKED], 200, json.dumps(body).encode())
        assert (None if seen is None else seen.stage) is stage


def test_what_was_made() -> None:
    (seen,) = OPENAI.polled(
        [ASKED], 200, videos.video("openai", "up-1", "done", url="https://v", thumbnail_url="https://c")
    )
    video = Video("https://v", "https://c", 8, "1280x720", 1_759_000_000)
    assert seen == Snapshot(Stage.SUCCEEDED, 100, video, usage=Usage(seconds=8, tasks=1))
    (seen,) = OPENAI.polled([ASKED], 200, b'{"status":"completed","metadata":{"url":"https://v"},"fps":24}')
    assert seen == Snapshot(
        Stage.SUCCEEDED, 100, Video("https://v", extra={"metadata": {"url": "https://v"}, "fps": 24})
    )
    (seen,) = AITOEARN.polled([ASKED], 200, videos.video("aitoearn", "up-1", "done", url="https://v", mediaId="m"))
    assert seen == Snapshot(Stage.SUCCEEDED, 100, Video("https://v", extra={"mediaId": "m"}))
    assert AITOEARN.polled([ASKED], 200, videos.video("aitoearn", "up-1", "done")) == [None]


def test_failures() -> None:
    both: tuple[tuple[Dialect, videos.Dialect], ...] = ((OPENAI, "openai"), (AITOEARN, "aitoearn"))
    for dialect, name in both:
        (seen,) = dialect.polled([ASKED], 200, videos.video(name, "up-1", "failed", why="blocked"))
        assert seen is not None
        assert (seen.stage, seen.reason) == (Stage.FAILED, "blocked")


@pytest.mark.parametrize(
    ("dialect", "status", "body", "words", "amounts"),
    [
        (OPENAI, 400, {"error": {"message": "bad size", "code": "x"}}, "bad size", 400),
        (OPENAI, 429, {"error": {"message": "slow down"}}, "slow down", 429),
        (AITOEARN, 200, {"data": {}, "code": 10002, "message": "prompt"}, "prompt", 400),
        (AITOEARN, 200, {"data": {}, "code": 12001, "message": "poor"}, "poor", 402),
        (AITOEARN, 200, {"data": {}, "code": 12300, "message": "what"}, "what", 404),
        (AITOEARN, 200, {"data": {}, "code": 12301, "message": "no"}, "no", 502),
        (AITOEARN, 200, {"data": {}, "code": 19000, "message": "key"}, "key", 401),
        (AITOEARN, 200, {"data": {}, "code": 19001, "message": "away"}, "away", 503),
        (AITOEARN, 200, {"data": {}, "code": 401, "message": "who"}, "who", 401),
        (AITOEARN, 200, {"data": {}, "code": 99999, "message": ""}, "code 99999", 502),
        (AITOEARN, 200, {"data": {}, "code": "odd"}, "code -1", 502),
        (AITOEARN, 500, {}, "status 500", 500),
    ],
)
def test_refusals(dialect: Dialect, status: int, body: dict[str, Any], words: str, amounts: int) -> None:
    for call in (lambda *answer: dialect.accepted(CAT, *answer), lambda *answer: dialect.polled([ASKED], *answer)):
        with pytest.raises(Declined) as caught:
            call(status, json.dumps(body).encode())
        assert (str(caught.value), caught.value.status) == (words, amounts)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"{}", b'{"status":"queued"}', b'{"data":[]}'])
def test_garbled_acceptance(body: bytes) -> None:
    for dialect in (OPENAI, AITOEARN):
        with pytest.raises(Garbled):
            dialect.accepted(CAT, 200, body)
