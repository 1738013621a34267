"""The promises of a database, on SQLite and PostgreSQL: transactions, rows, faults."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, update

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage import folder, schema
from polyrelay.storage.sql import core
from polyrelay.storage.sql.database import (
    Conflict,
    Database,
    DatabaseAway,
    Tx,
    Violation,
    open_database,
    open_postgres,
    open_sqlite,
    opened,
)
from polyrelay.storage.sql.postgres import CONNECTIONS, PostgresDatabase
from polyrelay.storage.sql.sqlite import SqliteDatabase
from support import postgres

Act = Callable[[Database], Coroutine[Any, Any, None]]
Run = Callable[[Act], None]

PUT = "INSERT INTO meta (name, value) VALUES ($1, $2)"
POT = "INSERT INTO pots (id, meter, account_id, kind, spent, created_at) VALUES ($1, 'm', $2, 'wallet', $3, 0)"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return postgres.ready_database() if request.param == "postgresql" else ""


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    def run(act: Act) -> None:
        async def within() -> None:
            async with opened(url, tmp_path) as database:
                await act(database)

        asyncio.run(within())

    return run


async def put(tx: Tx, name: str, value: str) -> None:
    await tx.execute(PUT, name, value)


async def values(database: Database) -> dict[str, str]:
    rows = await database.read(lambda tx: tx.fetch("SELECT name, value FROM meta ORDER BY name"))
    return {row["name"]: row["value"] for row in rows}


def test_statements_and_rows(run: Run) -> None:
    async def act(database: Database) -> None:
        async def work(tx: Tx) -> None:
            assert tx.dialect == database.dialect
            await tx.many(PUT, [(f"n{number:02}", str(number)) for number in range(12)])
            rows = await tx.fetch("SELECT value, name FROM meta WHERE name = $2 OR name = $1 ORDER BY 2", "n01", "n02")
            assert [(row["name"], row["value"]) for row in rows] == [("n01", "1"), ("n02", "2")]
            assert list(rows[0].keys()) == ["value", "name"]
            with pytest.raises((KeyError, IndexError)):
                rows[0]["none"]
            assert await tx.execute("UPDATE meta SET value = $2 WHERE name < $1", "n03", "x") == 3
            assert await tx.execute("DELETE FROM meta WHERE name = $1", "none") == 0
            made = await tx.fetch(f"{PUT} RETURNING name, '$1' AS text, 'it''s $2' AS other", "q", "")
            assert [tuple(row[name] for name in row.keys()) for row in made] == [("q", "$1", "it's $2")]  # noqa: SIM118
            assert abs(await tx.now() - time.time()) < 5

        await database.write(work)
        assert len(await values(database)) == 13

    run(act)


def test_bytes_numbers_and_nulls_come_back_as_they_went(run: Run) -> None:
    row = {"id": "t", "name": "ü", "role": "owner", "fingerprint": bytes(range(32)), "hint": "", "created_at": 1.25e9}

    async def act(database: Database) -> None:
        async def work(tx: Tx) -> dict[str, Any]:
            await core.execute(tx, insert(schema.admin_tokens).values(row))
            return dict((await tx.fetch("SELECT * FROM admin_tokens"))[0])

        assert await database.write(work) == row | {"expires_at": None, "revoked_at": None, "last_used_at": None}

        async def large(tx: Tx) -> int:
            await tx.execute("INSERT INTO accounts (id, name, created_at) VALUES ('a', 'a', 0)")
            await tx.execute(POT.replace("spent", "ceiling, spent").replace("$3", "$3, $4"), "p", "a", 2**63 - 1, 2**62)
            return int((await tx.fetch("SELECT sum(spent) AS total FROM pots"))[0]["total"])

        assert await database.write(large) == 2**62

    run(act)


def test_what_raises_leaves_nothing_behind(run: Run) -> None:
    async def act(database: Database) -> None:
        async def work(tx: Tx) -> None:
            await put(tx, "a", "1")
            raise LookupError("enough")

        with pytest.raises(LookupError, match="enough"):
            await database.write(work)
        assert await values(database) == {}

    run(act)


def test_constraints_are_told_by_name(run: Run) -> None:
    async def act(database: Database) -> None:
        await database.write(lambda tx: put(tx, "a", "1"))
        with pytest.raises(Conflict) as conflict:
            await database.write(lambda tx: put(tx, "a", "2"))
        assert conflict.value.columns == ("name",)
        assert "2" not in str(conflict.value)
        with pytest.raises(Violation) as orphan:
            await database.write(lambda tx: tx.execute(POT, "p", "nobody", 0))
        assert not isinstance(orphan.value, Conflict)
        new = "INSERT INTO accounts (id, name, created_at) VALUES ('a', 'a', 0)"
        await database.write(lambda tx: tx.execute(new))
        with pytest.raises(Violation) as overdrawn:
            await database.write(lambda tx: tx.execute(POT, "p", "a", 1))
        assert overdrawn.value.constraint == "ck_pots_never_overdrawn"
        assert await values(database) == {"a": "1"}

    run(act)


def test_a_mistake_in_sql_is_nobodys_outage(run: Run) -> None:
    async def act(database: Database) -> None:
        with pytest.raises(Exception, match="nonsense") as mistake:
            await database.read(lambda tx: tx.fetch("SELECT nonsense FROM meta"))
        assert not isinstance(mistake.value, DatabaseAway)
        await database.write(lambda tx: put(tx, "a", "1"))

    run(act)


def test_readers_cannot_write(run: Run) -> None:
    async def act(database: Database) -> None:
        with pytest.raises(DatabaseAway, match="read"):
            await database.read(lambda tx: put(tx, "a", "1"))
        assert await values(database) == {}

    run(act)


def test_conditional_updates_from_everywhere_never_pass_their_limit(url: str, tmp_path: Path) -> None:
    take = "UPDATE pots SET escrowed = escrowed + 7 WHERE id = 'p' AND ceiling - spent - escrowed >= 7"

    async def setup(tx: Tx) -> None:
        await tx.execute("INSERT INTO accounts (id, name, created_at) VALUES ('a', 'a', 0)")
        await tx.execute(
            "INSERT INTO pots (id, meter, account_id, kind, ceiling, created_at) VALUES ('p', 'm', 'a', 'w', 100, 0)"
        )

    async def worker(taken: list[int]) -> None:
        async with opened(url, tmp_path) as database:
            tries = (database.write(lambda tx: tx.execute(take)) for _ in range(20))
            taken.extend(await asyncio.gather(*tries))

    async def prepare() -> None:
        async with opened(url, tmp_path) as database:
            await database.write(setup)

    asyncio.run(prepare())
    taken: list[int] = []
    threads = [threading.Thread(target=lambda: asyncio.run(worker(taken))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), sum(taken)) == (60, 14)


def test_transactions_that_wait_for_each_other_both_happen(run: Run) -> None:
    async def act(database: Database) -> None:
        for name in "ab":
            await database.write(lambda tx, name=name: put(tx, name, "0"))  # type: ignore[misc]
        grow = "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = $1"

        async def both(tx: Tx, order: str) -> None:
            for name in order:
                await tx.execute(grow, name)

        orders = ("ab", "ba") * 2
        await asyncio.gather(*(database.write(lambda tx, order=order: both(tx, order)) for order in orders))  # type: ignore[misc]
        assert await values(database) == {"a": "4", "b": "4"}

    run(act)


def test_one_database_serves_several_loops(url: str, tmp_path: Path) -> None:
    async def first() -> Database:
        database = await open_database(url, tmp_path)
        await database.write(lambda tx: put(tx, "a", "1"))
        if database.dialect == "postgresql":
            await database.close()
        return database

    async def second(database: Database) -> None:
        assert await values(database) == {"a": "1"}
        await database.close()

    asyncio.run(second(asyncio.run(first())))


def test_statements_of_sqlalchemy(run: Run) -> None:
    meta, accounts = schema.meta, schema.accounts

    async def act(database: Database) -> None:
        async def work(tx: Tx) -> None:
            for name in "abc":
                assert await core.execute(tx, insert(meta).values(name=name, value=name * 2)) == 1
            assert await core.execute(tx, update(meta).where(meta.c.name > "a").values(value="x")) == 2
            query = select(meta.c.name).where(meta.c.name.in_(["a", "c"]), meta.c.value != "$1").order_by(meta.c.name)
            assert [row["name"] for row in await core.fetch(tx, query.limit(5))] == ["a", "c"]
            assert [row["n"] for row in await core.fetch(tx, select(func.count().label("n")).select_from(meta))] == [3]
            await core.execute(tx, insert(accounts).values(id="a", name="a", created_at=1.5))
            await core.execute(
                tx, insert(schema.pots).values(id="p", meter="m", account_id="a", kind="wallet", created_at=0)
            )
            rows = await core.fetch(tx, select(schema.pots, accounts.c.name.label("account")).join(accounts))
            assert (rows[0]["account"], rows[0]["granted"]) == ("a", 0)

        await database.write(work)

    run(act)


def test_defaults_that_python_makes_are_refused() -> None:
    table = Table("t", MetaData(), Column("a", Integer), Column("b", Integer, default=lambda: 1))
    with pytest.raises(TypeError, match=r"t\.b"):
        core.render(insert(table).values(a=1), "sqlite")


# ── SQLite's own ways to be away ──


def test_a_file_locked_by_another_process_is_away_for_writers_only(tmp_path: Path) -> None:
    async def act() -> None:
        await (await open_sqlite(tmp_path)).close()
        database = SqliteDatabase(tmp_path, busy_seconds=0.1)
        with closing(sqlite3.connect(tmp_path / folder.DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.ensure_future(database.write(lambda tx: put(tx, "a", "1")))
            assert await values(database) == {}
            with pytest.raises(DatabaseAway, match="locked"):
                await writing
            other.execute("ROLLBACK")
        await database.write(lambda tx: put(tx, "a", "1"))
        await database.close()

    asyncio.run(act())


def test_a_full_disk_is_away_and_undoes_the_transaction(tmp_path: Path) -> None:
    async def act() -> None:
        async with opened("", tmp_path) as database:
            await database.write(lambda tx: tx.execute("PRAGMA max_page_count = 1"))
            with pytest.raises(DatabaseAway, match="full"):
                await database.write(lambda tx: tx.many(PUT, [("a", "1"), ("b", "x" * 1_000_000)]))
            assert await values(database) == {}
            await database.write(lambda tx: tx.execute("PRAGMA max_page_count = 1000000"))
            await database.write(lambda tx: put(tx, "a", "1"))

    asyncio.run(act())


def test_work_that_waits_for_something_else_is_a_defect(tmp_path: Path) -> None:
    async def act() -> None:
        async with opened("", tmp_path) as database:

            async def work(tx: Tx) -> None:
                await put(tx, "a", "1")
                await asyncio.sleep(0)

            with pytest.raises(RuntimeError, match="waited for something else"):
                await database.write(work)
            assert await values(database) == {}
            await database.write(lambda tx: put(tx, "a", "1"))

    asyncio.run(act())


# ── PostgreSQL's ──


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    made = postgres.Server()
    made.start()
    yield made
    made.remove()


def test_a_server_that_goes_and_comes_back(server: postgres.Server) -> None:
    async def act() -> None:
        database = await open_postgres(server.fresh_database())
        await asyncio.gather(*(database.write(lambda tx, n=n: put(tx, f"n{n}", "")) for n in range(8)))  # type: ignore[misc]
        for mode in ("fast", "immediate"):
            await asyncio.to_thread(server.stop, mode)
            for _ in range(2 * CONNECTIONS):
                with pytest.raises(DatabaseAway):
                    await database.write(lambda tx: put(tx, "lost", ""))
            await asyncio.to_thread(server.start)
            assert len(await values(database)) == 8
        await database.close()

    asyncio.run(act())


def test_a_statement_that_takes_too_long_is_given_up(server: postgres.Server) -> None:
    async def act() -> None:
        url = server.fresh_database()
        await (await open_postgres(url)).close()
        database = PostgresDatabase(url, statement_seconds=0.2)
        for _ in range(CONNECTIONS + 1):
            with pytest.raises(DatabaseAway):
                await database.write(lambda tx: tx.fetch("SELECT pg_sleep(30)"))
        writing = asyncio.ensure_future(database.write(lambda tx: tx.fetch("SELECT pg_sleep(30)")))
        await asyncio.sleep(0.1)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await database.write(lambda tx: put(tx, "a", "1"))
        await database.close()
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)' AND state = 'active'"
        assert server.sql(sleeping) == "0\n"

    asyncio.run(act())


def test_a_server_that_only_reads_is_away_for_writers(server: postgres.Server) -> None:
    async def act() -> None:
        url = server.fresh_database()
        await (await open_postgres(url)).close()
        server.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        server.sql("SELECT pg_reload_conf()")
        async with opened(url, Path()) as database:
            with pytest.raises(DatabaseAway, match="read-only"):
                await database.write(lambda tx: put(tx, "a", "1"))
            assert await values(database) == {}

    asyncio.run(act())


@pytest.mark.parametrize("change", [("/test_", "/none_"), ("polyrelay@", "nobody:secret@")])
def test_a_refused_login_is_the_operators_to_mend(change: tuple[str, str]) -> None:
    url = postgres.fresh_database().replace(*change)
    with pytest.raises(ConfigurationError, match="does not exist") as refused:
        asyncio.run(open_postgres(url))
    assert "secret" not in str(refused.value)
