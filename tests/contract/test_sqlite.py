"""What only the database can get wrong: files, versions, other processes."""

import os
import secrets
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from polyrelay.access import key
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.root import KeyDefaults
from polyrelay.state.clock import SystemClock
from polyrelay.storage import folder
from polyrelay.storage.database import open_database
from polyrelay.storage.directory import KeyDirectory, SqliteKeySource
from polyrelay.storage.keys import KeyStore
from polyrelay.storage.secrets import load_or_create

SECRET = bytes(range(32))

OTHER_PROCESS = """
import sys
from pathlib import Path
from polyrelay.state.clock import SystemClock
from polyrelay.storage.database import open_database
from polyrelay.storage.keys import KeyStore
database = open_database(Path(sys.argv[1]))
store = KeyStore(database, bytes(range(32)), SystemClock())
if sys.argv[2] == "create":
    store.create_key(store.ensure_account("acme").id, sys.argv[3])
else:
    store.revoke(store.list_keys()[0].id)
database.close()
"""


def new_token() -> str:
    return key.token(secrets.token_bytes(32))


def directory_of(data: Path) -> KeyDirectory:
    return KeyDirectory(SqliteKeySource(data / folder.DATABASE), SECRET)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_another_process_makes_and_revokes_while_we_serve(tmp_path: Path) -> None:
    data, token = tmp_path / "data", new_token()
    with closing(directory_of(data)) as directory:
        assert directory.find(token) is None
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, data, "create", token], check=True, timeout=60)
        assert directory.find(token) is not None
        assert not directory.refresh_if_changed()
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, data, "revoke"], check=True, timeout=60)
        assert directory.refresh_if_changed()
        assert directory.find(token) is None
        assert len(directory) == 0


def test_only_changed_rows_are_read_again(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database:
        store = KeyStore(database, SECRET, SystemClock())
        account = store.create_account("acme").id
        made = [store.create_key(account, new_token()) for _ in range(3)]
        with closing(SqliteKeySource(tmp_path / folder.DATABASE)) as source:
            assert [each.id for each in source.changes()] == [each.id for each in made]
            store.create_account("other")
            assert list(source.changes()) == []
            store.revoke(made[1].id)
            assert [each.id for each in source.changes()] == [made[1].id]
        assert store.change_number() == 4


def test_files_are_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        load_or_create(data)
        with closing(open_database(data)) as database:
            KeyStore(database, SECRET, SystemClock()).create_account("acme")
            modes = {path.name: mode(path) for path in data.iterdir()}
    finally:
        os.umask(before)
    assert mode(data) == 0o700
    assert set(modes.values()) == {0o600}
    assert {"polyrelay.db", "secrets.toml"} <= modes.keys()


def test_connections_are_as_promised(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database, database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
        }
    assert pragmas == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000, "user_version": 1,
    }  # fmt: skip


def test_a_newer_database_is_refused_by_writers_and_readers(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / folder.DATABASE)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(ConfigurationError, match="newer polyrelay \\(schema 7; this one knows 1\\)"):
        open_database(tmp_path)
    with pytest.raises(ConfigurationError, match="newer polyrelay"):
        directory_of(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / folder.DATABASE
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ConfigurationError, match="not a SQLite database"):
        open_database(tmp_path)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    with pytest.raises(ConfigurationError, match="not polyrelay's"):
        open_database(tmp_path)


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(number: int) -> None:
        try:
            with closing(open_database(tmp_path)) as database:
                store = KeyStore(database, SECRET, SystemClock())
                account = store.ensure_account("shared")
                for _ in range(10):
                    store.create_key(account.id, new_token())
        except Exception as error:  # noqa: BLE001 - a thread's failure is shown by the test
            failures.append((number, error))

    failures: list[tuple[int, Exception]] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with closing(open_database(tmp_path)) as database:
        store = KeyStore(database, SECRET, SystemClock())
        assert len(store.list_accounts()) == 1
        assert len(store.list_keys()) == store.change_number() == 40


def test_known_keys_outlive_an_unreadable_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = new_token()
    with closing(open_database(tmp_path)) as database:
        store = KeyStore(database, SECRET, SystemClock())
        store.create_key(store.create_account("acme").id, token)

    class Broken(SqliteKeySource):
        broken = False

        def changes(self):  # type: ignore[no-untyped-def]
            if self.broken:
                raise sqlite3.OperationalError("disk I/O error")
            return super().changes()

    source = Broken(tmp_path / folder.DATABASE)
    with closing(KeyDirectory(source, SECRET)) as directory:
        source.broken = True
        assert not directory.refresh_if_changed()
        assert not directory.refresh_if_changed()
        assert directory.find(token) is not None
        assert directory.find(new_token()) is None
    assert [record.message for record in caplog.records] == [
        "keys cannot be read, going on with those known: disk I/O error"
    ]


def test_other_defaults_count_for_keys_that_name_no_limits(tmp_path: Path) -> None:
    token = new_token()
    with closing(open_database(tmp_path)) as database:
        store = KeyStore(database, SECRET, SystemClock())
        store.create_key(store.create_account("acme").id, token)
    with closing(directory_of(tmp_path)) as directory:
        directory.set_defaults(KeyDefaults(concurrency=3))
        found = directory.find(token)
    assert found is not None
    assert found.limits.concurrency == 3


def test_the_serving_side_does_without_sqlalchemy() -> None:
    code = (
        "import sys, polyrelay.storage.directory, polyrelay.storage.secrets, polyrelay.storage.memory\n"
        "raise SystemExit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
