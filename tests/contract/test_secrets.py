import base64
import os
import secrets
import stat
import threading
import tomllib
from pathlib import Path

import pytest

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage import rings
from polyrelay.storage.rings import Kind
from polyrelay.storage.secrecy import secrets as server_secrets
from polyrelay.storage.secrecy.secrets import Needs, ServerSecrets, load, load_or_create

LEGACY = 'fingerprint_key = "' + bytes(range(32)).hex() + '"\n'
KEYS = [secrets.token_bytes(32) for _ in range(3)]
IDS = [rings.identify(Kind.MASTER, each) for each in KEYS]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in server_secrets.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_the_first_run_makes_them_and_the_next_finds_them(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    first = load_or_create(data)
    second = load_or_create(data)
    assert (first.created, second.created) == (True, False)
    assert first.path == data / "secrets.toml"
    assert (
        (first.fingerprint, first.master)
        == (second.fingerprint, second.master)
        == (load(data).fingerprint, load(data).master)
    )
    assert first.fingerprint_key == first.fingerprints[first.current]
    assert {len(first.fingerprint_key), len(first.master.secret)} == {32}
    assert [path.name for path in data.iterdir()] == ["secrets.toml"]
    assert first.fingerprint_key.hex() not in repr(first)
    assert repr(first.fingerprint_key) not in repr(first)
    assert repr(first.master.secret) not in repr(first)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    made: list[ServerSecrets] = []
    threads = [threading.Thread(target=lambda: made.append(load_or_create(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(each.fingerprint_key, each.master.secret) for each in made}) == 1
    assert sum(each.created for each in made) == 1


def test_rotations_at_once_lose_no_secret(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    seen: list[str] = []

    def rotate() -> None:
        for _ in range(5):
            made = server_secrets.prepare(tmp_path, Kind.MASTER)
            server_secrets.promote(tmp_path, Kind.MASTER, made)
            seen.append(made)

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = load(tmp_path).master
    assert set(seen) <= found.keys.keys()
    assert found.prepared is None


def test_the_file_keeps_its_mode_and_is_never_open_to_others(tmp_path: Path) -> None:
    path = load_or_create(tmp_path).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    server_secrets.prepare(tmp_path, Kind.FINGERPRINT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        load_or_create(tmp_path)


def test_a_file_of_the_first_release_gets_a_master_key_and_keeps_its_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(LEGACY)
    path.chmod(0o600)
    found = load_or_create(tmp_path, Needs({"": 3}))
    assert found.fingerprint_key == bytes(range(32))
    assert not found.created
    assert caplog.messages == [f"added a master key to {path}; back it up together with the database"]
    assert load_or_create(tmp_path).master == found.master
    assert found.master.secret.hex() not in caplog.text


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        (Needs({"f-000000000000": 2}), "2 client keys only work with f-000000000000"),
        (Needs({}, {"m-000000000000": 1}), "1 upstream credentials only open with m-000000000000"),
    ],
)
@pytest.mark.parametrize("state", ["missing", "another", "without a master key"])
def test_what_would_be_lost_is_refused_with_the_way_out(tmp_path: Path, needs: Needs, told: str, state: str) -> None:
    path = tmp_path / "secrets.toml"
    if state != "missing":
        path = load_or_create(tmp_path).path
    if state == "without a master key":
        path.write_text(LEGACY)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(ConfigurationError, match=f"{told}.* backup .*`polyrelay secrets forget`"):
        load_or_create(tmp_path, needs)
    assert (path.read_bytes() if path.exists() else None) == before


def test_hashes_from_before_ids_need_any_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing, but 4 client keys only work with it"):
        load_or_create(tmp_path, Needs({"": 4}))


@pytest.mark.parametrize("text", ["", "not toml at all", 'fingerprint_key = "abcd"', b"\xff\xfe"])
def test_damaged_files_are_refused(tmp_path: Path, text: str | bytes) -> None:
    path = load_or_create(tmp_path).path
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigurationError, match=r"secrets\.toml: damaged: .*backup"):
        load_or_create(tmp_path)


def test_a_file_that_cannot_be_written_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = load_or_create(tmp_path).path
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
        server_secrets.prepare(tmp_path, Kind.MASTER)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.toml"]


def test_the_environment_wins_and_the_files_keys_still_open(tmp_path: Path) -> None:
    kept = load_or_create(tmp_path).master
    found = load_or_create(tmp_path, environ={server_secrets.MASTER_KEY: f"{KEYS[0].hex()},{KEYS[1].hex()}"})
    assert found.master.current == IDS[0]
    assert found.master.keys == {kept.current: kept.secret, IDS[1]: KEYS[1], IDS[0]: KEYS[0]}
    assert found.master_place == "environment"
    assert load_or_create(tmp_path).master == kept


def test_with_a_master_key_in_the_environment_the_file_gets_none(tmp_path: Path) -> None:
    environ = {server_secrets.MASTER_KEY: KEYS[0].hex()}
    made = load_or_create(tmp_path, environ=environ)
    assert made.created
    assert "master" not in tomllib.loads(made.path.read_text())
    assert load(tmp_path, environ).master.current == IDS[0]
    with pytest.raises(ConfigurationError, match=f"1 upstream credentials .* {IDS[0]}.*POLYRELAY_MASTER_KEY as it was"):
        load_or_create(tmp_path, Needs({}, {IDS[0]: 1}), {})
    with pytest.raises(ConfigurationError, match="environment: change them there"):
        server_secrets.prepare(tmp_path, Kind.MASTER)


@pytest.mark.parametrize("encode", [bytes.hex, base64.b64encode, base64.urlsafe_b64encode])
def test_keys_in_the_environment_are_hexadecimal_or_base64_or_in_a_file(tmp_path: Path, encode: object) -> None:
    written = [str(done, "ascii") if isinstance(done := encode(each), bytes) else done for each in KEYS]  # type: ignore[operator]
    path = tmp_path / "mounted"
    path.write_text("\n".join(written) + "\n")
    by_value = server_secrets.master_from({server_secrets.MASTER_KEY: " , ".join(written)})
    by_file = server_secrets.master_from({server_secrets.MASTER_KEY_FILE: str(path)})
    assert by_value == by_file
    assert by_file is not None
    assert by_file.current == IDS[0]
    assert set(by_file.keys) == set(IDS)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({server_secrets.MASTER_KEY: KEYS[0].hex()[:-2]}, "random bytes in hexadecimal or base64"),
        ({server_secrets.MASTER_KEY: "z" * 64}, "random bytes in hexadecimal or base64"),
        ({server_secrets.MASTER_KEY: " , "}, "holds no key"),
        ({server_secrets.MASTER_KEY_FILE: "nowhere/at/all"}, "nowhere/at/all cannot be read"),
        ({server_secrets.MASTER_KEY: KEYS[0].hex(), server_secrets.MASTER_KEY_FILE: "x"}, "both set"),
    ],
)
def test_bad_variables_are_refused_without_repeating_them(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        server_secrets.master_from(environ)
    assert KEYS[0].hex()[:16] not in str(caught.value)


def test_variables_that_are_set_to_nothing_are_not_set() -> None:
    assert server_secrets.master_from(dict.fromkeys(server_secrets.VARIABLES, "")) is None
