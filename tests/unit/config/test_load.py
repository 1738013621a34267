from pathlib import Path

import pytest

from polyrelay.config.load import load, read
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.channels import CredentialSettings, ModelSettings
from polyrelay.settings.limits import LimitSettings
from polyrelay.settings.root import Settings
from polyrelay.settings.timeouts import TimeoutSettings

EXAMPLE = """\
[server]
host = "0.0.0.0"
port = 8081
forwarded_networks = ["10.0.0.0/8"]

[bounds]
body_bytes = 1000
header_seconds = 5

[answers]
reveal_channel = true
[cors]
origins = ["https://app.example.com"]
[log]
level = "debug"
[key_defaults]
concurrency = 3
[[limits]]
model = "gpt-4*"
group = "vip"
each = "account"
requests_per_day = 1000

[[channels]]
name = "main"
provider = "openai"
base_url = "https://api.example.com/v1"
credentials = [{ env = "MAIN_API_KEY" }]
models = ["gpt-4o", { name = "fast", upstream = "gpt-4o-mini" }]
priority = 1
weight = 2
proxy = "socks5h://user:pass@proxy.example.com:1080"
[channels.timeouts]
connect = 1
"""

CHANNEL = """\
[[channels]]
name = "main"
provider = "openai"
base_url = "https://api.example.com/v1"
credentials = [{ env = "MAIN_API_KEY" }]
models = ["gpt-4o"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "relay.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    path = written(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, environ or {}, providers=("openai", "deepseek"))
    return str(caught.value).replace(str(path), "relay.toml")


def test_nothing_gives_the_defaults() -> None:
    assert load(None, {"HOME": "/root"}) == Settings()


def test_the_example(tmp_path: Path) -> None:
    settings = load(written(tmp_path, EXAMPLE), {}, providers=("openai",))
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8081)
    assert settings.server.forwarded_networks == ("10.0.0.0/8",)
    assert settings.bounds.body_bytes == 1000
    assert settings.bounds.header_seconds == 5.0
    assert isinstance(settings.bounds.header_seconds, float)
    assert settings.answers.reveal_channel is True
    assert settings.cors.origins == ("https://app.example.com",)
    assert settings.log.level == "debug"
    assert settings.key_defaults.concurrency == 3
    assert settings.limits == (LimitSettings("gpt-4*", "vip", "account", requests_per_day=1000),)
    (channel,) = settings.channels
    assert channel.credentials == (CredentialSettings(env="MAIN_API_KEY"),)
    assert channel.models == (ModelSettings("gpt-4o"), ModelSettings("fast", "gpt-4o-mini"))
    assert channel.timeouts == TimeoutSettings(connect=1.0)
    assert (channel.priority, channel.weight) == (1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nport = 70000\n", "relay.toml:2: server.port: found 70000; allowed: 0 to 65535"),
        ('[server]\nport = "80"\n', 'relay.toml:2: server.port: found "80"; allowed: 0 to 65535'),
        ("[server]\nport = true\n", "relay.toml:2: server.port: found true"),
        ("[server]\nprot = 1\n", "relay.toml:2: server.prot: unknown key; allowed: did you mean port?"),
        ("[sever]\nport = 1\n", "relay.toml:1: sever: unknown key; allowed: did you mean server?"),
        ("server = 5\n", "relay.toml:1: server: found 5; allowed: a table with host, port"),
        ("[bounds]\n\nbody_bytes = 0\n", "relay.toml:3: bounds.body_bytes: found 0; allowed: a number above 0"),
        ("[bounds]\nbody_bytes = 1.5\n", "relay.toml:2: bounds.body_bytes: found 1.5"),
        ("[bounds]\nbody_seconds = nan\n", "relay.toml:2: bounds.body_seconds: found nan"),
        ("[cors]\norigins = 'x'\n", 'relay.toml:2: cors.origins: found "x"; allowed: a list'),
        ("[cors]\norigins = [\n 'https://a.example',\n 'a b']\n", 'relay.toml:4: cors.origins[1]: found "a b"'),
        ("[log]\nlevel = 'loud'\n", 'log.level: found "loud"; allowed: debug, info, warning or error'),
        ("[log]\nlevel = 1979-05-27\n", "log.level: found 1979-05-27; allowed: debug"),
        ("[key_defaults]\nconcurrency = -1\n", "key_defaults.concurrency: found -1; allowed: 0 (unlimited) or more"),
        ("[[limits]]\nconcurrency = -1\n", "relay.toml:2: limits[0].concurrency: found -1; allowed: 0 (unlimited)"),
        ("[[limits]]\neach = 'user'\n", 'limits[0].each: found "user"; allowed: account or key'),
        ("[[limits]]\ngroup = ''\nconcurrency = 1\n", 'limits[0].group: found ""'),
        ("[[limits]]\nmodel = 'm'\n", "relay.toml:1: limits[0]: a rule that limits nothing; allowed: at least one"),
        ("[[limits]]\nconcurrency = 1\n" * 2, "relay.toml:3: limits[1]: a second rule for the same model, group"),
        ("[server]\nforwarded_networks = ['x/8']\n", 'server.forwarded_networks[0]: found "x/8"; allowed: networks'),
        ("[server]\ntls_key = 'k'\n", "relay.toml:2: server.tls_key: no tls_certificate beside it"),
        ("[server\nport = 1\n", "relay.toml:1: not valid TOML"),
        ("[server]\nport = \n", "relay.toml:2: not valid TOML"),
        ("[[channels]]\nname = 'a'\n", "relay.toml:1: channels[0]: provider is missing"),
        (CHANNEL + "weight = 0\n", "relay.toml:7: channels[0].weight: found 0; allowed: 1 or more"),
        (CHANNEL + "timeouts = { idle = 0 }\n", "relay.toml:7: channels[0].timeouts.idle: found 0"),
        (CHANNEL + CHANNEL, 'relay.toml:8: channels[1].name: a second channel named "main"'),
        (CHANNEL.replace("openai", "deepsek"), 'relay.toml:3: channels[0].provider: unknown provider "deepsek"'),
        (CHANNEL.replace("openai", "deepsek"), "allowed: did you mean deepseek?"),
        (CHANNEL.replace('["gpt-4o"]', '["a", "a"]'), 'relay.toml:6: channels[0].models[1]: "a" is listed twice'),
        (CHANNEL.replace('["gpt-4o"]', "[]"), "relay.toml:6: channels[0].models: an empty list"),
        (CHANNEL.replace('["gpt-4o"]', '[""]'), "relay.toml:6: channels[0].models[0].name:"),
        (CHANNEL.replace('["gpt-4o"]', "[{}]"), "relay.toml:6: channels[0].models[0]: name is missing"),
        (
            CHANNEL.replace('{ env = "MAIN_API_KEY" }', "{}"),
            "toml:5: channels[0].credentials[0]: found no source",
        ),
        (CHANNEL.replace("env = ", "file = 'f', env = "), "credentials[0]: found env and file; allowed: exactly one"),
        (CHANNEL.replace('"MAIN_API_KEY"', '""'), "credentials[0].env: found nothing"),
        (CHANNEL.replace("https://api.example.com/v1", "ftp://x"), "relay.toml:4: channels[0].base_url: found a text"),
        (CHANNEL.replace("/v1", "/v1?key=1"), "channels[0].base_url: found a text; allowed: an http:// or https://"),
        (CHANNEL.replace("api.example.com", "api.example.com:99999"), "channels[0].base_url"),
        (CHANNEL + "proxy = 'ssh://h'\n", "relay.toml:7: channels[0].proxy: found a text; allowed: an http://"),
    ],
)
def test_mistakes_are_named_with_file_line_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, "[server]\nport = -1\nhots = 'x'\n[log]\nformat = 'xml'\n")
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    [
        CHANNEL.replace('[{ env = "MAIN_API_KEY" }]', '["hunter2-secret"]'),
        CHANNEL.replace('[{ env = "MAIN_API_KEY" }]', '"hunter2-secret"'),
        CHANNEL.replace('env = "MAIN_API_KEY"', 'valeu = "hunter2-secret"'),
        CHANNEL.replace('env = "MAIN_API_KEY"', 'value = ["hunter2-secret"]'),
        CHANNEL.replace('env = "MAIN_API_KEY"', 'value = "hunter2-secret", env = "X"'),
        CHANNEL + 'api_key = "hunter2-secret"\n',
        CHANNEL.replace("https://", "https://user:hunter2-secret@"),
        CHANNEL + 'proxy = "http://user:hunter2-secret@proxy/path"\n',
    ],
)
def test_no_message_repeats_a_secret(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in refused(tmp_path, text)


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    environ = {
        "POLYRELAY_SERVER__PORT": "9000",
        "POLYRELAY_ANSWERS__REVEAL_CHANNEL": "false",
        "POLYRELAY_BOUNDS__BODY_SECONDS": "7",
        "POLYRELAY_CORS__ORIGINS": "https://a.example, *",
        "POLYRELAY_SERVER__TLS_CERTIFICATE": "c.pem",
        "POLYRELAY_SERVER__TLS_KEY": "k.pem",
    }
    settings = load(written(tmp_path, EXAMPLE), environ)
    assert (settings.server.port, settings.server.host) == (9000, "0.0.0.0")
    assert settings.answers.reveal_channel is False
    assert settings.bounds.body_seconds == 7.0
    assert settings.cors.origins == ("https://a.example", "*")
    assert settings.server.tls_key == "k.pem"


def test_a_variable_can_name_the_file_and_the_argument_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 1\n")
    assert load(None, {"POLYRELAY_CONFIG": str(path)}).server.port == 1
    assert load(path, {"POLYRELAY_CONFIG": "/nowhere"}).server.port == 1


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("POLYRELAY_SERVER__PORT", "x", 'environment: POLYRELAY_SERVER__PORT: server.port: found "x"; allowed: 0 to'),
        ("POLYRELAY_SERVER__PORT", "70000", "environment: POLYRELAY_SERVER__PORT: server.port: found 70000"),
        ("POLYRELAY_ANSWERS__REVEAL_CHANNEL", "maybe", 'found "maybe"; allowed: true or false'),
        ("POLYRELAY_SERVER__PROT", "1", "environment: POLYRELAY_SERVER__PROT: unknown variable; allowed: did you mean"),
        ("POLYRELAY_SERVER__PROT", "1", "POLYRELAY_SERVER__PORT"),
        ("POLYRELAY_CHANNELS__0__NAME", "x", "unknown variable"),
    ],
)
def test_bad_variables_are_named(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {variable: value})
    assert message in str(caught.value)


def test_variables_of_other_use_are_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, CHANNEL.replace("MAIN_API_KEY", "POLYRELAY_MAIN_KEY"))
    environ = {"POLYRELAY_MAIN_KEY": "k", "POLYRELAY_PORT": "tcp://10.0.0.1:80", "POLYRELAY_SERVICE_HOST": "10.0.0.1"}
    assert load(path, environ).channels[0].name == "main"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: No such file"):
        load(tmp_path / "absent.toml", {})
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# \xe4\n")
    with pytest.raises(ConfigurationError, match=r"latin\.toml: not UTF-8"):
        load(path, {})
    path.write_bytes(b"\xef\xbb\xbf[server]\r\nport = 5\r\n")
    assert load(path, {}).server.port == 5


def test_a_source_tells_where_a_setting_came_from(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLE)
    source = read(path, {"POLYRELAY_SERVER__PORT": "1"}).source
    assert source.where(("server", "port")) == "environment: POLYRELAY_SERVER__PORT"
    assert source.where(("server", "host")) == f"{path}:2"
