from dataclasses import replace
from pathlib import Path

import pytest

from polyrelay.config.channels import resolve
from polyrelay.config.load import read
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.routing.channel import Channel
from polyrelay.sandbox import certificate as sandbox_certificate
from polyrelay.sandbox.certificate import Certificates
from polyrelay.settings.channels import ChannelSettings, CredentialSettings, ModelSettings
from polyrelay.settings.root import ServerSettings, Settings
from polyrelay.settings.timeouts import Timeouts, TimeoutSettings


def settings(*credentials: CredentialSettings) -> Settings:
    channel = ChannelSettings(
        name="main",
        provider="openai",
        base_url="https://api.example.com/v1/",
        credentials=credentials,
        models=(ModelSettings("a"), ModelSettings("fast", "b-mini")),
        priority=2,
        weight=3,
        timeouts=TimeoutSettings(idle=9),
        proxy="http://proxy:3128",
        http2=False,
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
    assert (channel.proxy, channel.http2) == ("http://proxy:3128", False)
    assert "from-env" not in repr(channel)


def of(provider: str, **terms: object) -> Channel:
    channel = ChannelSettings("c", provider, "http://host:7860", (ModelSettings("m"),), **terms)  # type: ignore[arg-type]
    return resolve(Settings(channels=(channel,)), {})[0]


def test_what_a_channel_does_not_say_is_as_with_its_vendor() -> None:
    key = (CredentialSettings(value="v"),)
    plain = of("openai", credentials=key)
    assert (plain.timeouts, plain.concurrency, plain.drains) == (Timeouts(), 0, False)
    slow = of("sdwebui", timeouts=TimeoutSettings(connect=2))
    assert slow.timeouts == Timeouts(connect=2, first_byte=1800, total=2100)
    assert (slow.concurrency, slow.drains, slow.waiting) == (1, True, 64)
    told = of("sdwebui", concurrency=0, client_gone="cancel", waiting=3, scripts=("ADetailer",))
    assert (told.concurrency, told.drains, told.waiting) == (0, False, 3)
    assert told.scripts == {"adetailer"}
    assert of("openai", credentials=key, concurrency=2, client_gone="drain").drains


def test_a_vendor_that_needs_no_key_is_called_without_one() -> None:
    (credential,) = of("sdwebui").credentials
    assert credential.secret == ""


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


# ── TLS files ────────────────────────────────────────────────────────────────────────────────────────────────────


def trusting(ca_file: Path) -> Settings:
    (channel,) = settings(CredentialSettings(value="v")).channels
    return Settings(channels=(replace(channel, ca_file=str(ca_file)),))


def serving(chain: Path, key: Path) -> Settings:
    return Settings(server=ServerSettings(tls_certificate=str(chain), tls_key=str(key)))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return sandbox_certificate.ensure(tmp_path_factory.mktemp("tls"))


def test_authorities_that_load_are_taken(files: Certificates) -> None:
    (channel,) = resolve(trusting(files.ca), {})
    assert channel.ca_file == str(files.ca)


@pytest.mark.parametrize(
    ("text", "found"), [(None, "cannot be read: No such file"), ("", "holds no cert"), ("nothing", "holds no cert")]
)
def test_authorities_that_do_not_load_are_named(text: str | None, found: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        resolve(trusting(file), {})
    assert str(caught.value).startswith(f"configuration: channels[0].ca_file: file {file} {found}")
    assert str(caught.value).endswith("; allowed: a PEM file of the authorities to trust")


def test_a_certificate_that_loads_is_taken(files: Certificates) -> None:
    assert resolve(serving(files.chain, files.key), {}) == ()


MISSING = Path("/nowhere/file")


def test_a_missing_certificate_or_key_is_named(files: Certificates) -> None:
    for name, wanted in (("certificate", serving(MISSING, files.key)), ("key", serving(files.chain, MISSING))):
        with pytest.raises(
            ConfigurationError, match=rf": server\.tls_{name}: file /nowhere/file cannot be read: No such"
        ):
            resolve(wanted, {})


def test_a_key_of_another_certificate_is_refused(files: Certificates, tmp_path: Path) -> None:
    other = sandbox_certificate.ensure(tmp_path)
    with pytest.raises(ConfigurationError, match=r"server\.tls_certificate: .* does not load with .*; allowed: PEM"):
        resolve(serving(files.chain, other.key), {})


def test_a_text_that_is_no_certificate_is_refused(files: Certificates) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.tls_certificate: .* does not load with .*; allowed: PEM"):
        resolve(serving(Path(__file__), files.key), {})
