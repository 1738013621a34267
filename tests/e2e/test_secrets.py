"""`polyrelay secrets` as an operator meets it. What it does to rows is in tests/contract/test_rotation.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from polyrelay.storage.secrecy import secrets as server_secrets
from support.processes import polyrelay


def ask(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "polyrelay", "secrets", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_nothing_that_is_shown_is_a_secret(tmp_path: Path) -> None:
    data = tmp_path / "data"
    spoken = [ask(*words, data=data) for words in (("show",), ("rotate", "--master"), ("show",), ("check",))]
    assert [each.returncode for each in spoken] == [0] * 4
    found = server_secrets.load(data)
    hidden = [secret.hex() for ring in (found.fingerprint, found.master) for secret in ring.keys.values()]
    assert len(hidden) == 3
    assert not [each for each in spoken if any(secret in each.stdout + each.stderr for secret in hidden)]


def test_the_states_of_secrets(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    prepared = polyrelay("secrets", "rotate", "--fingerprint", "--prepare", *data)
    states = [row["state"] for row in polyrelay("secrets", "show", *data) if row["kind"] == "fingerprint"]
    assert states == ["current", "prepared"]
    current = polyrelay("secrets", "rotate", "--fingerprint", *data)
    assert (prepared["state"], current["state"]) == ("prepared", "current")
    assert prepared["id"] == current["id"]
    states = [row["state"] for row in polyrelay("secrets", "show", *data) if row["kind"] == "fingerprint"]
    assert states == ["retired", "current"]
    assert polyrelay("secrets", "prune", *data) == {"dropped": []}
    assert polyrelay("secrets", "forget", *data) == {"done": False, "keys": [], "credentials": []}
    assert polyrelay("secrets", "check", *data) == {"keys": 0, "credentials": 0, "problems": []}


@pytest.mark.parametrize("words", [("rotate",), ("rotate", "--master", "--fingerprint")])
def test_one_kind_at_a_time(tmp_path: Path, words: tuple[str, ...]) -> None:
    asked = ask(*words, data=tmp_path / "data")
    assert asked.returncode == 2
    assert "--master and --fingerprint" in asked.stderr
    assert not (tmp_path / "data").exists()
