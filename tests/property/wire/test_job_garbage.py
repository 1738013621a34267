"""Whatever comes is understood or refused: an upstream's answers by its dialect, a client's requests by its surface."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polyrelay.exchange.job import Ask, Result, Snapshot, Upstreamed
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import dialects, forms
from polyrelay.wire.dialect import Asked, Declined, Garbled
from polyrelay.wire.suno import requests as music_requests
from polyrelay.wire.suno.flat import chat
from polyrelay.wire.suno.flat import surface as flat
from polyrelay.wire.suno.native import surface as native
from polyrelay.wire.suno.task import surface as task
from polyrelay.wire.suno.view import JobView
from polyrelay.wire.videos import requests as video_requests
from polyrelay.wire.videos.aitoearn import surface as aitoearn
from polyrelay.wire.videos.openai import surface as openai
from polyrelay.wire.videos.view import VideoView

JOB = "px_" + "0a" * 14
SUNO: tuple[Ask, ...] = (MusicAsk("m"), LyricsAsk("p"), Concat("c"), Stems("c"))
CASES = [(name, ask) for name in dialects.DIALECTS for ask in (SUNO if "suno" in name else (VideoAsk("m", "p"),))]

KEYS = st.sampled_from(
    [
        *("id", "task_id", "clip_id", "clips", "data", "code", "status", "message", "error", "detail", "fail_reason"),
        *(
            "metadata",
            "prompt",
            "tags",
            "duration",
            "audio_url",
            "title",
            "text",
            "progress",
            "type",
            "history",
            "extra",
        ),
        *("error_message", "videoUrl", "coverUrl", "seconds", "size", "url", "expires_at", "created_at", "model_name"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(
        ["u1", "u2", "complete", "SUCCESS", "success", "FAILURE", "error", "streaming", "completed", "50%"]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
BODIES = ANYTHING.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 429, 500]) | st.integers(100, 599)
DEEP = b'{"id":"u1","status":"completed","x":' + b"[" * 400 + b"]" * 400 + b"}"


def honest(refusal: Declined | Garbled) -> None:
    """A refusal has words, and a status that blames somebody."""
    assert str(refusal)
    assert not isinstance(refusal, Declined) or 400 <= refusal.status <= 599


def telling(refusal: InvalidRequest) -> None:
    """A refusal says what is wrong."""
    assert refusal.message
    assert refusal.param is None or refusal.param.isprintable()


def understood(seen: Snapshot | None) -> None:
    """A snapshot can be stored, and is within its bounds."""
    if seen is None:
        return
    assert 0 <= seen.progress <= 100
    assert msgspec.json.decode(msgspec.json.encode(seen.result), type=Result | None) == seen.result
    assert seen.reason is None or seen.reason


def shown(ask: Ask, upstreamed: Upstreamed, seen: Snapshot) -> None:
    """Whatever was understood can be shown."""
    common: dict[str, Any] = {"job_id": JOB, "ask": ask, "stage": seen.stage, "created": 0, "reason": seen.reason}
    common |= {"result": seen.result, "upstreamed": upstreamed, "progress": seen.progress, "model": "m"}
    if isinstance(ask, VideoAsk):
        assert seen.result is None or isinstance(seen.result, Video)
        openai.one(VideoView(**common))
        aitoearn.one(VideoView(**common))
        return
    view = JobView(**common)
    task.fetched_one(view)
    if isinstance(ask, LyricsAsk):
        native.lyrics(view)
        flat.lyrics(view)
        return
    native.submitted(view)
    flat.submitted(view)
    native.feed([view], [JOB])


@pytest.mark.parametrize(("name", "ask"), CASES)
@settings(max_examples=60, deadline=None)
@given(status=STATUSES, body=BODIES)
@example(status=200, body=DEEP)
@example(status=200, body=b'{"clips":[' + DEEP + b"]}")
@example(status=500, body=DEEP)
def test_any_acceptance(name: str, ask: Ask, status: int, body: bytes) -> None:
    try:
        upstreamed, seen = dialects.DIALECTS[name].accepted(ask, status, body)
    except (Declined, Garbled) as refusal:
        honest(refusal)
        return
    understood(seen)
    assert upstreamed.ids or seen.stage.over
    assert all(0 < len(known) <= 256 for known in (*upstreamed.ids, *upstreamed.clips))
    shown(ask, upstreamed, seen)


@pytest.mark.parametrize(("name", "ask"), CASES)
@settings(max_examples=60, deadline=None)
@given(status=STATUSES, body=BODIES)
@example(status=200, body=b"[" + DEEP + b"]")
@example(status=200, body=b'{"code":"success","data":[{"task_id":"u1","status":"SUCCESS","data":[' + DEEP + b"]}]}")
def test_any_poll(name: str, ask: Ask, status: int, body: bytes) -> None:
    upstreamed = Upstreamed(("u1",), ("u1", "u2"))
    try:
        (seen,) = dialects.DIALECTS[name].polled([Asked(ask, upstreamed)], status, body)
    except (Declined, Garbled) as refusal:
        honest(refusal)
        return
    understood(seen)
    if seen is not None:
        shown(ask, msgspec.structs.replace(upstreamed, clips=seen.clips or upstreamed.clips), seen)


QUESTIONS = [(name, ask) for name in dialects.STUDIOS for ask in ("aligned", "persona_page")]


@pytest.mark.parametrize(("name", "question"), QUESTIONS)
@settings(max_examples=60, deadline=None)
@given(status=STATUSES, body=BODIES, inner=ANYTHING)
@example(status=200, body=DEEP, inner=None)
def test_any_answer_about_what_there_is(name: str, question: str, status: int, body: bytes, inner: object) -> None:
    persona = {"persona": {"id": "p", "clip": inner, "persona_clips": [{"clip": inner}, inner], "name": inner}}
    words = [{"word": inner, "start_s": 1, "end_s": 2}, {"start_s": inner, "end_s": inner}, inner]
    for text in (body, json.dumps(persona).encode(), json.dumps(words).encode()):
        try:
            told = getattr(dialects.STUDIOS[name], question)(status, text)
        except (Declined, Garbled) as refusal:
            honest(refusal)
        else:
            msgspec.json.encode(told)


Reader = Callable[[bytes], music_requests.Submission | video_requests.Submission]
READERS: dict[str, Reader] = {
    "native.generate": native.read_generate,
    "native.concat": native.read_concat,
    "native.lyrics": native.read_lyrics,
    "native.stems": lambda body: native.read_stems(body, "c"),
    "native.described": native.read_described,
    "flat.stems": flat.read_stems,
    "flat.chat": chat.read,
    "task.music": lambda body: task.read_submit("music", body),
    "task.lyrics": lambda body: task.read_submit("lyrics", body),
    "flat.generate": flat.read_generate,
    "flat.custom": flat.read_custom,
    "flat.extend": flat.read_extend,
    "aitoearn.create": aitoearn.read_create,
    "openai.create": lambda body: openai.read_create(forms.json(body)),
    "openai.form": lambda body: openai.read_create(forms.json(body), written=True),
}
ASKED = st.sampled_from(
    [
        *("prompt", "gpt_description_prompt", "tags", "title", "mv", "model", "make_instrumental", "continue_clip_id"),
        *("continue_at", "audio_id", "task", "clip_id", "is_infill", "seconds", "duration", "size", "resolution"),
        *("messages", "role", "content"),
        *("ratio", "image", "images", "input_reference", "notify_hook", "extra", "metadata", "seed", "Prompt"),
    ]
)
WISHED = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(ASKED, SCALARS, max_size=2)
REQUESTS = st.dictionaries(ASKED, WISHED, max_size=6)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=100, deadline=None)
@given(members=REQUESTS, prompt=st.booleans())
def test_any_request_is_asked_or_refused(reader: str, members: dict[str, Any], *, prompt: bool) -> None:
    given = {**members, "prompt": "p", "clip_id": "c", "model": "m"} if prompt else members
    try:
        submission = READERS[reader](json.dumps(given).encode())
    except InvalidRequest as refusal:
        telling(refusal)
        return
    assert msgspec.json.decode(msgspec.json.encode(submission.ask), type=Ask) == submission.ask
