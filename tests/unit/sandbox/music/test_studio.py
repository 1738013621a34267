import pytest

from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.music import studio as studio_module
from polyrelay.sandbox.music.clips import SongAsk
from polyrelay.sandbox.music.studio import Studio
from polyrelay.sandbox.script import Script


def test_old_songs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio_module, "_MOST_KEPT", 10)
    studio = Studio()
    first, *_ = studio.sing(SongAsk("m", "x"), Script(), Dice(b"x"), 0.0)
    for _ in range(5):
        studio.sing(SongAsk("m", "x"), Script(), Dice(b"x"), 0.0)
    assert studio.clips([first.id]) == []
    assert len(studio.jobs(0.0)) == 10


def test_ids_are_never_used_twice() -> None:
    made = [clip.id for _ in range(50) for clip in Studio().sing(SongAsk("m", "x"), Script(), Dice(b"x"), 0.0)]
    assert len(set(made)) == 100
