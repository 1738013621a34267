"""One studio, three dialects: what is ordered in one can be seen in all."""

from typing import Any

import pytest

from polyrelay.sandbox.audio import formats
from polyrelay.sandbox.images import picture
from support.counter import HOST, Front

GENERATE, CONCAT, LYRICS = "/api/generate/v2/", "/api/generate/concat/v2/", "/api/generate/lyrics/"
SONG = {"mv": "chirp-v4", "prompt": "[Verse]\nla la", "tags": "folk", "title": "Home", "make_instrumental": False}
STAGES = [(0.0, "submitted"), (0.05, "queued"), (0.15, "streaming"), (0.31, "complete")]
"""Of the usual life of 0.3 s."""


def feed(front: Front, *ids: str) -> Any:
    return front.get(f"/api/feed/?ids={','.join(ids)}").json


def ids_of(clips: list[dict[str, Any]]) -> list[str]:
    return [clip["id"] for clip in clips]


def test_a_native_song_from_submission_to_the_end() -> None:
    front = Front()
    made = front.post(GENERATE, SONG).json
    assert (made["status"], made["batch_size"], len(made["clips"])) == ("complete", 2, 2)
    ids = ids_of(made["clips"])
    born = front.now
    for age, status in STAGES:
        front.now = born + age
        clips = feed(front, *ids)
        assert [clip["status"] for clip in clips] == [status, status]
        assert clips == front.get(f"/api/feed/v2?ids={','.join(ids)}").json["clips"]
        assert clips[0]["metadata"]["duration"] == (12.0 if status == "complete" else None)
        assert bool(clips[0]["audio_url"]) is (status in ("streaming", "complete"))
    assert (clips[0]["title"], clips[0]["model_name"], clips[0]["major_model_version"]) == ("Home", "chirp-v4", "v4")


def test_links_of_a_song_lead_to_real_files() -> None:
    front = Front()
    front.board.put("chirp-v4", "seconds=3.5")
    (clip, _) = front.post(GENERATE, SONG).json["clips"]
    front.now += 0.2
    (streaming,) = feed(front, clip["id"])
    live = front.get(streaming["audio_url"].removeprefix(HOST))
    front.now += 0.2
    (done,) = feed(front, clip["id"])
    whole = front.get(done["audio_url"].removeprefix(HOST))
    assert (live.headers["content-type"], whole.headers["content-type"]) == ("audio/mpeg", "audio/mpeg")
    assert whole.body.startswith(live.body)
    assert 0 < len(live.body) < len(whole.body)
    text, seconds = formats.listen(whole.body)
    assert (text, done["metadata"]["duration"]) == ("Home\n[Verse]\nla la", 3.5)
    assert 0 <= seconds - 3.5 < 0.024
    assert picture.size_of(front.get(done["image_url"].removeprefix(HOST)).body) == (256, 256)
    film = front.get(done["video_url"].removeprefix(HOST))
    assert (film.headers["content-type"], film.body[4:8]) == ("video/mp4", b"ftyp")


def test_recordings_that_are_not_there() -> None:
    front = Front()
    (clip, _) = front.post(GENERATE, SONG).json["clips"]
    for path in (
        f"/audiopipe/?item_id={clip['id']}",
        f"/media/songs/{clip['id']}.mp3",
        f"/media/songs/{clip['id']}.ogg",
        "/media/songs/x.mp3",
    ):
        assert front.get(path).status == 404


def test_fates() -> None:
    for fate, statuses in (("error", ["error", "error"]), ("half", ["complete", "error"]), ("stuck", ["queued"] * 2)):
        front = Front()
        front.board.put("chirp-v4", {"song": f"1.0+{fate}"})
        clips = front.post(GENERATE, SONG).json["clips"]
        front.now += 100
        seen = feed(front, *ids_of(clips))
        assert [clip["status"] for clip in seen] == statuses
        for clip in seen:
            assert bool(clip["metadata"]["error_message"]) is (clip["status"] == "error")


def test_the_life_may_be_in_the_name_of_the_model() -> None:
    front = Front()
    (clip, _) = front.post(GENERATE, {**SONG, "mv": "sandbox:song=10"}).json["clips"]
    front.now += 9.9
    assert feed(front, clip["id"])[0]["status"] == "streaming"
    front.now += 0.2
    assert feed(front, clip["id"])[0]["status"] == "complete"


def test_a_description_and_an_instrumental() -> None:
    front = Front()
    body = {"mv": "chirp-v4", "prompt": "", "gpt_description_prompt": "a song about rain"}
    (clip, _) = front.post(GENERATE, body).json["clips"]
    (silent, _) = front.post(GENERATE, {**body, "make_instrumental": True}).json["clips"]
    assert clip["metadata"]["prompt"] == ""
    front.now += 1
    clip, silent = feed(front, clip["id"], silent["id"])
    assert "a song about rain" in clip["metadata"]["prompt"]
    assert clip["title"]
    assert (silent["metadata"]["prompt"], silent["metadata"]["has_vocal"]) == ("", False)


def test_extending_and_joining() -> None:
    front = Front()
    (first, _) = front.post(GENERATE, SONG).json["clips"]
    body = {**SONG, "continue_clip_id": first["id"], "continue_at": 8.5, "task": "extend"}
    (second, _) = front.post(GENERATE, body).json["clips"]
    (third, _) = front.post(GENERATE, {**SONG, "continue_clip_id": second["id"]}).json["clips"]
    whole = front.post(CONCAT, {"clip_id": third["id"], "is_infill": False}).json
    assert whole["metadata"]["type"] == "concat"
    assert [part["id"] for part in whole["metadata"]["concat_history"]] == [first["id"], second["id"], third["id"]]
    front.now += 1
    (done,) = feed(front, whole["id"])
    assert done["metadata"]["duration"] == 8.5 + 12 + 12
    assert feed(front, second["id"])[0]["metadata"]["history"][0]["continue_at"] == 8.5


def test_what_is_not_there_cannot_be_extended_or_joined() -> None:
    front = Front()
    assert front.post(GENERATE, {**SONG, "continue_clip_id": "nothing"}).status == 404
    assert front.post(CONCAT, {"clip_id": "nothing"}).status == 404
    assert front.post("/suno/submit/music", {**SONG, "continue_clip_id": "nothing"}).status == 400
    assert front.post("/suno/submit/concat", {"clip_id": "nothing"}).status == 400
    assert front.post("/api/extend_audio", {"audio_id": "nothing"}).status == 404
    assert front.post("/api/concat", {"clip_id": "nothing"}).status == 404
    assert front.post("/api/edit/stems/nothing", {}).status == 404
    assert front.post("/api/generate_stems", {"audio_id": "nothing"}).status == 404
    assert front.get("/sandbox/jobs").json["jobs"] == []


@pytest.mark.parametrize("dialect", ["native", "flat"])
def test_stems_are_a_voice_and_the_rest(dialect: str) -> None:
    front = Front()
    (clip, _) = front.post(GENERATE, SONG).json["clips"]
    if dialect == "native":
        stems = front.post(f"/api/edit/stems/{clip['id']}", {}).json["clips"]
        sources = [stem["metadata"]["stem_from_id"] for stem in stems]
    else:
        stems = front.post("/api/generate_stems", {"audio_id": clip["id"]}).json
        sources = [stem["stem_from_id"] for stem in stems]
        assert set(stems[0]) == {"id", "status", "created_at", "title", "stem_from_id", "duration"}
    assert (sources, [stem["status"] for stem in stems]) == ([clip["id"]] * 2, ["submitted"] * 2)
    front.now += 1
    voice, rest = feed(front, *ids_of(stems))
    assert [stem["title"] for stem in (voice, rest)] == ["Home (Vocals)", "Home (Instrumental)"]
    assert [stem["metadata"]["has_vocal"] for stem in (voice, rest)] == [True, False]
    assert (voice["metadata"]["prompt"], rest["metadata"]["prompt"]) == (SONG["prompt"], "")
    assert {stem["metadata"]["duration"] for stem in (voice, rest)} == {12.0}
    assert front.get("/api/get_limit").json["monthly_usage"] == 20


@pytest.mark.parametrize("dialect", ["native", "flat"])
def test_words_are_aligned_over_the_whole_clip(dialect: str) -> None:
    front = Front()
    (clip, _) = front.post(GENERATE, SONG).json["clips"]
    path = f"/api/gen/{clip['id']}/aligned_lyrics/v2/"
    if dialect == "flat":
        path = f"/api/get_aligned_lyrics?song_id={clip['id']}"
    assert front.get(path).status == (404 if dialect == "native" else 500)
    front.now += 1
    told = front.get(path).json
    words = told if dialect == "flat" else told["aligned_words"]
    assert "".join(word["word"] for word in words) == SONG["prompt"]
    assert [word["start_s"] for word in words] == [0.0, 6.0]
    assert words[-1]["end_s"] == 12.0
    assert {word["success"] for word in words} == {True}


def test_a_persona_sings_what_the_studio_made() -> None:
    name, other = "5a5a5a5a-0000-4000-8000-000000000001", "5a5a5a5a-0000-4000-8000-000000000002"
    front = Front()
    native, flat = f"/api/persona/get-persona-paginated/{name}/?page=1", f"/api/persona?id={name}&page=1"
    assert front.get(native).json["persona"]["clip"] is None
    made = front.post(GENERATE, SONG).json["clips"]
    page = front.get(native).json
    assert page == front.get(flat).json
    assert ids_of([each["clip"] for each in page["persona"]["persona_clips"]]) == list(reversed(ids_of(made)))
    assert (page["persona"]["id"], page["total_results"], page["current_page"]) == (name, 2, 1)
    assert front.get(native.replace("page=1", "page=2")).json["persona"]["persona_clips"] == []
    assert front.get(native.replace(name, other)).json["persona"]["id"] == other
    assert front.get(native.replace(name, "nobody")).status == 404
    assert front.get(flat.replace(name, "nobody")).status == 500


def test_native_lyrics() -> None:
    front = Front()
    name = front.post(LYRICS, {"prompt": "rain"}).json["id"]
    assert front.get(f"{LYRICS}{name}").json == {"text": "", "title": "", "status": "submitted"}
    front.now += 1
    done = front.get(f"{LYRICS}{name}").json
    assert (done["status"], "rain" in done["text"], bool(done["title"])) == ("complete", True, True)
    front.board.put(LYRICS, "song=error")
    name = front.post(LYRICS, {"prompt": "rain"}).json["id"]
    front.now += 1
    assert front.get(f"{LYRICS}{name}").json["status"] == "error"
    assert front.get(f"{LYRICS}nothing").status == 404


@pytest.mark.parametrize(("path", "body"), [(GENERATE, {}), (GENERATE, {"mv": "x"}), (LYRICS, {}), (GENERATE, b"{")])
def test_what_suno_refuses(path: str, body: object) -> None:
    answer = Front().post(path, body)
    assert answer.status in (400, 422)
    assert set(answer.json) == {"detail"}


def test_the_newest_page() -> None:
    front = Front()
    assert feed(front) == []
    made = [ids_of(front.post(GENERATE, SONG).json["clips"]) for _ in range(12)]
    newest = [name for pair in reversed(made) for name in reversed(pair)]
    assert ids_of(front.get("/api/feed/").json) == newest[:20]
    assert ids_of(front.get("/api/feed/v2?page=1").json["clips"]) == newest[20:]
    assert ids_of(front.get("/api/get").json) == newest[:20]


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def submitted(front: Front, action: str, body: object) -> str:
    answer = front.post(f"/suno/submit/{action}", body).json
    assert (answer["code"], answer["message"]) == ("success", "")
    return str(answer["data"])


def test_a_task_from_submission_to_the_end() -> None:
    front = Front()
    front.board.put("chirp-v4", {"song": 10})
    name = submitted(front, "music", {**SONG, "notify_hook": "https://example.com/hook"})
    born, seen = front.now, []
    for age in (0, 2, 5, 11):
        front.now = born + age
        task = front.get(f"/suno/fetch/{name}").json["data"]
        assert [task] == front.post("/suno/fetch", {"ids": [name]}).json["data"]
        assert (task["task_id"], task["action"], task["submit_time"]) == (name, "MUSIC", int(born))
        seen.append((task["status"], task["progress"], task["start_time"], task["finish_time"]))
    start, end = int(born + 4), int(born + 10)
    assert seen == [
        ("SUBMITTED", "0%", 0, 0),
        ("QUEUED", "20%", 0, 0),
        ("IN_PROGRESS", "50%", start, 0),
        ("SUCCESS", "100%", start, end),
    ]
    assert [clip["status"] for clip in task["data"]] == ["complete", "complete"]
    assert task["notify_hook"] == "https://example.com/hook"
    assert feed(front, *ids_of(task["data"])) == task["data"]


def test_a_task_whose_clips_differ_is_as_the_one_that_is_not_complete() -> None:
    front = Front()
    front.board.put("chirp-v4", {"song": "half"})
    name = submitted(front, "music", SONG)
    front.now += 1
    task = front.get(f"/suno/fetch/{name}").json["data"]
    assert (task["status"], bool(task["fail_reason"])) == ("FAILURE", True)


def test_tasks_of_lyrics_and_of_joining() -> None:
    front = Front()
    words = submitted(front, "lyrics", {"prompt": "rain"})
    song = submitted(front, "music", SONG)
    front.now += 1
    (clip, _) = front.get(f"/suno/fetch/{song}").json["data"]["data"]
    joined = submitted(front, "concat", {"clip_id": clip["id"], "is_infill": False})
    front.now += 1
    tasks = front.post("/suno/fetch", {"ids": [words, "nothing", joined]}).json["data"]
    assert [(task["action"], task["status"]) for task in tasks] == [("LYRICS", "SUCCESS"), ("MUSIC", "SUCCESS")]
    assert "rain" in tasks[0]["data"]["text"]
    assert tasks[1]["data"][0]["metadata"]["type"] == "concat"
    only = front.post("/suno/fetch", {"ids": [words, joined], "action": "lyrics"}).json["data"]
    assert [task["task_id"] for task in only] == [words]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/suno/submit/lyrics", {}),
        ("POST", "/suno/submit/concat", {}),
        ("POST", "/suno/fetch", {}),
        ("POST", "/suno/fetch", b"["),
        ("GET", "/suno/fetch/nothing", None),
    ],
)
def test_what_tasks_refuse(method: str, path: str, body: object) -> None:
    answer = Front().ask(method, path, body)
    assert (answer.status, answer.json["code"], answer.json["data"]) == (400, "invalid_request", None)


# ── flat ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_flat_songs() -> None:
    front = Front()
    first, second = front.post("/api/generate", {"prompt": "about rain", "make_instrumental": False}).json
    assert (first["model_name"], first["status"], first["gpt_description_prompt"]) == (
        "chirp-v3-5",
        "submitted",
        "about rain",
    )
    custom = {"prompt": "la la", "tags": "folk", "title": "Home", "model": "chirp-v4", "negative_tags": "metal"}
    (third, _) = front.post("/api/custom_generate", custom).json
    assert (third["title"], third["tags"], third["negative_tags"], third["lyric"]) == ("Home", "folk", "metal", "la la")
    front.now += 1
    seen = front.get(f"/api/get?ids={first['id']},{second['id']},nothing").json
    assert [(song["status"], song["duration"]) for song in seen] == [("complete", 12.0)] * 2
    (fourth, _) = front.post("/api/extend_audio", {"audio_id": third["id"], "continue_at": 5, "prompt": "more"}).json
    whole = front.post("/api/concat", {"clip_id": fourth["id"]}).json
    assert whole["metadata"]["concat_history"][0] == {
        "id": third["id"],
        "continue_at": 5.0,
        "type": "gen",
        "source": "web",
        "infill": False,
    }
    assert front.get(f"/api/clip?id={whole['id']}").json["id"] == whole["id"]
    limit = front.get("/api/get_limit").json
    assert (limit["monthly_usage"], limit["credits_left"]) == (40, limit["monthly_limit"] - 40)


def test_waiting_for_the_audio() -> None:
    front = Front()
    front.board.put("chirp-v3-5", {"song": 10})
    answer = front.post("/api/generate", {"prompt": "x", "wait_audio": True})
    assert (round(answer.plan.headers, 6), {song["status"] for song in answer.json}) == (4.0, {"streaming"})
    front.board.clear()
    front.board.put("chirp-v3-5", {"song": "stuck"})
    answer = front.post("/api/generate", {"prompt": "x", "wait_audio": True})
    assert (round(answer.plan.headers, 6), {song["status"] for song in answer.json}) == (100.0, {"queued"})
    assert front.post("/api/generate", {"prompt": "x"}).plan.headers == 0


def test_flat_lyrics_wait_for_the_end() -> None:
    answer = Front().post("/api/generate_lyrics", {"prompt": "rain"})
    assert (round(answer.plan.headers, 6), answer.json["status"], "rain" in answer.json["text"]) == (
        0.3,
        "complete",
        True,
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/generate", {}, 400),
        ("POST", "/api/custom_generate", {"prompt": "x"}, 400),
        ("POST", "/api/extend_audio", {}, 400),
        ("POST", "/api/concat", {}, 400),
        ("POST", "/api/generate_lyrics", {}, 400),
        ("POST", "/api/generate_stems", {}, 400),
        ("GET", "/api/get_aligned_lyrics", None, 400),
        ("GET", "/api/persona", None, 400),
        ("GET", "/api/clip", None, 400),
        ("GET", "/api/clip?id=nothing", None, 404),
        ("POST", "/api/generate", b"{", 400),
    ],
)
def test_what_the_flat_dialect_refuses(method: str, path: str, body: object, status: int) -> None:
    answer = Front().ask(method, path, body)
    assert (answer.status, set(answer.json)) == (status, {"error"})
