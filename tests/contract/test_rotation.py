"""Secrets and the rows that depend on them, on both databases: nothing becomes unreadable, whatever happens when."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage.rings import Kind
from polyrelay.storage.secrecy import custody, rotation, seals
from polyrelay.storage.secrecy import secrets as server_secrets
from polyrelay.storage.secrecy.vault import VaultError
from polyrelay.storage.sql.database import open_postgres, open_sqlite
from polyrelay.storage.sql.transaction import Database, Tx
from support import postgres

T = TypeVar("T")
PLAIN = {f"cred_{number}": f"sk-upstream-{number}" for number in range(3)}
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in server_secrets.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[[Database], Awaitable[Any]]], Any]:
    """Runs a coroutine function with an open database, the same one each time."""
    url = postgres.fresh_database() if request.param == "postgresql" else ""

    def run(use: Callable[[Database], Awaitable[T]]) -> T:
        async def opened() -> T:
            database = await open_postgres(url) if url else await open_sqlite(tmp_path)
            try:
                return await use(database)
            finally:
                await database.close()

        return asyncio.run(opened())

    return run


async def stock(database: Database, data: Path) -> None:
    """Secrets, and credentials sealed under them."""
    await custody.establish(data, database)
    sealing = rotation.vault(data)

    async def insert(tx: Tx) -> None:
        await tx.execute("INSERT INTO channels (name, document, created_at) VALUES ('main', '{}', 0)")
        rows = [(row, row, sealing.seal(plain, row)) for row, plain in PLAIN.items()]
        await tx.many(
            "INSERT INTO credentials (id, channel, name, sealed, created_at) VALUES ($1, 'main', $2, $3, 0)", rows
        )

    await database.write(insert)


async def opened(database: Database, data: Path) -> dict[str, str]:
    opening = rotation.vault(data)
    return {row.id: opening.open(row.sealed, row.id) for row in await database.read(custody.list_sealed)}


async def key_ids(database: Database) -> set[str | None]:
    return {seals.key_id(row.sealed) for row in await database.read(custody.list_sealed)}


async def add_key(database: Database, name: str, secret_id: str) -> None:
    async def insert(tx: Tx) -> None:
        await tx.execute(
            "INSERT INTO accounts (id, name, created_at) VALUES ('acc_1', 'acme', 0) ON CONFLICT DO NOTHING"
        )
        await tx.execute(
            "INSERT INTO keys (id, account_id, name, fingerprint, secret_id, hint, models, networks, created_at, "
            "change) VALUES ($1, 'acc_1', $1, $2, $3, 'pr-…', '[]', '[]', 0, 1)",
            name,
            secrets.token_bytes(32),
            secret_id,
        )

    await database.write(insert)


def test_a_rotation_seals_everything_anew_and_old_keys_go_when_nothing_needs_them(tmp_path: Path, run: Any) -> None:
    async def story(database: Database) -> None:
        await stock(database, tmp_path)
        old = server_secrets.load(tmp_path).master.current
        assert await key_ids(database) == {old}
        made, moved = await rotation.rotate_master(tmp_path, database)
        assert moved == len(PLAIN)
        assert await key_ids(database) == {made} != {old}
        assert await opened(database, tmp_path) == PLAIN
        now = datetime.now(UTC)
        assert await rotation.prune(tmp_path, database, now + rotation.PRUNE_AFTER - MINUTE) == []
        assert await rotation.prune(tmp_path, database, now + rotation.PRUNE_AFTER + MINUTE) == [old]
        assert list(server_secrets.load(tmp_path).master.keys) == [made]
        assert await opened(database, tmp_path) == PLAIN

    run(story)


class Crash(BaseException):
    """As the death of a process: nothing catches it."""


class Fuse:
    """Lets a number of steps happen and then dies, before or after the next one."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self.left = steps
        self.after = after

    def before_step(self) -> None:
        if self.left == 0 and not self.after:
            raise Crash

    def after_step(self) -> None:
        if self.left == 0 and self.after:
            raise Crash
        self.left -= 1


def lay(fuse: Fuse, patch: pytest.MonkeyPatch) -> None:
    """The steps of a rotation: putting the file in place, and each change of a row."""
    replace_file, replace_row = Path.replace, custody.replace_sealed

    def file(path: Path, target: Path) -> Path:
        fuse.before_step()
        done = replace_file(path, target)
        fuse.after_step()
        return done

    async def row(tx: Tx, credential: str, old: str, new: str) -> bool:
        fuse.before_step()
        done = await replace_row(tx, credential, old, new)
        fuse.after_step()
        return done

    patch.setattr(Path, "replace", file)
    patch.setattr(custody, "replace_sealed", row)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("steps", range(2 + len(PLAIN)))
def test_a_crash_at_any_step_leaves_everything_readable_and_the_next_try_ends_it(
    tmp_path: Path, run: Any, steps: int, after: bool
) -> None:
    run(lambda database: stock(database, tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        lay(Fuse(steps, after=after), patch)
        with pytest.raises(Crash):
            run(lambda database: rotation.rotate_master(tmp_path, database))
    assert run(lambda database: opened(database, tmp_path)) == PLAIN
    run(lambda database: custody.establish(tmp_path, database))
    made, _ = run(lambda database: rotation.rotate_master(tmp_path, database))
    assert run(key_ids) == {made}
    assert run(lambda database: opened(database, tmp_path)) == PLAIN


def test_a_rotation_has_no_more_steps_than_were_crashed(tmp_path: Path, run: Any) -> None:
    run(lambda database: stock(database, tmp_path))
    fuse = Fuse(2 + len(PLAIN), after=False)
    with pytest.MonkeyPatch.context() as patch:
        lay(fuse, patch)
        run(lambda database: rotation.rotate_master(tmp_path, database))
    assert fuse.left == 0


def test_a_row_changed_by_somebody_else_is_not_written_over(tmp_path: Path, run: Any) -> None:
    async def story(database: Database) -> None:
        await stock(database, tmp_path)
        (first, *_) = await database.read(custody.list_sealed)
        assert await database.write(lambda tx: custody.replace_sealed(tx, first.id, first.sealed, "theirs"))
        assert not await database.write(lambda tx: custody.replace_sealed(tx, first.id, first.sealed, "ours"))
        assert (await database.read(custody.list_sealed))[0].sealed == "theirs"

    run(story)


def test_a_credential_that_does_not_open_stops_the_rotation_whole(tmp_path: Path, run: Any) -> None:
    async def story(database: Database) -> None:
        await stock(database, tmp_path)
        old = server_secrets.load(tmp_path).master.current
        first, second, third = await database.read(custody.list_sealed)
        await database.write(lambda tx: custody.replace_sealed(tx, third.id, third.sealed, second.sealed))
        with pytest.raises(VaultError, match=third.id):
            await rotation.rotate_master(tmp_path, database)
        assert await key_ids(database) == {old}
        assert server_secrets.load(tmp_path).master.current == old
        opening = rotation.vault(tmp_path)
        assert [row.id for row, _ in await database.read(lambda tx: rotation.unopenable(tx, opening))] == [third.id]
        losses = await database.read(lambda tx: rotation.find_losses(tx, tmp_path))
        assert [row.id for row in losses.credentials] == [third.id]
        await database.write(lambda tx: rotation.give_up(tx, losses))
        await rotation.rotate_master(tmp_path, database)
        assert await opened(database, tmp_path) == {row.id: PLAIN[row.id] for row in (first, second)}

    run(story)


def test_client_keys_stay_under_their_secret_which_stays_for_them(tmp_path: Path, run: Any) -> None:
    async def story(database: Database) -> None:
        old = (await custody.establish(tmp_path, database)).current
        await add_key(database, "key_1", old)
        prepared = rotation.prepare(tmp_path, Kind.FINGERPRINT)
        assert (await custody.establish(tmp_path, database)).current == old
        assert rotation.rotate_fingerprint(tmp_path) == prepared
        found = await custody.establish(tmp_path, database)
        assert (found.current, set(found.fingerprints)) == (prepared, {old, prepared})
        later = datetime.now(UTC) + 2 * rotation.PRUNE_AFTER
        assert await rotation.prune(tmp_path, database, later) == []
        await database.write(lambda tx: tx.execute("UPDATE keys SET revoked_at = 1"))
        assert await rotation.prune(tmp_path, database, later) == [old]
        await custody.establish(tmp_path, database)

    run(story)


def test_keys_from_before_ids_get_that_of_the_oldest_secret(tmp_path: Path, run: Any) -> None:
    (tmp_path / "secrets.toml").write_text('fingerprint_key = "' + "ab" * 32 + '"')
    (tmp_path / "secrets.toml").chmod(0o600)

    async def story(database: Database) -> None:
        await add_key(database, "key_1", "")
        found = await custody.establish(tmp_path, database)
        assert found.fingerprint_key == bytes.fromhex("ab" * 32)
        assert (await database.read(custody.count_needs)).fingerprints == {found.current: 1}

    run(story)


@pytest.mark.parametrize("lost", ["missing", "of another relay"])
def test_lost_secrets_are_refused_until_what_needs_them_is_given_up(tmp_path: Path, run: Any, lost: str) -> None:
    async def story(database: Database) -> None:
        await stock(database, tmp_path)
        found = await custody.establish(tmp_path, database)
        await add_key(database, "key_1", found.current)
        found.path.unlink()
        if lost == "of another relay":
            server_secrets.load_or_create(tmp_path)
        with pytest.raises(ConfigurationError, match=f"1 client keys only work with {found.current} and 3 upstream"):
            await custody.establish(tmp_path, database)
        losses = await database.read(lambda tx: rotation.find_losses(tx, tmp_path))
        assert [key.id for key in losses.keys] == ["key_1"]
        assert {row.id for row in losses.credentials} == set(PLAIN)
        await database.write(lambda tx: rotation.give_up(tx, losses))
        assert (await custody.establish(tmp_path, database)).created == (lost == "missing")
        assert await opened(database, tmp_path) == {}
        again = await database.read(lambda tx: rotation.find_losses(tx, tmp_path))
        assert (again.keys, again.credentials) == ((), ())

    run(story)


def test_where_the_environment_has_the_keys_a_rotation_follows_it(tmp_path: Path, run: Any) -> None:
    old, new = (secrets.token_hex(32) for _ in range(2))

    async def story(database: Database) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(server_secrets.MASTER_KEY, old)
            await stock(database, tmp_path)
            patch.setenv(server_secrets.MASTER_KEY, f"{new},{old}")
            with pytest.raises(ConfigurationError, match="POLYRELAY_MASTER_KEY, after the current one"):
                rotation.prepare(tmp_path, Kind.MASTER)
            made, moved = await rotation.rotate_master(tmp_path, database)
            assert moved == len(PLAIN)
            patch.setenv(server_secrets.MASTER_KEY, new)
            with pytest.raises(ConfigurationError, match="Put a new one before it"):
                await rotation.rotate_master(tmp_path, database)
            await custody.establish(tmp_path, database)
            assert await opened(database, tmp_path) == PLAIN
            assert await key_ids(database) == {made}
            patch.setenv(server_secrets.MASTER_KEY, old)
            with pytest.raises(ConfigurationError, match=f"3 upstream credentials only open with {made}"):
                await custody.establish(tmp_path, database)

    run(story)
