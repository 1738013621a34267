import json
from typing import Any

import pytest

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, Concat, Lyrics, LyricsAsk, MusicAsk, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.wire.dialect import Asked, Declined, Garbled, Unsupported
from polyrelay.wire.suno.flat.upstream import BATCH, Flat
from support import suno

FLAT = Flat()


def sent(ask: Ask) -> tuple[str, dict[str, Any]]:
    message = FLAT.submit(ask, "chirp-crow")
    assert message.method == "POST"
    return message.path, json.loads(message.body)


COMMON = {"make_instrumental": False, "model": "chirp-crow", "wait_audio": False}


@pytest.mark.parametrize(
    ("ask", "path", "body"),
    [
        (
            MusicAsk("m", description="d", instrumental=True),
            "/api/generate",
            {"prompt": "d", "make_instrumental": True},
        ),
        (MusicAsk("m", description="d", title="T"), "/api/generate", {"prompt": "d", "title": "T"}),
        (
            MusicAsk("m", prompt="la", tags="pop", title="T", negative_tags="n", extra={"x": 1, "wait_audio": True}),
            "/api/custom_generate",
            {"prompt": "la", "tags": "pop", "title": "T", "negative_tags": "n", "x": 1},
        ),
        (
            MusicAsk("m", prompt="la", continue_clip="up", continue_at=30, continue_job="t", task="extend"),
            "/api/extend_audio",
            {"audio_id": "up", "prompt": "la", "continue_at": 30, "tags": "", "title": "", "negative_tags": ""},
        ),
        (
            MusicAsk("m", continue_clip="up"),
            "/api/extend_audio",
            {"audio_id": "up", "prompt": "", "tags": "", "title": "", "negative_tags": ""},
        ),
    ],
)
def test_songs(ask: MusicAsk, path: str, body: dict[str, Any]) -> None:
    assert sent(ask) == (path, {**COMMON, **body})


def test_the_rest() -> None:
    assert sent(Concat("up")) == ("/api/concat", {"clip_id": "up", "is_infill": False})
    assert sent(Stems("up", {"x": 1, "clip_id": "other"})) == ("/api/generate_stems", {"audio_id": "up", "x": 1})
    assert sent(LyricsAsk("rain")) == ("/api/generate_lyrics", {"prompt": "rain"})
    assert FLAT.submit(LyricsAsk("rain"), "").slow


@pytest.mark.parametrize(
    "ask",
    [
        MusicAsk("m", description="d", continue_clip="up"),
        MusicAsk("m", prompt="la", task="cover"),
        VideoAsk("m", "p"),
    ],
)
def test_what_this_dialect_cannot_say(ask: Ask) -> None:
    with pytest.raises(Unsupported):
        FLAT.submit(ask, "m")


def test_answers() -> None:
    song = MusicAsk("m", prompt="la")
    names, seen = FLAT.accepted(song, 200, suno.accepted("flat", [suno.clip("a"), suno.clip("b")]))
    assert (names, seen.stage) == (Upstreamed(("a", "b"), ("a", "b")), Stage.SUBMITTED)
    names, _ = FLAT.accepted(Concat("x"), 200, json.dumps(suno.clip("c")).encode())
    assert names.ids == ("c",)
    jobs = [Asked(song, Upstreamed(("a", "b"), ("a", "b"))), Asked(song, Upstreamed(("c",), ("c",)))]
    assert FLAT.poll(jobs).path == "/api/get?ids=a,b,c"
    assert FLAT.most_polled(song) == BATCH
    assert FLAT.most_polled(Stems("s")) == 1
    polled = FLAT.polled(jobs, 200, suno.polled("flat", [suno.clip("b", "complete"), suno.clip("a", "complete")]))
    assert polled[0] is not None
    assert (polled[0].stage, polled[0].clips) == (Stage.SUCCEEDED, ("a", "b"))
    assert polled[1] is None


def test_stems() -> None:
    stem = {"id": "v", "status": "queued", "created_at": "x", "title": "T", "stem_from_id": "s", "duration": None}
    names, seen = FLAT.accepted(Stems("s"), 200, json.dumps([stem, {**stem, "id": "i"}]).encode())
    assert (names, seen.stage) == (Upstreamed(("v", "i"), ("v", "i")), Stage.QUEUED)
    for body in (b"{}", b"[]", b"5"):
        with pytest.raises(Garbled):
            FLAT.accepted(Stems("s"), 200, body)


def test_aligned_words() -> None:
    assert FLAT.alignment("up-1").path == "/api/get_aligned_lyrics?song_id=up-1"
    body = b'[{"word":"la ","start_s":"0.5","end_s":1,"success":false}]'
    assert FLAT.aligned(200, body) == (AlignedWord("la ", 0.5, 1.0, success=False),)
    for body in (b"{}", b"5"):
        with pytest.raises(Garbled):
            FLAT.aligned(200, body)
    with pytest.raises(Declined):
        FLAT.aligned(500, b'{"error":"no"}')


def test_lyrics_are_there_at_once() -> None:
    ask = LyricsAsk("p")
    assert FLAT.accepted(ask, 200, b'{"text":"la","title":"T","status":"complete"}') == (
        Upstreamed(),
        Snapshot(Stage.SUCCEEDED, 100, Lyrics("la", "T")),
    )
    _, seen = FLAT.accepted(ask, 200, b'{"status":"error","error_message":"bad"}')
    assert seen == Snapshot(Stage.FAILED, 100, reason="bad")
    for body in (b"[]", b"{}", b'{"text":5}'):
        with pytest.raises(Garbled):
            FLAT.accepted(ask, 200, body)


def test_refusals() -> None:
    with pytest.raises(Declined) as caught:
        FLAT.accepted(MusicAsk("m"), 402, b'{"error":"Insufficient credits."}')
    assert (caught.value.status, str(caught.value)) == (402, "Insufficient credits.")
    for body in (b"{}", b"[]", b'"x"'):
        with pytest.raises(Garbled):
            FLAT.accepted(MusicAsk("m"), 200, body)
