"""What only SQLite's file can get wrong: who may read it, versions, other processes."""

import asyncio
import os
import secrets
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from polyrelay.access import key
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.state.clock import SystemClock
from polyrelay.storage import folder
from polyrelay.storage.access.directory import KeyDirectory
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.records import StoredKey
from polyrelay.storage.access.sqlite_keys import SqliteKeySource
from polyrelay.storage.rings import Ring
from polyrelay.storage.secrecy.secrets import load_or_create
from polyrelay.storage.sql import revision
from polyrelay.storage.sql.database import Tx, open_sqlite, opened

RING = Ring("f-1", {"f-1": bytes(range(32))})

OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from polyrelay.state.clock import SystemClock
from polyrelay.storage.sql.database import opened
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.rings import Ring

async def main(data, action, token=None):
    async with opened("", Path(data)) as database:
        store = KeyStore(database, lambda: Ring("f-1", {"f-1": bytes(range(32))}), SystemClock())
        if action == "create":
            await store.create_key((await store.ensure_account("acme")).id, token)
        else:
            await store.revoke((await store.list_keys())[0].id)

asyncio.run(main(*sys.argv[1:]))
"""

T = TypeVar("T")


def new_token() -> str:
    return key.token(secrets.token_bytes(32))


def directory_of(data: Path) -> KeyDirectory:
    return KeyDirectory(SqliteKeySource(data), lambda: RING.keys)


def within(data: Path, use: Callable[[KeyStore], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with opened("", data) as database:
            return await use(KeyStore(database, lambda: RING, SystemClock()))

    return asyncio.run(run())


def add_key(data: Path, token: str) -> StoredKey:
    async def use(store: KeyStore) -> StoredKey:
        return await store.create_key((await store.ensure_account("acme")).id, token)

    return within(data, use)


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
    made = [add_key(tmp_path, new_token()) for _ in range(3)]
    with closing(SqliteKeySource(tmp_path)) as source:
        assert [each.key for each in source.changes()] == [each.id for each in made]
        within(tmp_path, lambda store: store.create_account("other"))
        assert list(source.changes()) == []
        within(tmp_path, lambda store: store.revoke(made[1].id))
        assert [each.key for each in source.changes()] == [made[1].id]
    assert within(tmp_path, KeyStore.change_number) == 4


def test_files_are_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        load_or_create(data)

        async def look() -> dict[str, int]:
            async with opened("", data) as database:
                await database.write(lambda tx: tx.execute("INSERT INTO meta (name, value) VALUES ('a', 'b')"))
                return {path.name: mode(path) for path in data.iterdir()}

        modes = asyncio.run(look())
    finally:
        os.umask(before)
    assert mode(data) == 0o700
    assert set(modes.values()) == {0o600}
    assert {"polyrelay.db", "polyrelay.db-wal", "secrets.toml"} <= modes.keys()


def test_connections_are_as_promised(tmp_path: Path) -> None:
    async def pragmas(tx: Tx) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
        return {name: next(iter(dict((await tx.fetch(f"PRAGMA {name}"))[0]).values())) for name in names}

    async def look() -> dict[str, Any]:
        async with opened("", tmp_path) as database:
            return await database.write(pragmas)

    assert asyncio.run(look()) == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000,
        "user_version": revision.REVISION,
    }  # fmt: skip


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / folder.DATABASE
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ConfigurationError, match="not a SQLite database"):
        asyncio.run(open_sqlite(tmp_path))
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    with pytest.raises(ConfigurationError, match="not polyrelay's"):
        asyncio.run(open_sqlite(tmp_path))
    with pytest.raises(ConfigurationError, match="not polyrelay's"):
        directory_of(tmp_path)


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    async def use(store: KeyStore) -> None:
        account = await store.ensure_account("shared")
        for _ in range(10):
            await store.create_key(account.id, new_token())

    def work(number: int) -> None:
        try:
            within(tmp_path, use)
        except Exception as error:  # noqa: BLE001 - a thread's failure is shown by the test
            failures.append((number, error))

    failures: list[tuple[int, Exception]] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(within(tmp_path, KeyStore.list_accounts)) == 1
    assert len(within(tmp_path, KeyStore.list_keys)) == within(tmp_path, KeyStore.change_number) == 40


def test_the_serving_side_does_without_sqlalchemy(tmp_path: Path) -> None:
    add_key(tmp_path, new_token())
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from polyrelay.storage.access import directory, keys, memory, source\n"
        "from polyrelay.storage.secrecy import custody, secrets\n"
        "from polyrelay.storage.sql import database\n"
        "db = asyncio.run(database.open_sqlite(Path(sys.argv[1])))\n"
        "source.open_keys('', Path(sys.argv[1])).fetch()\n"
        "raise SystemExit(', '.join({'sqlalchemy', 'alembic', 'asyncpg'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
