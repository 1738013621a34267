from dataclasses import replace
from pathlib import Path

import pytest

from polyrelay.config import load, places
from polyrelay.settings.channels import ChannelSettings, CredentialSettings
from polyrelay.settings.root import ServerSettings, Settings

FOLDER = Path("/etc/relay")
CHANNEL = ChannelSettings("a", "openai", "https://api.example/v1", (), ())


@pytest.mark.parametrize(
    ("named", "place"),
    [
        ("./data", "/etc/relay/data"),
        ("data", "/etc/relay/data"),
        ("../data", "/etc/relay/../data"),
        ("/var/lib/relay", "/var/lib/relay"),
    ],
)
def test_relative_paths_count_from_the_folder(named: str, place: str) -> None:
    server = ServerSettings(data=named, tls_certificate=named, tls_key=named)
    credentials = (CredentialSettings(file=named), CredentialSettings(env="E"), CredentialSettings(value="./v"))
    channel = replace(CHANNEL, ca_file=named, credentials=credentials)
    found = places.anchored(Settings(server=server, channels=(channel,)), FOLDER)
    assert found.server == ServerSettings(data=place, tls_certificate=place, tls_key=place)
    assert found.channels[0].ca_file == place
    assert found.channels[0].credentials == (CredentialSettings(file=place), *credentials[1:])


def test_what_is_not_named_stays_unnamed() -> None:
    found = places.anchored(Settings(channels=(CHANNEL,)), FOLDER)
    assert found.server == ServerSettings(data="/etc/relay/polyrelay-data")
    assert found.channels == (CHANNEL,)


def test_a_variables_paths_count_from_where_the_process_runs(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('[server]\ntls_certificate = "c.pem"\ntls_key = "k.pem"\n')
    server = load.load(file, {"POLYRELAY_SERVER__DATA": "./d", "POLYRELAY_SERVER__TLS_KEY": "t.pem"}).server
    assert (server.data, server.tls_key) == ("./d", "t.pem")
    assert server.tls_certificate == str(tmp_path / "c.pem")


def test_without_a_file_nothing_moves() -> None:
    assert load.load(None, {}).server.data == "./polyrelay-data"
