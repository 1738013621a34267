import json
from typing import Any

import pytest

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, ClipStatus, Concat, Lyrics, LyricsAsk, MusicAsk, Song, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.wire.dialect import Asked, Declined, Garbled, Unsupported
from polyrelay.wire.suno.native.upstream import BATCH, Native
from support import suno

NATIVE = Native()
SONG = MusicAsk("ours", tags="pop", title="T")


def sent(ask: Ask) -> tuple[str, dict[str, Any]]:
    message = NATIVE.submit(ask, "chirp-crow")
    assert message.method == "POST"
    return message.path, json.loads(message.body)


def test_songs() -> None:
    plain = {"prompt": "", "tags": "pop", "mv": "chirp-crow", "title": "T", "make_instrumental": False}
    assert sent(SONG) == ("/api/generate/v2/", {**plain, "generation_type": "TEXT"})
    described = MusicAsk("ours", description="d", instrumental=True, negative_tags="n", extra={"token": None, "x": 1})
    assert sent(described)[1] == {
        "prompt": "",
        "tags": "",
        "mv": "chirp-crow",
        "title": "",
        "make_instrumental": True,
        "gpt_description_prompt": "d",
        "negative_tags": "n",
        "generation_type": "TEXT",
        "token": None,
        "x": 1,
    }


def test_extensions() -> None:
    body = sent(MusicAsk("ours", prompt="la", continue_clip="up-1", continue_at=30.5, continue_job="t"))[1]
    assert (body["continue_clip_id"], body["continue_at"], body["task"]) == ("up-1", 30.5, "extend")
    body = sent(MusicAsk("ours", continue_clip="up-1", task="upload_extend"))[1]
    assert (body["continue_at"], body["task"]) == (None, "upload_extend")


def test_the_rest() -> None:
    assert sent(Concat("up-1", infill=True, extra={"x": 1})) == (
        "/api/generate/concat/v2/",
        {"clip_id": "up-1", "is_infill": True, "x": 1},
    )
    assert sent(Stems("up/1", {"x": 1, "audio_id": "other"})) == ("/api/edit/stems/up%2F1", {"x": 1})
    assert sent(LyricsAsk("rain")) == ("/api/generate/lyrics/", {"prompt": "rain"})
    with pytest.raises(Unsupported):
        NATIVE.submit(VideoAsk("m", "p"), "m")


@pytest.mark.parametrize(
    "stray", ["MV", "model", "Prompt", "audio_id", "notify_hook", "clip_id", "Make_Instrumental", "callBackUrl"]
)
def test_strays_cannot_say_something_else(stray: str) -> None:
    body = sent(MusicAsk("ours", prompt="la", extra={stray: "other"}))[1]
    assert stray not in body
    assert "other" not in body.values()


def test_polls() -> None:
    jobs = [Asked(SONG, Upstreamed(("a", "b"))), Asked(SONG, Upstreamed(("c/d", "e,f")))]
    assert NATIVE.poll(jobs).path == "/api/feed/?ids=a,b,c%2Fd,e%2Cf"
    assert NATIVE.poll([Asked(LyricsAsk("p"), Upstreamed(("l 1",)))]).path == "/api/generate/lyrics/l%201"
    assert NATIVE.most_polled(SONG) == BATCH
    assert NATIVE.most_polled(LyricsAsk("p")) == NATIVE.most_polled(Stems("s")) == 1


def test_acceptance() -> None:
    names, seen = NATIVE.accepted(SONG, 200, suno.accepted("native", [suno.clip("a"), suno.clip("b")]))
    assert names == Upstreamed(("a", "b"), ("a", "b"))
    assert (seen.stage, seen.clips) == (Stage.SUBMITTED, ("a", "b"))
    names, seen = NATIVE.accepted(Concat("x"), 200, json.dumps(suno.clip("c", "complete")).encode())
    assert (names.ids, seen.stage) == (("c",), Stage.SUCCEEDED)
    assert NATIVE.accepted(LyricsAsk("p"), 200, b'{"id":"l"}') == (Upstreamed(("l",)), Snapshot(Stage.SUBMITTED))


def test_stems_are_clips_of_the_feed() -> None:
    body = json.dumps({"clips": [suno.clip("v", metadata={"stem_from_id": "s"}), suno.clip("i")]}).encode()
    names, seen = NATIVE.accepted(Stems("s"), 200, body)
    assert (names, seen.stage) == (Upstreamed(("v", "i"), ("v", "i")), Stage.SUBMITTED)
    assert NATIVE.poll([Asked(Stems("s"), names)]).path == "/api/feed/?ids=v,i"
    for body in (b"{}", b'{"clips":[]}', b'{"clips":5}', b"[]", b"5"):
        with pytest.raises(Garbled):
            NATIVE.accepted(Stems("s"), 200, body)


def test_aligned_words() -> None:
    assert NATIVE.alignment("up-1").path == "/api/gen/up-1/aligned_lyrics/v2/"
    body = b'{"aligned_words":[{"word":"la ","start_s":0.5,"end_s":1,"success":true,"p_align":0.75}],"hoot_cer":0.1}'
    assert NATIVE.aligned(200, body) == (AlignedWord("la ", 0.5, 1.0, success=True, p_align=0.75),)
    for body in (b"{}", b"[]", b'{"aligned_words":{}}', b"x"):
        with pytest.raises(Garbled):
            NATIVE.aligned(200, body)
    with pytest.raises(Declined):
        NATIVE.aligned(404, b'{"detail":"no"}')


@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (SONG, b'{"id":"batch","status":"complete"}'),
        (SONG, b'{"clips":[]}'),
        (SONG, b"[]"),
        (SONG, b'"ok"'),
        (Concat("c"), b"{}"),
        (LyricsAsk("p"), b'{"text":"x"}'),
        (LyricsAsk("p"), b"[]"),
    ],
)
def test_garbled_acceptance(ask: Ask, body: bytes) -> None:
    with pytest.raises(Garbled):
        NATIVE.accepted(ask, 200, body)


def test_refusals_keep_their_status_and_words() -> None:
    for call in (lambda *answer: NATIVE.accepted(SONG, *answer), lambda *answer: NATIVE.polled([ASKED], *answer)):
        with pytest.raises(Declined) as caught:
            call(402, b'{"detail":"Insufficient credits."}')
        assert (caught.value.status, str(caught.value)) == (402, "Insufficient credits.")


ASKED = Asked(SONG, Upstreamed(("a", "b"), ("a", "b")))


def test_a_feed_is_told_apart_by_job() -> None:
    other, gone = Asked(SONG, Upstreamed(("c", "d"))), Asked(SONG, Upstreamed(("e",)))
    feed = [suno.clip("d", "complete"), suno.clip("b", "streaming"), suno.clip("c", "complete"), suno.clip("z")]
    first, second, third = NATIVE.polled([ASKED, other, gone], 200, json.dumps(feed).encode())
    assert first is not None
    assert second is not None
    assert third is None
    assert isinstance(first.result, Song)
    assert [clip.id for clip in first.result.clips] == ["a", "b"]
    assert [clip.status for clip in first.result.clips] == [ClipStatus.SUBMITTED, ClipStatus.STREAMING]
    assert (first.stage, second.stage) == (Stage.RUNNING, Stage.SUCCEEDED)
    assert second.clips == ("c", "d")


def test_a_feed_in_its_second_version() -> None:
    body = json.dumps({"clips": [suno.clip("a", "error"), suno.clip("b", "error")]}).encode()
    (seen,) = NATIVE.polled([ASKED], 200, body)
    assert seen is not None
    assert seen.stage is Stage.FAILED


@pytest.mark.parametrize("body", [b'{"id":"a"}', b'"x"', b"5", b'{"clips":5}'])
def test_a_feed_that_is_none(body: bytes) -> None:
    with pytest.raises(Garbled):
        NATIVE.polled([ASKED], 200, body)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'{"text":"la","title":"T","status":"complete"}', Snapshot(Stage.SUCCEEDED, 100, Lyrics("la", "T"))),
        (b'{"text":"la"}', Snapshot(Stage.SUCCEEDED, 100, Lyrics("la"))),
        (b'{"text":"","status":"complete"}', None),
        (b'{"text":"la","status":"streaming"}', Snapshot(Stage.RUNNING)),
        (b'{"status":"queued"}', Snapshot(Stage.QUEUED)),
        (b"{}", Snapshot(Stage.RUNNING)),
        (b'{"status":"error","error_message":"bad words"}', Snapshot(Stage.FAILED, 100, reason="bad words")),
        (b'{"status":"error"}', Snapshot(Stage.FAILED, 100)),
    ],
)
def test_lyrics(body: bytes, seen: Snapshot | None) -> None:
    assert NATIVE.polled([Asked(LyricsAsk("p"), Upstreamed(("l",)))], 200, body) == [seen]
