"""Every way to the tables of this release ends at the same tables, with the data kept, whoever else is at it."""

import asyncio
import difflib
import logging
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine.mock import MockConnection

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.ledger.escrow import JOBS
from polyrelay.storage import folder, migrations, schema
from polyrelay.storage.access import key_changes
from polyrelay.storage.access.directory import KeyDirectory
from polyrelay.storage.access.sqlite_keys import SqliteKeySource
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.reports import workers
from polyrelay.storage.sql import migrating, revision
from polyrelay.storage.sql.database import Database, Tx, look, open_database, opened
from polyrelay.storage.sql.postgres import PostgresDatabase
from polyrelay.storage.sql.sqlite import SqliteDatabase
from support import postgres

KINDS = ("sqlite", "postgresql")

FIRST_RELEASE = """
CREATE TABLE accounts (
    id VARCHAR(32) NOT NULL, name VARCHAR(200) NOT NULL, created_at FLOAT NOT NULL, PRIMARY KEY (id), UNIQUE (name)
);
CREATE TABLE keys (
    id VARCHAR(32) NOT NULL, account_id VARCHAR(32) NOT NULL, name VARCHAR(200) NOT NULL, fingerprint BLOB NOT NULL,
    hint VARCHAR(32) NOT NULL, disabled BOOLEAN NOT NULL, revoked_at FLOAT, expires_at FLOAT, models TEXT NOT NULL,
    networks TEXT NOT NULL, requests_per_minute INTEGER, tokens_per_minute INTEGER, concurrency INTEGER,
    created_at FLOAT NOT NULL, change INTEGER NOT NULL,
    PRIMARY KEY (id), FOREIGN KEY(account_id) REFERENCES accounts (id), UNIQUE (fingerprint)
);
CREATE INDEX ix_keys_account_id ON keys (account_id);
CREATE INDEX ix_keys_change ON keys (change);
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
"""What the first release made by SQLAlchemy, as its files have it."""

ROWS = (
    "INSERT INTO accounts VALUES ('acc_1', 'acme', 1.5), ('acc_2', 'ü', 2.5)",
    """INSERT INTO keys VALUES
    ('key_1', 'acc_1', 'ci', {}, 'pr-a…', true, NULL, 2e9, '["gpt-*"]', '[]', 5, 0, NULL, 3, 7)""",
    "INSERT INTO keys VALUES ('key_2', 'acc_2', '', {}, 'pr-b…', false, 4.5, NULL, '[]', '[]', NULL, NULL, 2, 3, 9)",
)


def rows(kind: str) -> list[str]:
    literals = ("x'00ff'", "x'01'") if kind == "sqlite" else (r"'\x00ff'::bytea", r"'\x01'::bytea")
    return [ROWS[0], ROWS[1].format(literals[0]), ROWS[2].format(literals[1])]


def place(kind: str) -> str:
    return postgres.fresh_database() if kind == "postgresql" else ""


def as_it_is(url: str, data: Path) -> Database:
    return PostgresDatabase(url) if url else SqliteDatabase(data)


async def run_all(database: Database, statements: tuple[str, ...] | list[str]) -> None:
    async def work(tx: Tx) -> None:
        for statement in statements:
            await tx.execute(statement)

    await database.write(work)


def first_release(url: str, data: Path) -> None:
    """A database of revision 1 with rows. On SQLite as released; PostgreSQL came later, by the migration."""

    async def make() -> None:
        database = PostgresDatabase(url)
        await run_all(database, [*migrating.render("postgresql", end=1), *rows("postgresql")])
        await database.close()

    if url:
        asyncio.run(make())
        return
    data.mkdir(exist_ok=True)
    with closing(sqlite3.connect(data / folder.DATABASE)) as connection:
        connection.executescript(FIRST_RELEASE + ";\n".join(rows("sqlite")))
        connection.commit()


async def of_revision(number: int, url: str, data: Path) -> None:
    """A database as a release of that revision made it."""
    database = as_it_is(url, data)
    await run_all(database, migrating.render(database.dialect, end=number))
    if not url:
        await run_all(database, [f"PRAGMA user_version = {number}"])
    await database.close()


def shape(url: str, data: Path) -> list[str]:
    """The tables as the database describes them, but for Alembic's own."""
    if not url:
        with closing(sqlite3.connect(data / folder.DATABASE)) as connection:
            query = (
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> 'alembic_version' ORDER BY name"
            )
            return [_sorted(row[0]) for row in connection.execute(query)]
    command = [str(postgres.binaries() / "pg_dump"), "--schema-only", "--exclude-table=alembic_version", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [line for line in dump.splitlines() if line and not line.startswith(("--", "\\", "SET ", "SELECT "))]


def _sorted(sql: str) -> str:
    """One line, constraints in the order of their names: Alembic states them in another than SQLAlchemy."""
    columns, *constraints = re.sub(r"\s+", " ", sql).strip().replace('"', "").removesuffix(" )").split(", CONSTRAINT ")
    return "\n  ".join((columns, *sorted(constraints)))


async def described(kind: str, url: str, data: Path) -> list[str]:
    """The shape that `schema` asks for."""
    statements: list[str] = []
    dialect = sa.make_url(f"{kind}://").get_dialect()()
    engine = MockConnection(dialect, lambda made, *_: statements.append(str(made.compile(dialect=dialect))))
    schema.metadata.create_all(engine, checkfirst=False)
    database = as_it_is(url, data)
    await run_all(database, statements)
    await database.close()
    return shape(url, data)


@pytest.mark.parametrize("start", range(revision.REVISION))
@pytest.mark.parametrize("kind", KINDS)
def test_migrations_and_schema_agree(kind: str, start: int, tmp_path: Path) -> None:
    url = place(kind)
    if start == revision.FIRST:
        first_release(url, tmp_path / "migrated")
    elif start != revision.EMPTY:
        asyncio.run(of_revision(start, url, tmp_path / "migrated"))

    async def act() -> None:
        await (await open_database(url, tmp_path / "migrated")).close()
        migrated = shape(url, tmp_path / "migrated")
        expected = await described(kind, place(kind), tmp_path / "described")
        assert migrated == expected, "\n" + "\n".join(difflib.unified_diff(migrated, expected, "migrations", "schema"))

    asyncio.run(act())


def test_alembic_finds_nothing_to_add(tmp_path: Path) -> None:
    """Fails with the operations that the next revision needs."""

    async def make() -> None:
        await (await open_database("", tmp_path)).close()

    asyncio.run(make())
    engine = sa.create_engine(f"sqlite:///{tmp_path / folder.DATABASE}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        missing = produce_migrations(context, schema.metadata).upgrade_ops
        assert missing is not None
        assert missing.is_empty(), render_python_code(missing)
    engine.dispose()


def test_the_newest_file_is_the_revision_of_this_release() -> None:
    heads = ScriptDirectory(str(Path(migrations.__file__).parent)).get_heads()
    assert heads == [f"{revision.REVISION:04}"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_keeps_the_data(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = place(kind)
    first_release(url, tmp_path)

    async def act() -> None:
        assert (await look(url, tmp_path))[1] == revision.FIRST
        with caplog.at_level(logging.INFO):
            async with opened(url, tmp_path) as database:
                accounts = await database.read(lambda tx: tx.fetch("SELECT * FROM accounts ORDER BY id"))
                keys = await database.read(lambda tx: tx.fetch("SELECT * FROM keys ORDER BY id"))
                changes = await database.read(lambda tx: key_changes.since(tx, 0))
        assert [(row["id"], row["name"], row["created_at"], row["zone"]) for row in accounts] == [
            ("acc_1", "acme", 1.5, "UTC"), ("acc_2", "ü", 2.5, "UTC"),
        ]  # fmt: skip
        assert [dict(row) for row in keys] == [
            {
                "id": "key_1", "account_id": "acc_1", "project_id": None, "name": "ci", "fingerprint": b"\0\xff",
                "secret_id": "", "hint": "pr-a…", "disabled": 1, "revoked_at": None, "expires_at": 2e9,
                "replaced_by": None, "last_used_at": None, "models": '["gpt-*"]', "networks": "[]",
                "requests_per_minute": 5, "requests_per_day": None, "tokens_per_minute": 0, "concurrency": None,
                "tags": "[]", "created_at": 3.0, "change": 7,
            },
            {
                "id": "key_2", "account_id": "acc_2", "project_id": None, "name": "", "fingerprint": b"\1",
                "secret_id": "", "hint": "pr-b…", "disabled": 0, "revoked_at": 4.5, "expires_at": None,
                "replaced_by": None, "last_used_at": None, "models": "[]", "networks": "[]",
                "requests_per_minute": None, "requests_per_day": None, "tokens_per_minute": None, "concurrency": 2,
                "tags": "[]", "created_at": 3.0, "change": 9,
            },
        ]  # fmt: skip
        assert [(change.key, change.number, change.principal is None) for change in changes] == [
            ("key_1", 7, False), ("key_2", 9, True),
        ]  # fmt: skip
        told = [message for message in caplog.messages if "revision" in message]
        assert told == [f"{database.place}: tables upgraded from revision 1 to revision {revision.REVISION}"]
        assert (await look(url, tmp_path))[1] == revision.REVISION

    asyncio.run(act())


@pytest.mark.parametrize("start", [revision.EMPTY, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_worker_that_stands_for_jobs_is_always_there(kind: str, start: int, tmp_path: Path) -> None:
    url = place(kind)

    async def act() -> None:
        if start:
            await of_revision(start, url, tmp_path)
        async with opened(url, tmp_path) as database:
            bank = SqlBank(database)
            found = await bank.standing(JOBS)
            assert found is not None
            assert (found.state, await bank.orphans()) == ("live", [])
            assert await database.read(workers.not_closed) == []

    asyncio.run(act())


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = migrating.render

    url = place(kind)
    first_release(url, tmp_path)

    async def act() -> None:
        before = shape(url, tmp_path)
        monkeypatch.setattr(migrating, "render", lambda *given: (*whole(*given), "SELECT nonsense"))
        with pytest.raises(Exception, match="nonsense"):
            await open_database(url, tmp_path)
        assert shape(url, tmp_path) == before
        monkeypatch.undo()
        await (await open_database(url, tmp_path)).close()

    asyncio.run(act())


@pytest.mark.parametrize(("kind", "start"), [("sqlite", revision.FIRST), ("postgresql", revision.EMPTY)])
def test_of_processes_that_open_at_once_one_upgrades(kind: str, start: int, tmp_path: Path) -> None:
    code = (
        "import asyncio, logging, sys\nfrom pathlib import Path\n"
        "from polyrelay.storage.sql.database import open_database\n"
        "logging.basicConfig(level='INFO')\n"
        "from polyrelay.storage.sql import migrating\nsys.stdin.readline()\n"
        "async def main():\n    await (await open_database(sys.argv[1], Path(sys.argv[2]))).close()\n"
        "asyncio.run(main())\n"
    )
    url = place(kind)
    if start == revision.FIRST:
        first_release(url, tmp_path)
    command = [sys.executable, "-c", code, url, str(tmp_path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, told = process.communicate(timeout=60)
        ended.append((process.returncode, told.count("tables made") + told.count("tables upgraded")))
    assert [code for code, _ in ended] == [0] * 4, ended
    assert sum(count for _, count in ended) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_database_is_refused(kind: str, tmp_path: Path) -> None:
    async def act() -> None:
        url = place(kind)
        database = await open_database(url, tmp_path)
        await database.write(lambda tx: tx.execute("UPDATE alembic_version SET version_num = '0007'"))
        if kind == "sqlite":
            await database.write(lambda tx: tx.execute("PRAGMA user_version = 7"))
        await database.close()
        newer = f"newer polyrelay \\(schema 7; this one knows {revision.REVISION}\\)"
        with pytest.raises(ConfigurationError, match=newer):
            await open_database(url, tmp_path)
        if kind == "sqlite":
            with pytest.raises(ConfigurationError, match=newer):
                KeyDirectory(SqliteKeySource(tmp_path), dict)

    asyncio.run(act())


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs (id int)", "CREATE TABLE alembic_version (version_num text)"]
)
def test_somebody_elses_database_is_refused(statement: str) -> None:
    async def act() -> None:
        url = postgres.fresh_database()
        database = PostgresDatabase(url)
        await run_all(database, [statement])
        await database.close()
        with pytest.raises(ConfigurationError, match="not polyrelay's"):
            await open_database(url, Path())

    asyncio.run(act())
