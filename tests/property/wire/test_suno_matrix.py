"""A client of each Suno dialect served by an upstream of each: nothing that both can say is lost, nothing leaks."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange import names
from polyrelay.exchange.job import Ask, Result, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.wire import dialects
from polyrelay.wire.answers import Answer
from polyrelay.wire.dialect import Asked, Dialect
from polyrelay.wire.suno.flat import surface as flat
from polyrelay.wire.suno.native import surface as native
from polyrelay.wire.suno.requests import FeedQuery, Submission
from polyrelay.wire.suno.task import surface as task
from polyrelay.wire.suno.view import JobView
from support import suno

JOB = "px_" + "0a" * 14
OTHER = "px_" + "0b" * 14
MODEL = "chirp-crow"
UUIDS = [f"{number:08x}-feed-4bad-8bad-{number:012x}" for number in range(1, 20)]
CLIPS, TASK_ID, BATCH_ID, EXTENDED, EXTENDED_TASK, *STRANGERS = UUIDS[:2], *UUIDS[2:]
ACCOUNT = ("0e5e241a-ead6-435d-bea8-526c77c04c72", "OperatorRobot", "operatorrobots", "operator-avatar", "operators")
MEDIA = ("audio_url", "video_url", "image_url", "image_large_url", "wav_url")

DIALECTS: tuple[suno.Dialect, ...] = ("native", "task", "flat")
everywhere = pytest.mark.parametrize("upstream", DIALECTS)
anyone = pytest.mark.parametrize("client", DIALECTS)

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(str.strip)
STRANGE = st.dictionaries(
    st.sampled_from(["style_weight", "persona", "x-new", "vocal_gender"]),
    st.one_of(st.integers(-5, 5), st.booleans(), WORDS, st.lists(WORDS, max_size=2)),
    max_size=3,
)


def dialect_of(upstream: str) -> Dialect:
    return dialects.DIALECTS[f"suno_{upstream}"]


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """A song as a person wishes for it, in no dialect."""
    kind = draw(st.sampled_from(["described", "custom", "extending"]))
    wish: dict[str, Any] = {"kind": kind, "model": draw(WORDS), "instrumental": draw(st.booleans())}
    if kind == "described":
        wish["description"] = draw(WORDS)
    else:
        wish |= {name: draw(WORDS) for name in ("lyrics", "tags", "title", "negative")}
    if kind == "extending":
        wish |= {"clip": f"{OTHER}-1", "at": draw(st.none() | st.floats(0, 600))}
    return wish


def written(client: str, wish: dict[str, Any], strange: dict[str, Any]) -> Submission:
    """The wish in the client's words, read by its surface."""
    body: dict[str, Any] = {"make_instrumental": wish["instrumental"], **strange}
    body["model" if client == "flat" else "mv"] = wish["model"]
    if wish["kind"] == "described":
        body["prompt" if client == "flat" else "gpt_description_prompt"] = wish["description"]
    else:
        body |= {
            "prompt": wish["lyrics"],
            "tags": wish["tags"],
            "title": wish["title"],
            "negative_tags": wish["negative"],
        }
    if wish["kind"] == "extending":
        body |= {"audio_id" if client == "flat" else "continue_clip_id": wish["clip"], "continue_at": wish["at"]}
    if client == "task" and wish["kind"] == "extending":
        body["task_id"] = "what a client takes it for"
    text = json.dumps(body).encode()
    if client == "native":
        return native.read_generate(text)
    if client == "task":
        return task.read_submit("music", text)
    reads = {"described": flat.read_generate, "custom": flat.read_custom, "extending": flat.read_extend}
    return reads[str(wish["kind"])](text)


def understood(upstream: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a vendor of the dialect takes a submission for, as a wish."""
    if upstream != "flat":
        assert path == ("/api/generate/v2/" if upstream == "native" else "/suno/submit/music")
        wish = {"kind": "custom", "model": body["mv"], "instrumental": body["make_instrumental"]}
        if body.get("gpt_description_prompt"):
            return {**wish, "kind": "described", "description": body["gpt_description_prompt"]}
        wish |= {
            "lyrics": body["prompt"],
            "tags": body["tags"],
            "title": body["title"],
            "negative": body["negative_tags"],
        }
        if body.get("continue_clip_id"):
            wish |= {"kind": "extending", "clip": body["continue_clip_id"], "at": body["continue_at"]}
        return wish
    wish = {"model": body["model"], "instrumental": body["make_instrumental"]}
    if path == "/api/generate":
        return {**wish, "kind": "described", "description": body["prompt"]}
    wish |= {"lyrics": body["prompt"], "tags": body["tags"], "title": body["title"], "negative": body["negative_tags"]}
    if path == "/api/custom_generate":
        return {**wish, "kind": "custom"}
    assert path == "/api/extend_audio"
    return {**wish, "kind": "extending", "clip": body["audio_id"], "at": body.get("continue_at")}


@anyone
@everywhere
@settings(max_examples=40, deadline=None)
@given(wish=wishes(), strange=STRANGE)
def test_a_wish_arrives(client: str, upstream: str, wish: dict[str, Any], strange: dict[str, Any]) -> None:
    ask = written(client, wish, strange).ask
    assert isinstance(ask, MusicAsk)
    assert ask.extra == strange
    there = names.renamed(ask, {f"{OTHER}-1": EXTENDED, OTHER: EXTENDED_TASK})
    message = dialect_of(upstream).submit(there, MODEL)
    body = json.loads(message.body)
    expected = {**wish, "model": MODEL} | ({"clip": EXTENDED} if "clip" in wish else {})
    assert understood(upstream, message.path, body) == expected
    assert strange.items() <= body.items()
    assert OTHER.encode() not in message.body
    if upstream == "task" and wish["kind"] == "extending":
        assert body["task_id"] == EXTENDED_TASK


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────

BAIT = st.sampled_from(STRANGERS)
BAITED = st.recursive(
    BAIT | BAIT.map(lambda name: f"see {name}") | st.integers(0, 9) | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "root_id", "note", "parts", STRANGERS[0]]), inner, max_size=3)
    ),
    max_leaves=6,
)
STATUS_WORDS = ("submitted", "queued", "streaming", "complete", "error")
STATUSES = st.sampled_from(STATUS_WORDS)


@st.composite
def made(draw: st.DrawFn, clip_id: str) -> dict[str, Any]:
    """A clip as an upstream has it, with names of its own in every corner."""
    metadata = {
        "tags": draw(WORDS),
        "negative_tags": draw(WORDS),
        "prompt": draw(WORDS),
        "gpt_description_prompt": draw(WORDS),
        "duration": draw(st.none() | st.floats(0, 600)),
        "audio_prompt_id": draw(st.sampled_from([None, EXTENDED, STRANGERS[0]])),
        "history": draw(st.none() | st.lists(BAITED, max_size=2)),
        "concat_history": [{"id": STRANGERS[1], "continue_at": 5}, {"id": "m_" + EXTENDED}, {"id": CLIPS[0]}],
        "error_message": draw(st.none() | st.sampled_from([f"clip {STRANGERS[2]} was flagged", "flagged"])),
        "stem_from_id": draw(BAIT),
        "baited": draw(BAITED),
        "bpm": 99,
    }
    extra = {"title": draw(WORDS), "model_name": draw(WORDS), "persona": draw(BAITED), "entity_type": "song_schema"}
    return dict(suno.clip(clip_id, draw(STATUSES), metadata, **extra, task_id=TASK_ID, user={"id": STRANGERS[3]}))


PAIRS = st.tuples(made(CLIPS[0]), made(CLIPS[1])).map(list)


def served(upstream: suno.Dialect, ask: Ask, clips: list[Any], *, concat: bool = False) -> tuple[Upstreamed, Snapshot]:
    """What the relay knows after the upstream took `ask` on and was polled once."""
    dialect = dialect_of(upstream)
    name = TASK_ID if upstream == "task" else BATCH_ID
    taken, first = dialect.accepted(ask, 200, suno.accepted(upstream, clips, name=name, concat=concat))
    asked = Asked(ask, taken)
    assert all(known.isascii() for known in taken.ids)
    dialect.poll([asked])
    (seen,) = dialect.polled([asked], 200, suno.polled(upstream, list(reversed(clips)), name=name))
    assert seen is not None
    stored = msgspec.json.decode(msgspec.json.encode(seen.result), type=Result | None)
    assert stored == seen.result
    return msgspec.structs.replace(taken, clips=seen.clips or first.clips or taken.clips), seen


def viewed(ask: Any, upstreamed: Upstreamed, seen: Snapshot) -> JobView:
    return JobView(
        job_id=JOB,
        ask=ask,
        model="ours",
        stage=seen.stage,
        created=1_700_000_000,
        progress=seen.progress,
        result=seen.result,  # type: ignore[arg-type]
        reason=seen.reason,
        upstreamed=upstreamed,
        known={EXTENDED: f"{OTHER}-1", EXTENDED_TASK: OTHER},
    )


def rendered(client: str, view: JobView) -> tuple[list[dict[str, Any]], list[Answer]]:
    """The clips as a client of the dialect finds them, and everything it can be answered."""
    wanted = [f"{JOB}-1", f"{JOB}-0"]
    if client == "native":
        answers = [
            native.feed([view], wanted),
            native.submitted(view),
            native.feed_v2([view], FeedQuery(), 2),
            native.clip(view, wanted[0]),
        ]
        return list(reversed(json.loads(answers[0][2]))), answers
    if client == "task":
        answers = [task.fetched_one(view), task.submitted(view), task.fetched([view], task.Fetch((JOB,)))]
        return json.loads(answers[0][2])["data"]["data"], [*answers, (200, (), task.notice(view))]
    answers = [flat.songs([view], wanted), flat.submitted(view), flat.clip(view, wanted[0])]
    return list(reversed(json.loads(answers[0][2]))), answers


def stripped(body: bytes, clips: list[dict[str, Any]]) -> str:
    """An answer without the media URLs, which pass as they are."""
    text = body.decode()
    for name in MEDIA:
        for clip in clips:
            text = text.replace(json.dumps(clip.get(name) or "https://none"), '""')
    return text


def facts(upstream: str, client: str, clip: dict[str, Any]) -> dict[str, Any]:
    """What both dialects can say of a clip."""
    inner = clip.get("metadata", clip)
    both = {name: clip[name] for name in ("title", "status", "created_at")}
    both |= {
        name: inner[name] for name in ("tags", "negative_tags", "prompt", "gpt_description_prompt", "type", "duration")
    }
    if clip["status"] != "error":
        both |= {name: clip[name] for name in ("audio_url", "video_url", "image_url")}
    if "flat" not in (upstream, client):
        both |= {name: clip[name] for name in ("major_model_version", "play_count", "entity_type", "is_public")}
        both |= {name: inner[name] for name in ("bpm", "stream")}
    return both


@anyone
@everywhere
@settings(max_examples=40, deadline=None)
@given(clips=PAIRS)
def test_a_song_comes_back(client: str, upstream: suno.Dialect, clips: list[dict[str, Any]]) -> None:
    ask = MusicAsk("ours", prompt="la", continue_clip=f"{OTHER}-1", continue_at=3)
    upstreamed, seen = served(upstream, names.renamed(ask, {f"{OTHER}-1": EXTENDED}), clips)
    assert upstreamed.clips == (tuple(CLIPS) if upstream != "task" else tuple(reversed(CLIPS)))
    order = clips if upstream != "task" else list(reversed(clips))
    view = viewed(ask, upstreamed, seen)
    shown, answers = rendered(client, view)
    assert [clip["id"] for clip in shown] == [f"{JOB}-0", f"{JOB}-1"]
    assert {clip["model_name"] for clip in shown} == {"ours"}
    if seen.stage is not Stage.FAILED and not (upstream == "task" and "error" in {clip["status"] for clip in clips}):
        assert [facts(upstream, client, clip) for clip in shown] == [facts(upstream, client, clip) for clip in order]
    for _, _, body in answers:
        text = stripped(body, clips)
        for leak in (*UUIDS, *ACCOUNT):
            assert leak not in text


@anyone
@everywhere
@pytest.mark.parametrize("status", ["submitted", "streaming", "complete", "error"])
def test_a_concatenation_comes_back(client: str, upstream: suno.Dialect, status: str) -> None:
    body = json.dumps({"clip_id": f"{OTHER}-1", "is_infill": True}).encode()
    reads = {"native": native.read_concat, "flat": flat.read_concat}
    ask = reads[client](body).ask if client in reads else task.read_submit("concat", body).ask
    assert isinstance(ask, Concat)
    there = names.renamed(ask, {f"{OTHER}-1": EXTENDED})
    message = dialect_of(upstream).submit(there, MODEL)
    assert json.loads(message.body) == {"clip_id": EXTENDED, "is_infill": True}
    clips = [suno.clip(CLIPS[0], status, {"type": "concat", "concat_history": [{"id": EXTENDED}]})]
    upstreamed, seen = served(upstream, there, clips, concat=True)
    view = viewed(ask, upstreamed, seen)
    for answer in (native.submitted(view), task.fetched_one(view), flat.submitted(view)):
        assert not [leak for leak in UUIDS if leak in stripped(answer[2], clips)]
    clip = json.loads(native.submitted(view)[2])
    assert (clip["id"], clip["status"], clip["metadata"]["type"]) == (f"{JOB}-0", status, "concat")


@pytest.mark.parametrize("client", ["native", "flat"])
@pytest.mark.parametrize("upstream", ["native", "flat"])
@pytest.mark.parametrize("status", STATUS_WORDS)
def test_stems_come_back(client: str, upstream: suno.Dialect, status: str) -> None:
    name = f"{OTHER}-1"
    body = json.dumps({"audio_id": name}).encode()
    ask = (native.read_stems(b"", name) if client == "native" else flat.read_stems(body)).ask
    assert ask == Stems(name)
    there = names.renamed(ask, {name: EXTENDED})
    message = dialect_of(upstream).submit(there, MODEL)
    assert EXTENDED in message.path + message.body.decode()
    assert OTHER not in message.path + message.body.decode()
    clips = [suno.clip(each, status, {"stem_from_id": EXTENDED, "type": "gen_stem"}) for each in CLIPS]
    upstreamed, seen = served(upstream, there, clips)
    view = viewed(ask, upstreamed, seen)
    for answer in (native.submitted(view), task.fetched_one(view), flat.submitted(view), flat.songs([view])):
        assert not [leak for leak in UUIDS if leak in stripped(answer[2], clips)]
    shown = json.loads(flat.submitted(view)[2])
    assert [(stem["id"], stem["stem_from_id"], stem["status"]) for stem in shown] == [
        (f"{JOB}-0", name, status),
        (f"{JOB}-1", name, status),
    ]
    assert {clip["metadata"]["stem_from_id"] for clip in json.loads(native.submitted(view)[2])["clips"]} == {name}


@anyone
@everywhere
def test_lyrics_come_back(client: str, upstream: suno.Dialect) -> None:
    body = json.dumps({"prompt": "rain", "style": "ballad"}).encode()
    reads = {"native": native.read_lyrics, "flat": flat.read_lyrics}
    ask = reads[client](body).ask if client in reads else task.read_submit("lyrics", body).ask
    assert isinstance(ask, LyricsAsk)
    dialect = dialect_of(upstream)
    assert json.loads(dialect.submit(ask, MODEL).body) == {"prompt": "rain", "style": "ballad"}
    text, title = "[Verse]\nla", "Rain"
    if upstream == "flat":
        upstreamed, seen = dialect.accepted(ask, 200, suno.lyrics("flat", text, title))
    else:
        answer = json.dumps({"id": TASK_ID} if upstream == "native" else {"code": "success", "data": TASK_ID}).encode()
        upstreamed, _ = dialect.accepted(ask, 200, answer)
        (polled,) = dialect.polled([Asked(ask, upstreamed)], 200, suno.lyrics(upstream, text, title, name=TASK_ID))
        assert polled is not None
        seen = polled
    view = viewed(ask, upstreamed, seen)
    shown = {
        "native": json.loads(native.lyrics(view)[2]),
        "task": json.loads(task.fetched_one(view)[2])["data"]["data"],
        "flat": json.loads(flat.lyrics(view)[2]),
    }[client]
    assert (shown["text"], shown["title"], shown["status"]) == (text, title, "complete")
    assert TASK_ID not in json.dumps(shown)
