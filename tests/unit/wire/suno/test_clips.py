from typing import Any

import pytest

from polyrelay.exchange.music import Clip, ClipStatus
from polyrelay.wire.suno import clips
from support import suno

CLIP = "3435e194-50e7-4edc-9442-bffe072fccfc"


def test_a_native_clip() -> None:
    clip = clips.read(suno.clip(CLIP, "complete", {"has_vocal": True}, entity_type="song"))
    assert clip is not None
    assert clip.status is ClipStatus.COMPLETE
    assert (clip.title, clip.tags, clip.negative_tags, clip.lyrics) == ("Weekend", "salsa", "metal", "[Verse]\n\nLa la")
    assert (clip.model, clip.major_version, clip.duration, clip.kind) == ("chirp-crow", "v5", 61.5, "gen")
    assert clip.extra["entity_type"] == "song"
    assert clip.extra["play_count"] == 7
    assert clip.metadata["has_vocal"] is True
    assert not {"id", "title", "metadata", "status"} & clip.extra.keys()


def test_a_flat_clip_says_the_same() -> None:
    native = suno.clip(CLIP, "streaming", {"error_message": "why", "duration": "61.5"})
    there, here = clips.read(native), clips.read(suno.audio_info(native))
    assert there is not None
    assert here is not None
    for name in ("id", "status", "title", "audio_url", "lyrics", "tags", "negative_tags", "duration", "error_message"):
        assert getattr(here, name) == getattr(there, name)


def test_written_natively_it_reads_the_same() -> None:
    clip = clips.read(suno.clip(CLIP, "complete", {"gpt_description_prompt": "d", "error_type": "e", "bpm": 90}))
    assert clip is not None
    again = clips.read(clips.native(clip))
    assert again is not None
    for name in Clip.__struct_fields__:
        if name not in {"extra", "metadata"}:
            assert getattr(again, name) == getattr(clip, name)
    assert clip.metadata.items() <= again.metadata.items()


@pytest.mark.parametrize(
    ("members", "default", "status"),
    [
        ({"status": "submitted"}, None, ClipStatus.SUBMITTED),
        ({"status": " Complete "}, None, ClipStatus.COMPLETE),
        ({"status": "failed"}, None, ClipStatus.ERROR),
        ({"status": "mixing"}, ClipStatus.COMPLETE, ClipStatus.QUEUED),
        ({"status": "mixing", "audio_url": "u"}, None, ClipStatus.STREAMING),
        ({}, ClipStatus.COMPLETE, ClipStatus.COMPLETE),
        ({}, None, ClipStatus.QUEUED),
        ({"status": 5, "audio_url": "u"}, None, ClipStatus.STREAMING),
    ],
)
def test_statuses(members: dict[str, Any], default: ClipStatus | None, status: ClipStatus) -> None:
    clip = clips.read({"id": "a", **members}, default)
    assert clip is not None
    assert clip.status is status


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ([{"id": "a"}, {"id": "b"}, {"id": "a"}], ["a", "b"]),
        ({"clips": [{"id": "a"}, 1, None, {"no": 1}]}, ["a"]),
        ([{"clip_id": "a"}], ["a"]),
        ([{"id": 7}], ["7"]),
        ({"id": "batch", "status": "complete"}, []),
        ({"clips": {"id": "a"}}, []),
        ("x", []),
        (None, []),
        ([[{"id": "a"}]], []),
        ([{"id": str(number)} for number in range(40)], [str(number) for number in range(16)]),
    ],
)
def test_lists(given: Any, ids: list[str]) -> None:
    assert [clip.id for clip in clips.read_all(given)] == ids


def test_one_by_itself() -> None:
    assert [clip.id for clip in clips.read_any({"id": "a"})] == ["a"]
    assert [clip.id for clip in clips.read_any({"clips": [{"id": "a"}]})] == ["a"]
    assert clips.read_any({"status": "complete"}) == []


def test_members_of_a_wrong_type_are_not_there() -> None:
    clip = clips.read({"id": "a", "title": 5, "metadata": [], "audio_url": None, "duration": "long", "prompt": {}})
    assert clip == Clip("a", ClipStatus.QUEUED)


def test_deep_strangers_are_dropped() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    clip = clips.read({"id": "a", "x": deep, "y": [1], "metadata": {"z": deep}})
    assert clip is not None
    assert (clip.extra, clip.metadata) == ({"y": [1]}, {})
