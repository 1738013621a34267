import secrets
import threading
from contextlib import closing
from pathlib import Path

import pytest

from polyrelay.access import key
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.state.clock import SystemClock
from polyrelay.storage.database import open_database
from polyrelay.storage.keys import KeyStore
from polyrelay.storage.secrets import ServerSecrets, load_or_create


def test_the_first_run_makes_them_and_the_next_finds_them(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    first = load_or_create(data)
    second = load_or_create(data)
    assert (first.created, second.created) == (True, False)
    assert first.path == data / "secrets.toml"
    assert first.fingerprint_key == second.fingerprint_key
    assert len(first.fingerprint_key) == 32
    assert [path.name for path in data.iterdir()] == ["secrets.toml"]
    assert first.fingerprint_key.hex() not in repr(first)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    made: list[ServerSecrets] = []
    threads = [threading.Thread(target=lambda: made.append(load_or_create(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.fingerprint_key for each in made}) == 1
    assert sum(each.created for each in made) == 1


def test_files_open_to_others_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = load_or_create(tmp_path).path
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        load_or_create(tmp_path)
    path.chmod(0o640)
    load_or_create(tmp_path)


def test_keys_without_their_secret_are_refused_with_the_way_out(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    with closing(open_database(tmp_path)) as database:
        store = KeyStore(database, made.fingerprint_key, SystemClock())
        account = store.create_account("acme")
        made.path.unlink()
        made = load_or_create(tmp_path)
        store.create_key(account.id, key.token(secrets.token_bytes(32)))
    made.path.unlink()
    with pytest.raises(ConfigurationError, match=r"missing, but .* has client keys .* backup"):
        load_or_create(tmp_path)
    assert not made.path.exists()


@pytest.mark.parametrize(
    "text", ["", "not toml at all", "fingerprint_key = 5", 'fingerprint_key = "xyz"', 'fingerprint_key = "abcd"']
)
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    path = load_or_create(tmp_path).path
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="damaged"):
        load_or_create(tmp_path)
