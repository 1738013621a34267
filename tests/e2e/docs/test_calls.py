"""Every line of the README's table of calls, as it stands, against a relay and a sandbox that offer all of them."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from polyrelay.sandbox.images import picture
from support.processes import RelayProcess, Vendor, relay

ROOT = Path(__file__).parents[3]
PATIENCE = 40.0
_ROW = re.compile(r"^\| ([^|]+) \| `(.+)` \|$", re.MULTILINE)
CHANNELS = {
    "main": ("sandbox", "/v1", "gpt-4o dall-e-2 dall-e-3 gpt-image-1 tts-1 whisper-1 sora-2"),
    "asr": ("whisper_asr", "", "asr"),
    "webui": ("sdwebui", "", "sd-xl"),
    "faces": ("reactor", "", "reactor"),
    "songs": ("suno_native", "", "chirp-v4 suno_lyrics suno_concat suno_stems"),
}
KEYLESS = ("whisper_asr", "sdwebui", "reactor")


def lines(page: str) -> list[tuple[str, str]]:
    text = (ROOT / page).read_text(encoding="utf-8")
    table = text.partition("<!-- calls")[2].partition("<!-- /calls")[0]
    return [(name, line.replace("\\|", "|")) for name, line in _ROW.findall(table)]


def config(host: str) -> str:
    text = "[jobs]\npace_seconds = 0.1\n"
    for name, (provider, path, models) in CHANNELS.items():
        offered = ", ".join(f'"{model}"' for model in models.split())
        key = "" if provider in KEYLESS else 'credentials = [{ value = "a-secret" }]\n'
        text += f'[[channels]]\nname = "{name}"\nprovider = "{provider}"\nbase_url = "{host}{path}"\n{key}'
        text += f"models = [{offered}]\n"
        text += "".join(
            f'[[tariffs]]\nmodel = "{model}"\nsell = {{ per_request = "0.01" }}\n' for model in models.split()
        )
    return text


@pytest.fixture(scope="module")
def shop(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with relay(tmp_path_factory.mktemp("calls"), config(sandbox.base_url.removesuffix("/v1"))) as found:
        yield found


@pytest.fixture(scope="module")
def folder(shop: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the files that the README speaks of, and where variables are kept."""
    made = tmp_path_factory.mktemp("folder")
    (made / "cat.png").write_bytes(picture.draw(picture.digest_of("a cat"), 7, 64, 64))
    head = {"authorization": f"Bearer {shop.key}"}
    wanted = {"model": "tts-1", "input": "Hello", "voice": "alloy", "response_format": "wav"}
    speech = httpx2.post(f"{shop.base_url}/audio/speech", json=wanted, headers=head, trust_env=False)
    (made / "speech.wav").write_bytes(speech.content)
    (made / "vars").write_text(f"RELAY={shop.url}\nAUTH='Authorization: Bearer {shop.key}'\n")
    return made


def run(name: str, line: str, folder: Path) -> None:
    """Of a job that is not done yet, one has to ask again."""
    script = f"set -a; . ./vars; {line}; code=$?; set | grep -E '^(CLIP|TASK|VIDEO)=' >> vars; exit $code"
    deadline = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", script], cwd=folder, env=dict(os.environ), capture_output=True, check=False
        )
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, (name, done.stdout[:500], done.stderr)
        time.sleep(0.3)


def test_the_lines_of_the_table_work_one_after_the_other(folder: Path) -> None:
    for name, line in lines("README.md"):
        run(name, line, folder)


def test_both_readmes_have_the_same_lines() -> None:
    assert [line for _, line in lines("README.md")] == [line for _, line in lines("README.zh.md")]
    assert len(lines("README.md")) > 30
