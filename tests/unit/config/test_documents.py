import pytest

from polyrelay.config import documents
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.channels import ChannelSettings, CredentialSettings, ModelSettings

DOCUMENT = {
    "name": "main",
    "provider": "openai",
    "base_url": "https://api.example.com/v1/",
    "models": ["gpt-4o", {"name": "fast", "upstream": "gpt-4o-mini"}],
    "timeouts": {"connect": 2},
    "client_gone": "drain",
}
PROVIDERS = {"openai"}


def test_a_kept_channel_is_as_one_of_the_file() -> None:
    made = documents.channel(DOCUMENT, [("k1", "sk-1"), ("k2", "sk-2")], PROVIDERS)
    assert [(each.name, each.secret) for each in made.credentials] == [("k1", "sk-1"), ("k2", "sk-2")]
    assert dict(made.models) == {"gpt-4o": "gpt-4o", "fast": "gpt-4o-mini"}
    assert (made.base_url, made.timeouts.connect, made.drains) == ("https://api.example.com/v1", 2.0, True)


def test_every_problem_has_its_path() -> None:
    wrong = {**DOCUMENT, "provider": "nobody", "models": ["a", "a"]}
    assert [problem.path for problem in documents.problems(wrong, PROVIDERS)] == [("provider",), ("models", 1)]
    assert [problem.path for problem in documents.problems({**DOCUMENT, "credentials": []}, PROVIDERS)] == [
        ("credentials",)
    ]
    with pytest.raises(ConfigurationError, match="channel 'main' in the database"):
        documents.channel({**DOCUMENT, "weight": 0}, [("k", "s")], PROVIDERS)


def test_a_channel_is_shown_without_its_credentials_and_taken_back() -> None:
    settings = ChannelSettings(
        "main", "openai", "https://a.test", (ModelSettings("m"),), (CredentialSettings(value="sk-secret"),)
    )
    shown = documents.shown(settings)
    assert "sk-secret" not in str(shown)
    assert documents.problems(shown, PROVIDERS) == []


def test_a_channel_of_a_vendor_that_needs_no_key_needs_none() -> None:
    document = {"name": "gpu", "provider": "sdwebui", "base_url": "http://gpu.test:7860", "models": ["sdxl"]}
    made = documents.channel({**document, "scripts": ["ADetailer"], "concurrency": 2}, [], {"sdwebui"})
    assert [each.secret for each in made.credentials] == [""]
    assert (made.concurrency, sorted(made.scripts)) == (2, ["adetailer"])
    assert documents.channel(DOCUMENT, [], PROVIDERS).credentials == ()


def test_what_is_shown_is_what_was_written() -> None:
    settings = ChannelSettings("gpu", "sdwebui", "http://gpu.test", (ModelSettings("m"),))
    shown = documents.shown(settings)
    assert "timeouts" not in shown
    assert "concurrency" not in shown
    assert documents.problems(shown, {"sdwebui"}) == []
