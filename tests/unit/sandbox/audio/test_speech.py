import shutil
from pathlib import Path

import pytest

from polyrelay.sandbox.audio import language, speech
from polyrelay.sandbox.audio.speech import RATE, Speech


@pytest.fixture(params=["espeak", "tones", "broken"])
def mouth(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """With espeak-ng as it is installed, without it, and with one that fails."""
    kind = str(request.param)
    if kind == "espeak" and shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    if kind != "espeak":
        monkeypatch.setenv("PATH", str(tmp_path))
    if kind == "broken":
        program = tmp_path / "espeak-ng"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    speech.speak.cache_clear()
    return kind


@pytest.mark.usefixtures("mouth")
def test_longer_texts_take_longer() -> None:
    short, long = speech.speak("Hello there."), speech.speak("Hello there, this is quite a bit longer than that.")
    assert 0.1 <= short.seconds < long.seconds < 20
    assert (short.text, max(short.samples) > 1000) == ("Hello there.", True)
    assert set(map(abs, short.samples)) <= set(range(32_769))


@pytest.mark.usefixtures("mouth")
def test_faster_is_shorter() -> None:
    text = "one two three four five six seven eight nine ten"
    assert speech.speak(text, speed=2.0).seconds < speech.speak(text).seconds < speech.speak(text, speed=0.5).seconds


@pytest.mark.usefixtures("mouth")
def test_the_same_words_sound_the_same_and_voices_differ() -> None:
    first = speech.speak("hello")
    speech.speak.cache_clear()
    assert speech.speak("hello") == first
    assert speech.speak("hello", "nova").samples != first.samples


@pytest.mark.usefixtures("mouth")
@pytest.mark.parametrize("text", ["...", " ", "-v evil --stdout", "你好", "word " * 60])
def test_any_text_gives_some_sound(text: str) -> None:
    assert speech.speak(text).seconds >= 0.1


def test_a_wanted_length_is_exact() -> None:
    spoken = Speech(speech.silence(RATE), "x")
    for seconds in (0.5, 1.0, 2.25):
        assert spoken.lasting(seconds).seconds == seconds


def test_languages() -> None:
    said = ["hello", "你好", "こんにちは世界", "안녕하세요", "привет"]
    assert [language.guessed(text) for text in said] == ["en", "zh", "ja", "ko", "ru"]
    assert (language.name("zh"), language.name("xx"), language.espeak_voice("你好")) == ("chinese", "xx", "cmn")
