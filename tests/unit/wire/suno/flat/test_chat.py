import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, MusicAsk, Song
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.suno.flat import chat
from polyrelay.wire.suno.view import JobView

JOB = "px_" + "0a" * 14
CLIP = Clip(
    "up-a",
    ClipStatus.STREAMING,
    title="Rain\n# Two",
    lyrics="[Verse]\nla la\n",
    audio_url="https://a",
    image_url="https://i",
)
VIEW = JobView(
    job_id=JOB,
    ask=MusicAsk("m", description="rain"),
    model="m",
    stage=Stage.RUNNING,
    created=1_700_000_000,
    upstreamed=Upstreamed(("up-a", "up-b"), ("up-a", "up-b")),
    result=Song((CLIP, msgspec.structs.replace(CLIP, id="up-b", audio_url="https://b"))),
)


def message(content: object, role: str = "user") -> dict[str, object]:
    return {"role": role, "content": content, "name": "x"}


def read(*messages: object, **more: Any) -> Any:
    return chat.read(json.dumps({"messages": messages, **more}).encode())


def test_the_last_message_of_a_user_describes_the_song() -> None:
    said = (message("be brief", "system"), message("sun"), message("rain"), message("la", "assistant"))
    asked = read(*said, stream=True, temperature=0.5, tools=[], notify_hook="https://h")
    assert asked.ask == MusicAsk("chirp-v3-5", description="rain")
    assert (asked.wait, asked.hook) == (True, None)
    asked = read(message("rain"), model="chirp-v4", make_instrumental=True)
    assert asked.ask == MusicAsk("chirp-v4", description="rain", instrumental=True)


def test_content_may_be_in_parts() -> None:
    parts = [{"type": "text", "text": "a song"}, {"type": "text", "text": "about rain"}]
    assert read(message(parts)).ask == MusicAsk("chirp-v3-5", description="a song\nabout rain")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [message("hi", "system")],
        [message("")],
        [message(" \n")],
        [message(None)],
        [message([])],
        [message([{"type": "image_url", "image_url": {"url": "https://i"}}])],
        [message("x" * 10_001)],
        ["rain"],
        [{"content": "rain"}],
        [message(5)],
        [message("rain"), message(None)],
    ],
)
def test_what_describes_nothing_is_refused(messages: list[object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(*messages)
    assert (caught.value.param or "").startswith("messages")


def test_a_chat_without_messages() -> None:
    for body in (b"{}", b'{"messages":null}', b'{"messages":"rain"}', b"[]"):
        with pytest.raises(InvalidRequest):
            chat.read(body)


def test_the_song_is_told_in_markdown() -> None:
    told = chat.told(VIEW)
    assert told is not None
    status, headers, body = told
    assert (status, dict(headers)[b"content-type"]) == (200, b"text/plain; charset=utf-8")
    assert body.decode() == (
        "## Rain # Two\n\n![Cover](https://i)\n\n### Lyrics\n\n[Verse]\nla la\n\n"
        "### Listen\n\n- [Take 1](https://a)\n- [Take 2](https://b)\n"
    )


def test_what_is_not_there_is_left_out() -> None:
    bare = Song((Clip("up-a", ClipStatus.ERROR), Clip("up-b", ClipStatus.COMPLETE, audio_url="https://b")))
    told = chat.told(msgspec.structs.replace(VIEW, result=bare, stage=Stage.SUCCEEDED))
    assert told is not None
    assert told[2] == b"## Untitled\n\n### Listen\n\n- [Take 1](https://b)\n"


def test_a_song_that_failed_and_one_that_is_not_there_yet() -> None:
    failed = chat.told(msgspec.structs.replace(VIEW, stage=Stage.FAILED, reason="flagged"))
    assert failed is not None
    assert (failed[0], json.loads(failed[2])) == (500, {"error": "flagged"})
    assert chat.told(msgspec.structs.replace(VIEW, result=None)) is None
