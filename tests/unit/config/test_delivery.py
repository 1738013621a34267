"""What follows a job, as an operator writes it down."""

from pathlib import Path

import pytest

from polyrelay.config.load import load
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.settings.root import Settings
from polyrelay.settings.webhooks import WebhookSettings

ALL = """\
[server]
public_url = "https://relay.example.com"
[webhooks]
enabled = true
allow_http = false
allowed_ports = [8443, 9443]
allowed_networks = ["10.1.2.0/24"]
attempts = 5
timeout_seconds = 3
retention_days = 0
[artefacts]
place = "s3"
s3_bucket = "things"
s3_endpoint = "https://minio.example.com:9000"
largest_bytes = 1000
"""


def read(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    path = folder / "relay.toml"
    path.write_text(text)
    return load(path, environ or {}, providers=("openai",))


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    found = read(tmp_path, ALL)
    assert found.server.public_url == "https://relay.example.com"
    assert found.webhooks == WebhookSettings(
        True, False, (8443, 9443), ("10.1.2.0/24",), attempts=5, timeout_seconds=3.0, retention_days=0
    )
    assert found.artefacts == ArtefactSettings(
        "s3", "things", s3_endpoint="https://minio.example.com:9000", largest_bytes=1000
    )


def test_lists_of_numbers_from_the_environment(tmp_path: Path) -> None:
    environ = {"POLYRELAY_WEBHOOKS__ALLOWED_PORTS": "8443, 9443", "POLYRELAY_WEBHOOKS__ENABLED": "yes"}
    found = read(tmp_path, "", environ)
    assert (found.webhooks.allowed_ports, found.webhooks.enabled) == ((8443, 9443), True)
    with pytest.raises(ConfigurationError, match=r"environment: POLYRELAY_WEBHOOKS__ALLOWED_PORTS.*1 to 65535"):
        read(tmp_path, "", {"POLYRELAY_WEBHOOKS__ALLOWED_PORTS": "https"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[webhooks]\nallowed_ports = [0]", "1 to 65535"),
        ("[webhooks]\nallowed_ports = [65536]", "1 to 65535"),
        ('[webhooks]\nallowed_networks = ["intranet"]', "networks such as"),
        ("[webhooks]\nattempts = 0", "a number above 0"),
        ("[webhooks]\nenabled = 1", "true or false"),
        ("[webhooks]\nretention_days = -1", "0 or more"),
        ('[artefacts]\nplace = "ftp"', "folder or s3"),
        ('[artefacts]\nplace = "s3"', "without an s3_bucket"),
        ('[artefacts]\ns3_endpoint = "minio:9000"', "or empty for Amazon's"),
        ('[server]\npublic_url = "relay.example.com"', "https://example.com"),
        ('[[channels]]\nartefacts = "keep"', "pass or store"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read(tmp_path, text)
