from typing import Any

import pytest

from polyrelay.wire import disclosure

CLIP = "3435e194-50e7-4edc-9442-bffe072fccfc"
STRANGER = "9a8b7c6d-0000-4111-8222-333344445555"
SEEN = disclosure.of({CLIP: "px_1-0", "task-77-abcdef": "px_1", "17": "px_1-1"})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"audio_prompt_id": CLIP}, {"audio_prompt_id": "px_1-0"}),
        ({"audio_prompt_id": STRANGER}, {}),
        ({"root_id": "short"}, {}),
        ({"clip_id": "17", "n": 17, "clip_no_id": 17}, {"clip_id": "px_1-1", "n": 17, "clip_no_id": "px_1-1"}),
        ({"some_id": 18, "a_id": None, "b_id": "", "c_id": True}, {"a_id": None, "b_id": "", "c_id": True}),
        ({"personaId": STRANGER, "ids": [CLIP, STRANGER, 3]}, {"ids": ["px_1-0"]}),
        (
            {"history": [{"id": CLIP, "continue_at": 5}, {"id": STRANGER, "x": 1}]},
            {"history": [{"id": "px_1-0", "continue_at": 5}, {"x": 1}]},
        ),
        ({"concat_id": "m_" + CLIP}, {"concat_id": "m_px_1-0"}),
        ({"note": f"made of {CLIP}"}, {"note": "made of px_1-0"}),
        ({"note": f"made of {STRANGER}"}, {}),
        ({"note": "6710c3f2a1b2c3d4e5f60718"}, {}),
        ({"note": "task_a1b2c3d4e5f6g7h8"}, {}),
        ({"key": "sk-proj-abcdefghijklmnop"}, {}),
        ({"note": "seventeen 17"}, {"note": "seventeen 17"}),
        ({STRANGER: 1, CLIP: 2, "task-77-abcdef/x": 3}, {"px_1-0": 2, "px_1/x": 3}),
        ({"user_id": 5, "user": {"name": "o"}, "display_name": "o", "handle": "o", "email": "o@o.o"}, {}),
        ({"notify_hook": "https://relay", "callbackUrl": "https://relay"}, {}),
        ({"audio_url_hd": f"https://cdn/{CLIP}"}, {"audio_url_hd": "https://cdn/px_1-0"}),
        ({"wav_url": f"https://cdn/{CLIP}.wav"}, {"wav_url": f"https://cdn/{CLIP}.wav"}),
        ({"wav_url": CLIP}, {"wav_url": "px_1-0"}),
        (
            {"has_vocal": True, "bpm": 99.5, "tags": ["a"], "x": None},
            {"has_vocal": True, "bpm": 99.5, "tags": ["a"], "x": None},
        ),
        ({"genre": "high-energy-90s-synth-pop-anthem"}, {"genre": "high-energy-90s-synth-pop-anthem"}),
    ],
)
def test_what_passes(given: dict[str, Any], shown: dict[str, Any]) -> None:
    assert SEEN.members(given) == shown


def test_longer_names_go_first() -> None:
    seen = disclosure.of({"px_upstream": "px_mine", "px_upstream-0": "px_mine-0"})
    assert seen.text("px_upstream-0 of px_upstream") == "px_mine-0 of px_mine"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Song flagged: copyrighted lyrics (v3.5), try again.", "Song flagged: copyrighted lyrics (v3.5), try again."),
        (f"clip {CLIP} and {STRANGER} failed", "clip … and … failed"),
        ("dial tcp 10.1.2.3:8443: refused", "dial tcp …: refused"),
        ("GET https://studio-api.suno.ai/x?token=1 failed", "GET … failed"),
        ("studio-api.suno.ai unreachable", "… unreachable"),
        ("At Api.Example.COM:8443: gone.Try again", "At …: gone.Try again"),
        ("mail operator@example.org", "mail …"),
        ("key sk-abcdefghijklmnop1234 is out of credits", "key … is out of credits"),
        ("  padded  ", "padded"),
        ("", ""),
        ("z" * 600, "z" * 500),
    ],
)
def test_reasons_tell_nothing_of_the_inside(said: str, shown: str) -> None:
    assert SEEN.reason(said) == shown


def test_reasons_are_found_in_short_time() -> None:
    for hostile in ("a" * 100_000, "a-" * 50_000, "a." * 50_000, "a_1" * 30_000, "0" * 100_000 + "g"):
        SEEN.reason(hostile)
        SEEN.members({"x": hostile})
