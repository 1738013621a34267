from pathlib import Path

import pytest

from polyrelay.config.channels import resolve
from polyrelay.config.load import read
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.channels import ChannelSettings, CredentialSettings, ModelSettings
from polyrelay.settings.root import Settings
from polyrelay.settings.timeouts import Timeouts


def settings(*credentials: CredentialSettings) -> Settings:
    channel = ChannelSettings(
        name="main",
        provider="openai",
        base_url="https://api.example.com/v1/",
        credentials=credentials,
        models=(ModelSettings("a"), ModelSettings("fast", "b-mini")),
        priority=2,
        weight=3,
        timeouts=Timeouts(idle=9),
        proxy="http://proxy:3128",
        http2=False,
        ca_file="ca.pem",
    )
    return Settings(channels=(channel,))


def test_a_channel_is_made_ready(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    (channel,) = resolve(
        settings(
            CredentialSettings(env="MAIN"),
            CredentialSettings(file=str(file), name="spare"),
            CredentialSettings(value="literal"),
        ),
        {"MAIN": " from-env "},
    )
    assert [(each.name, each.secret) for each in channel.credentials] == [
        ("#1", "from-env"),
        ("spare", "from-file"),
        ("#3", "literal"),
    ]
    assert channel.base_url == "https://api.example.com/v1"
    assert dict(channel.models) == {"a": "a", "fast": "b-mini"}
    assert (channel.priority, channel.weight, channel.timeouts.idle) == (2, 3, 9)
    assert (channel.proxy, channel.http2, channel.ca_file) == ("http://proxy:3128", False, "ca.pem")
    assert "from-env" not in repr(channel)


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (CredentialSettings(env="MAIN"), "channels[0].credentials[0].env: environment variable MAIN is not set"),
        (CredentialSettings(env="BLANK"), "environment variable BLANK holds no key"),
        (CredentialSettings(env="ODD"), "environment variable ODD holds no key"),
        (CredentialSettings(file="/nowhere/key"), "credentials[0].file: file /nowhere/key cannot be read"),
    ],
)
def test_what_cannot_be_fetched_is_named(credential: CredentialSettings, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(settings(credential), {"BLANK": " ", "ODD": "hunter2\r\nx: y"})
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_line_is_told_when_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(
        '[[channels]]\nname = "m"\nprovider = "p"\nbase_url = "http://x"\nmodels = ["a"]\n'
        'credentials = [{ env = "E" }]\n'
    )
    configuration = read(path, {})
    with pytest.raises(ConfigurationError, match=r"relay\.toml:6: channels\[0\]\.credentials\[0\]\.env"):
        resolve(configuration.settings, {}, configuration.source.where)
