"""Real processes with real jobs, killed again and again: each job is charged or refunded once, whoever ends it."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from polyrelay.jobs.lifecycle import State
from polyrelay.ledger.audit import Findings
from polyrelay.storage.books import transfers
from polyrelay.storage.jobs.store import SqlJobStore
from polyrelay.storage.reports import audit, onlooker
from polyrelay.storage.sql.database import opened
from support import postgres
from support.books import NOTE, SqlBooks
from support.jobs import TASK

KILLS = 5
MAKING_SECONDS = 0.4
TESTS = Path(__file__).parents[1]


class Songs(BaseHTTPRequestHandler):
    """Speaks `PlainDialect`: a song is made in MAKING_SECONDS, every seventh fails, and every fifth is refused."""

    protocol_version = "HTTP/1.1"
    made: ClassVar[dict[str, float]]
    lock = threading.Lock()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        with self.lock:
            number = len(self.made) + 1
            self.made[f"up_{number}"] = time.monotonic()
        if number % 5 == 0:
            self._answer(400, {"error": "no"})
        else:
            self._answer(200, {"id": f"up_{number}", "stage": "submitted"})

    def do_GET(self) -> None:
        names = self.path.partition("ids=")[2].split(",")
        self._answer(200, {name: self._song(name) for name in names if name in self.made})

    def _song(self, name: str) -> dict[str, object]:
        if time.monotonic() - self.made[name] < MAKING_SECONDS:
            return {"stage": "running", "progress": 50}
        return {"stage": "failed" if int(name.removeprefix("up_")) % 7 == 0 else "succeeded"}

    def _answer(self, status: int, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@contextmanager
def songs() -> Iterator[str]:
    class Fresh(Songs):
        made: ClassVar[dict[str, float]] = {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crash.jobber", *arguments], cwd=TESTS, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_jobs_survive_kills(kind: str, tmp_path: Path) -> None:
    url = postgres.fresh_database() if kind == "postgresql" else ""
    asyncio.run(_open_account(url, tmp_path))
    random, told = Random(1), list[str]()
    with songs() as vendor:
        for _ in range(KILLS):
            process = start(url, str(tmp_path), vendor, "serve")
            assert process.stdout is not None
            told.append(process.stdout.readline())
            time.sleep(random.uniform(0.0, 0.2))
            process.kill()
            told += process.communicate()[0].splitlines()
        last = start(url, str(tmp_path), vendor, "drain")
        last.communicate(timeout=60)
        assert last.returncode == 0
    taken = {line.split()[1] for line in told if line.startswith("taken px_") and len(line.split()[1]) == 31}
    refused = {line.split()[1] for line in told if line.startswith("refused px_")}
    asyncio.run(_prove(url, tmp_path, taken, refused))


async def _open_account(url: str, data: Path) -> None:
    async with opened(url, data) as database:
        sql = "INSERT INTO accounts (id, name, created_at) VALUES ('acc_1', 'acc_1', 0.0)"
        await database.write(lambda tx: tx.execute(sql))
        await database.write(lambda tx: transfers.topup(tx, "acc_1", 10**6 * TASK, NOTE))


async def _prove(url: str, data: Path, taken: set[str], refused: set[str]) -> None:
    async with opened(url, data) as database:
        books = SqlBooks(database)
        snapshot = await books.snapshot()
        snapshot.check()
        names = [row["id"] for row in await database.read(lambda tx: tx.fetch("SELECT id FROM jobs"))]
        jobs = {job.id: job for job in await SqlJobStore(database).load(names)}
        found: Findings = await database.read(lambda tx: audit.prove(tx, lambda: onlooker.read(data)))
    assert found.offences == []
    assert sum(pot.escrowed for pot in snapshot.pots.values()) == 0
    assert len(taken) > KILLS
    states = {str(name): job.state for name, job in jobs.items()}
    assert {states[name] for name in taken} <= {State.SUCCEEDED, State.FAILED}, "whoever was told so has its job"
    assert {states[name] for name in refused} <= {State.REFUSED}
    for name, job in jobs.items():
        assert snapshot.exchanges[name] == ((TASK, 0) if job.state is State.SUCCEEDED else (None, 0))
    assert {job.state for job in jobs.values()} <= {State.SUCCEEDED, State.FAILED, State.REFUSED, State.LOST}
