import json
from typing import Any

import pytest

from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import dialects
from polyrelay.wire.hooks import Hook
from polyrelay.wire.suno import requests
from polyrelay.wire.suno.flat import surface as flat
from polyrelay.wire.suno.native import surface as native
from polyrelay.wire.suno.requests import Submission
from polyrelay.wire.suno.task import surface as task

JOB = "px_" + "0a" * 14
CUSTOM = {"prompt": "la", "tags": "pop", "title": "T"}


def song(**members: Any) -> Submission:
    return native.read_generate(json.dumps({**CUSTOM, **members}).encode())


def refused(**members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        song(**members)
    assert caught.value.final
    return caught.value


ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"mv": "chirp-fenix"}, {"model": "chirp-fenix"}),
    ({"model": "anything goes"}, {"model": "anything goes"}),
    ({"mv": "x", "model": "x"}, {"model": "x"}),
    ({"mv": "", "model": "x"}, {"model": "x"}),
    ({"make_instrumental": True}, {"instrumental": True}),
    ({"instrumental": True, "make_instrumental": None}, {"instrumental": True}),
    ({"negative_tags": "metal"}, {"negative_tags": "metal"}),
    ({"gpt_description_prompt": "a song"}, {"description": "a song"}),
    ({"prompt": "x" * 10_000}, {"prompt": "x" * 10_000}),
    ({"title": "x" * 1_000}, {"title": "x" * 1_000}),
    (
        {"prompt": None, "tags": None, "title": None, "gpt_description_prompt": "d"},
        {"prompt": "", "tags": "", "title": "", "description": "d"},
    ),
    ({"continue_clip_id": "c", "continue_at": 61.5}, {"continue_clip": "c", "continue_at": 61.5}),
    ({"continue_clip_id": "c", "continue_at": 0}, {"continue_clip": "c", "continue_at": 0}),
    ({"continue_clip_id": "c"}, {"continue_clip": "c"}),
    ({"audio_id": "c", "continue_at": "1:30"}, {"continue_clip": "c", "continue_at": 90}),
    ({"audio_id": "c", "continue_at": "109"}, {"continue_clip": "c", "continue_at": 109}),
    ({"audio_id": "c", "continue_at": "00:30.5"}, {"continue_clip": "c", "continue_at": 30.5}),
    ({"audio_id": "c", "continue_at": ""}, {"continue_clip": "c"}),
    ({"continue_clip_id": "c", "task_id": "j"}, {"continue_clip": "c", "continue_job": "j"}),
    ({"continue_clip_id": f"{JOB}-1", "task_id": "j"}, {"continue_clip": f"{JOB}-1", "continue_job": JOB}),
    ({"continue_clip_id": f"{JOB}-1"}, {"continue_clip": f"{JOB}-1", "continue_job": JOB}),
    ({"continue_clip_id": "", "continue_at": 0, "task_id": ""}, {}),
    ({"continue_at": None, "continue_clip_id": None}, {}),
    ({"task": "cover", "cover_clip_id": "c"}, {"task": "cover", "extra": {"cover_clip_id": "c"}}),
    ({"style_weight": 0.5, "deep": {"a": [1]}}, {"extra": {"style_weight": 0.5, "deep": {"a": [1]}}}),
    ({"generation_type": "TEXT"}, {"extra": {"generation_type": "TEXT"}}),
    ({"wait_audio": True}, {}),
]


@pytest.mark.parametrize(("members", "asked"), ACCEPTED)
def test_songs(members: dict[str, Any], asked: dict[str, Any]) -> None:
    expected = {"model": "chirp-v3-0", **CUSTOM, **asked}
    assert song(**members).ask == MusicAsk(**expected)


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"prompt": "x" * 10_001}, "prompt", "string_above_max_length"),
        ({"tags": 5}, "tags", "invalid_type"),
        ({"tags": ["pop"]}, "tags", "invalid_type"),
        ({"title": "x" * 1_001}, "title", "string_above_max_length"),
        ({"mv": "x" * 257}, "mv", "string_above_max_length"),
        ({"mv": "a", "model": "b"}, "model", "invalid_value"),
        ({"MV": "a"}, "MV", "unknown_parameter"),
        ({"make_instrumental": "true"}, "make_instrumental", "invalid_type"),
        ({"make_instrumental": True, "instrumental": False}, "instrumental", "invalid_value"),
        ({"continue_clip_id": "a", "audio_id": "b"}, "audio_id", "invalid_value"),
        ({"continue_clip_id": "a", "continue_at": -1}, "continue_at", "decimal_below_min_value"),
        ({"continue_clip_id": "a", "continue_at": 86_401}, "continue_at", "decimal_above_max_value"),
        ({"continue_clip_id": "a", "continue_at": "1:75"}, "continue_at", "invalid_value"),
        ({"continue_clip_id": "a", "continue_at": "soon"}, "continue_at", "invalid_value"),
        ({"continue_at": 60}, "continue_clip_id", "missing_required_parameter"),
        ({"prompt": "", "tags": "", "title": ""}, "prompt", "missing_required_parameter"),
        ({"prompt": "", "tags": "", "title": "", "make_instrumental": True}, "prompt", "missing_required_parameter"),
        ({"notify_hook": "ftp://x"}, "notify_hook", "invalid_url"),
        ({"webhook_url": "file:///etc/passwd"}, "webhook_url", "invalid_url"),
        ({"notify_hook": "https://a", "webhook_url": "https://b"}, "webhook_url", "invalid_value"),
        ({"notify_hook": "https://" + "a" * 2_048}, "notify_hook", "string_above_max_length"),
        ({"wait_audio": 1}, "wait_audio", "invalid_type"),
    ],
)
def test_refused_songs_name_the_field(members: dict[str, Any], param: str, code: str) -> None:
    refusal = refused(**members)
    assert (refusal.param, refusal.code) == (param, code)
    assert f"'{param}'" in refusal.message


def test_hooks_are_the_relays_and_are_not_passed_on() -> None:
    for name in ("notify_hook", "webhook_url"):
        asked = song(**{name: "https://client.example/hook"})
        assert asked.hook == Hook("https://client.example/hook", name)
        assert asked.ask.extra == {}


def test_defaults_differ_by_dialect() -> None:
    body = json.dumps(CUSTOM).encode()
    for read, model in (
        (native.read_generate, "chirp-v3-0"),
        (lambda body: task.read_submit("music", body), "chirp-v3-0"),
        (flat.read_custom, "chirp-v3-5"),
    ):
        ask = read(body).ask
        assert isinstance(ask, MusicAsk)
        assert ask.model == model


def test_a_flat_prompt_describes_unless_custom() -> None:
    asked = flat.read_generate(b'{"prompt":"about rain","make_instrumental":true,"wait_audio":true}')
    assert asked.ask == MusicAsk("chirp-v3-5", description="about rain", instrumental=True)
    assert asked.wait
    assert flat.read_generate(b'{"gpt_description_prompt":"about rain"}').ask == MusicAsk(
        "chirp-v3-5", description="about rain"
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{}", "prompt"), (b'{"prompt":""}', "prompt"), (b'{"prompt":"a","gpt_description_prompt":"b"}', "prompt")],
)
def test_a_flat_song_needs_one_description(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        flat.read_generate(body)
    assert caught.value.param == param


@pytest.mark.parametrize("missing", ["prompt", "tags", "title"])
def test_a_custom_song_names_the_member_it_lacks(missing: str) -> None:
    for members in ({name: value for name, value in CUSTOM.items() if name != missing}, {**CUSTOM, missing: None}):
        with pytest.raises(InvalidRequest) as caught:
            flat.read_custom(json.dumps(members).encode())
        assert (caught.value.param, caught.value.code) == (missing, "missing_required_parameter")


def test_tags_and_title_may_be_empty_and_an_instrumental_has_no_lyrics() -> None:
    assert flat.read_custom(b'{"prompt":"la","tags":"","title":""}').ask == MusicAsk("chirp-v3-5", prompt="la")
    for name in ("make_instrumental", "instrumental"):
        body = json.dumps({"tags": "pop", "title": "", name: True}).encode()
        assert flat.read_custom(body).ask == MusicAsk("chirp-v3-5", tags="pop", instrumental=True)


def test_a_persona_is_asked_for_and_sent_on() -> None:
    body = json.dumps({**CUSTOM, "persona_id": "5a5a5a5a-0000-4000-8000-000000000001"}).encode()
    for read in (native.read_generate, flat.read_custom, lambda body: task.read_submit("music", body)):
        ask = read(body).ask
        for name in ("suno_native", "suno_flat", "suno_task"):
            sent = json.loads(dialects.DIALECTS[name].submit(ask, "m").body)
            assert sent["persona_id"] == "5a5a5a5a-0000-4000-8000-000000000001"


def test_a_flat_extension_needs_a_clip() -> None:
    asked = flat.read_extend(b'{"audio_id":"c","prompt":"more","continue_at":30}')
    assert asked.ask == MusicAsk("chirp-v3-5", prompt="more", continue_clip="c", continue_at=30)
    with pytest.raises(InvalidRequest) as caught:
        flat.read_extend(b'{"prompt":"more"}')
    assert caught.value.param == "audio_id"


@pytest.mark.parametrize("action", ["music", "MUSIC", "Music"])
def test_actions_in_any_case(action: str) -> None:
    assert isinstance(task.read_submit(action, json.dumps(CUSTOM).encode()).ask, MusicAsk)


def test_unknown_actions_name_the_known_ones() -> None:
    with pytest.raises(InvalidRequest) as caught:
        task.read_submit("dance" * 50, b"{}")
    assert caught.value.param == "action"
    assert "'music', 'lyrics', 'concat'" in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("read", [native.read_lyrics, flat.read_lyrics, lambda body: task.read_submit("lyrics", body)])
def test_lyrics(read: Any) -> None:
    asked = read(b'{"prompt":"about rain","lyrics_model":"remi-v1","notify_hook":"https://h"}')
    assert asked.ask == LyricsAsk("about rain", {"lyrics_model": "remi-v1"})
    assert asked.hook == Hook("https://h", "notify_hook")
    for body in (b"{}", b'{"prompt":""}', b'{"prompt":null}', b'{"prompt":5}'):
        with pytest.raises(InvalidRequest) as caught:
            read(body)
        assert caught.value.param == "prompt"


@pytest.mark.parametrize("read", [native.read_concat, flat.read_concat, lambda body: task.read_submit("concat", body)])
def test_concatenations(read: Any) -> None:
    assert read(b'{"clip_id":"c"}').ask == Concat("c")
    assert read(b'{"clip_id":"c","is_infill":true,"x":1}').ask == Concat("c", infill=True, extra={"x": 1})
    for body, param in (
        (b"{}", "clip_id"),
        (b'{"clip_id":""}', "clip_id"),
        (b'{"clip_id":"c","is_infill":1}', "is_infill"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            read(body)
        assert caught.value.param == param


def test_stems() -> None:
    assert flat.read_stems(b'{"audio_id":"c","x":1}').ask == Stems("c", {"x": 1})
    assert native.read_stems(b"", "c").ask == Stems("c")
    asked = native.read_stems(b'{"audio_id":"other","notify_hook":"https://h"}', "c")
    assert (asked.ask, asked.hook) == (Stems("c"), Hook("https://h", "notify_hook"))
    for body in (b"{}", b'{"audio_id":""}', b'{"audio_id":null}', b'{"audio_id":5}', b'{"clip_id":"c"}'):
        with pytest.raises(InvalidRequest) as caught:
            flat.read_stems(body)
        assert caught.value.param == "audio_id"
    for body, name in ((b"[]", "c"), (b"{", "c"), (b"{}", "x" * 257)):
        with pytest.raises(InvalidRequest):
            native.read_stems(body, name)


def test_a_song_of_a_description_alone() -> None:
    asked = native.read_described(b'{"gpt_description_prompt":"about rain","make_instrumental":true}')
    assert asked.ask == MusicAsk("chirp-v3-0", description="about rain", instrumental=True)
    for body in (b"{}", b'{"prompt":"la"}', b'{"gpt_description_prompt":""}'):
        with pytest.raises(InvalidRequest) as caught:
            native.read_described(body)
        assert caught.value.param == "gpt_description_prompt"


def test_a_feed_named_by_its_path() -> None:
    assert native.read_feed_of("a,b") == requests.FeedQuery(("a", "b"))
    for names in (",", "x" * 257):
        with pytest.raises(InvalidRequest) as caught:
            native.read_feed_of(names)
        assert caught.value.param == "ids"


def test_questions_have_an_end() -> None:
    assert requests.ids("a, b,,a") == ("a", "b")
    assert requests.ids(None) == requests.ids("") == requests.ids(",") == ()
    assert len(requests.ids(",".join(map(str, range(100))))) == 100
    for text in (",".join(map(str, range(101))), "x" * 257):
        with pytest.raises(InvalidRequest) as caught:
            requests.ids(text)
        assert caught.value.param == "ids"


def test_feeds_and_fetches() -> None:
    assert native.read_feed(b"ids=a%2Cb&page=3") == requests.FeedQuery(("a", "b"), 3)
    assert native.read_feed(b"") == requests.FeedQuery()
    for page in (b"-1", b"x", b"10001", b"1.5", "²".encode()):
        with pytest.raises(InvalidRequest):
            native.read_feed(b"page=" + page)
    assert task.read_fetch(b'{"ids":["a","a","b"],"action":"music"}') == task.Fetch(("a", "b"), "MUSIC")
    assert task.read_fetch(b'{"ids":[]}') == task.Fetch(())
    assert len(task.read_fetch(json.dumps({"ids": [f"px_{number}" for number in range(1000)]}).encode()).ids) == 1000
    for body in (b"{}", b'{"ids":"a"}', b'{"ids":[1]}', json.dumps({"ids": ["a"] * 1001}).encode()):
        with pytest.raises(InvalidRequest) as caught:
            task.read_fetch(body)
        assert (caught.value.param or "").startswith("ids")
    assert flat.read_get(b"ids=a,b&page=2") == requests.FeedQuery(("a", "b"), 2)
    assert flat.read_clip(b"id=a") == "a"
    for query in (b"", b"id=", b"id=" + b"x" * 257):
        with pytest.raises(InvalidRequest) as caught:
            flat.read_clip(query)
        assert caught.value.param == "id"
    assert flat.read_aligned(b"song_id=a") == "a"
    for query in (b"", b"id=a", b"song_id=", b"song_id=" + b"x" * 257):
        with pytest.raises(InvalidRequest) as caught:
            flat.read_aligned(query)
        assert caught.value.param == "song_id"
