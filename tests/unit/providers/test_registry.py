import pytest

from polyrelay.providers.registry import PROFILES


def test_names_are_those_operators_write() -> None:
    assert set(PROFILES) == {
        "openai",
        "openai_compatible",
        "deepseek",
        "mistral",
        "whisper_asr",
        "aitoearn",
        "suno_native",
        "suno_task",
        "suno_flat",
        "sdwebui",
        "reactor",
        "sandbox",
    }


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_filed_under_its_name_and_has_a_path(name: str) -> None:
    profile = PROFILES[name]
    assert profile.name == name
    assert profile.title
    assert profile.paths or profile.dialect
    assert all(path.startswith("/") for path in profile.paths.values())


def test_mistral_is_not_asked_for_usage_it_would_refuse() -> None:
    assert [name for name, profile in PROFILES.items() if not profile.takes_stream_options] == ["mistral"]
