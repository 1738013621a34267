"""Workers whose journal is lost: what doctor says, what is listed, and how their money comes free."""

import asyncio
import io
import json
import sqlite3
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from polyrelay.cli.main import main
from polyrelay.exchange.usage import Usage
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.sql.database import open_sqlite
from support.stage import VirtualTime
from support.till import BOOK, CALL_NANOS, Till, holder, one_call

WORKER = "wk_1"


def command(data: Path, *words: str) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["polyrelay", *words, "--data", str(data)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return code, out.getvalue(), err.getvalue()


def document(data: Path, *words: str) -> Any:
    code, out, err = command(data, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def give_up(data: Path) -> tuple[int, str, str]:
    return command(data, "ledger", "give-up", WORKER, "--reason", "the disk is gone", "--yes", "--json")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A worker died behind two calls of 10 000 000 nanos, neither of them posted, and one without an end."""
    place = tmp_path / "data"
    account = document(place, "accounts", "create", "ann")["id"]
    command(place, "topup", "ann", "1")

    async def work() -> None:
        database = await open_sqlite(place)
        try:
            till = await Till(place, SqlBank(database), VirtualTime(), BOOK, WORKER).open()
            ann = holder(account)
            for _ in range(2):
                till.settle(await till.reserve(ann, one_call()), Usage())
            await till.reserve(ann, one_call())
            till.crash()
        finally:
            await database.close()

    asyncio.run(work())
    expire(place)
    return place


def expire(data: Path, until: float = 1.0) -> None:
    with closing(sqlite3.connect(data / "polyrelay.db")) as connection:
        connection.execute("UPDATE workers SET lease_until = ?", (until,))
        connection.commit()


def file_of(data: Path) -> Path:
    return data / "journals" / f"{WORKER}.0000"


def spoil(data: Path, at: bytes = b"PJ1") -> None:
    """Break the record before the last one."""
    content = bytearray(file_of(data).read_bytes())
    last = content.rfind(at)
    content[content.rfind(at, 0, last) + 20] ^= 0xFF
    file_of(data).write_bytes(content)


def balance(data: Path) -> tuple[str, str]:
    found = document(data, "accounts", "show", "ann")["balance"]
    return found["own"], found["escrowed"]


def told(data: Path) -> list[dict[str, str]]:
    _, out, _ = command(data, "doctor", "--json")
    return [each for each in json.loads(out) if each["check"].startswith("journal")]


def test_a_whole_journal_or_a_lease_is_not_given_up(data: Path) -> None:
    assert [each["journal"] for each in document(data, "ledger", "journals")] == ["here"]
    assert [each["check"] for each in told(data)] == ["journals"]
    assert give_up(data)[0] == 1
    spoil(data)
    expire(data, 1e12)
    code, _, err = give_up(data)
    assert (code, "live" in err) == (1, True)
    assert file_of(data).exists()


def test_what_is_before_the_damage_is_charged_and_the_rest_comes_free(data: Path) -> None:
    spoil(data)
    (listed,) = document(data, "ledger", "journals")
    assert (listed["worker"], listed["journal"]) == (WORKER, "damaged")
    (finding,) = told(data)
    assert (finding["state"], "give-up wk_1" in finding["remedy"]) == ("problem", True)
    code, out, err = give_up(data)
    assert code == 0, err
    done = json.loads(out)
    assert done["exchanges"] == 2
    assert [Path(path).name for path in done["kept"]] == [f"{WORKER}.0000.damaged"]
    assert not file_of(data).exists()
    assert balance(data) == (f"{(10**9 - CALL_NANOS) / 10**9:.9f}", "0.000000000")
    assert document(data, "ledger", "journals") == []
    assert document(data, "ledger", "audit")["clean"]
    assert told(data) == []
    with closing(sqlite3.connect(data / "polyrelay.db")) as connection:
        query = "SELECT object, after FROM audit_log WHERE action = 'worker.give_up'"
        ((name, after),) = connection.execute(query).fetchall()
    assert (name, "the disk is gone" in after) == (WORKER, True)
    assert give_up(data)[0] == 1


@pytest.mark.parametrize("content", [None, b"garbage from the first byte on"])
def test_of_a_journal_that_is_gone_nothing_is_charged(data: Path, content: bytes | None) -> None:
    file_of(data).unlink()
    if content is not None:
        file_of(data).write_bytes(content)
    (listed,) = document(data, "ledger", "journals")
    assert listed["journal"] == ("missing" if content is None else "damaged")
    assert [each["state"] for each in told(data)] == ["problem"]
    code, out, _ = command(data, "ledger", "audit", "--json")
    assert (code, json.loads(out)["offences"][0]["subject"]) == (1, WORKER), "what it ended last cannot be proved"
    assert give_up(data)[0] == 0
    assert balance(data) == ("1.000000000", "0.000000000")
    assert document(data, "ledger", "audit")["clean"]
