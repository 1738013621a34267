"""Clients are told that their jobs have ended: by real processes, to a real receiver on loopback."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polyrelay.jobs.job import Job, Payer
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.service.administration import webhooks as use_cases
from polyrelay.service.administration.ports import Kind, Session
from polyrelay.service.administration.webhooks import Delivery
from polyrelay.service.webhooks import signature
from polyrelay.storage.administration.office import SqlOffice
from polyrelay.storage.delivery import outbox
from polyrelay.storage.secrecy.derived import DerivedSecrets
from polyrelay.storage.sql.database import opened
from polyrelay.storage.sql.transaction import Database, Tx
from support import postgres
from support.made import job_id, made, write
from support.processes import make_key, polyrelay, until
from support.receiver import Receiver, Reply, receiver

CONFIG = """\
[server]
data = "{data}"
public_url = "https://relay.example.com"
[database]
url = "{url}"
[webhooks]
enabled = true
allow_http = true
allowed_ports = [{ports}]
allowed_networks = [{networks}]
attempts = 3
first_delay_seconds = 0.02
timeout_seconds = {timeout}
"""


@dataclass
class Shop:
    """A relay's data, its configuration, one key, and jobs that end in it."""

    config: Path
    data: Path
    url: str
    account: str
    key: str

    def end(self, number: int, url: str, event: Event = Event.SUCCEED, **changes: Any) -> Job:
        job = made(number, payer=Payer(self.account, None, self.key, "default", ()), notify=url, **changes)
        self.within(lambda database: write(database, job, event))
        return job

    def within(self, use: Any) -> Any:
        async def work() -> Any:
            async with opened(self.url, self.data) as database:
                return await use(database)

        return asyncio.run(work())

    def execute(self, sql: str) -> None:
        async def use(database: Database) -> None:
            async def work(tx: Tx) -> None:
                await tx.execute(sql)

            await database.write(work)

        self.within(use)

    def told(self, job: Job) -> dict[str, Any]:
        """What operators see of the job's delivery."""

        async def find(session: Session) -> Delivery:
            row = await session.get(Kind.DELIVERIES, outbox.delivery_id(job.id))
            assert row is not None
            return await use_cases.explained(session, row)

        return dict(msgspec.to_builtins(self.within(lambda database: SqlOffice(database).read(find))))

    def over(self, job: Job) -> bool:
        async def use(database: Database) -> bool:
            sql = "SELECT state FROM webhook_deliveries WHERE job_id = $1"
            return bool((await database.read(lambda tx: tx.fetch(sql, job.id)))[0]["state"] != "pending")

        return bool(self.within(use))

    @property
    def secret(self) -> str:
        """What the key's calls are signed with, as its owner has it."""
        found = self.within(lambda database: DerivedSecrets(self.data, database).of(self.key))
        return signature.written(found)

    @contextmanager
    def following(self) -> Iterator[subprocess.Popen[str]]:
        """A process that does what follows the end of jobs."""
        command = [sys.executable, "-m", "support.follower", str(self.config)]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def shop(
    folder: Path, *receivers: Receiver, networks: str = '"127.0.0.0/8"', timeout: float = 5, url: str = ""
) -> Shop:
    config, data = folder / "polyrelay.toml", folder / "data"
    ports = ", ".join(str(each.port) for each in receivers)
    config.write_text(CONFIG.format(data=data, url=url, ports=ports, networks=networks, timeout=timeout))
    make_key(config)
    at = Shop(config, data, url, "", "")
    at.account, at.key = at.within(_first_key)
    return at


async def _first_key(database: Database) -> tuple[str, str]:
    (row,) = await database.read(lambda tx: tx.fetch("SELECT account_id, id FROM keys"))
    return row["account_id"], row["id"]


@pytest.fixture
def customer() -> Iterator[Receiver]:
    with receiver() as made_receiver:
        yield made_receiver


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_receiver_that_fails_twice_hears_of_it_in_the_end(tmp_path: Path, customer: Receiver, database: str) -> None:
    customer.answers["/done"] = [Reply(500), Reply(503), Reply(204)]
    at = shop(tmp_path, customer, url=postgres.fresh_database() if database == "postgresql" else "")
    job = at.end(1, customer.url("/done?token=t"))
    with at.following():
        until(lambda: at.over(job))
    calls = customer.calls("/done")
    assert len(calls) == 3
    secret = at.secret
    for call in calls:
        assert call.is_signed_with(secret)
        assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < 60
        assert call.headers["content-type"] == "application/json"
        assert call.path == "/done?token=t"
        assert (call.json["id"], call.json["state"]) == (job.id, "succeeded")
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    told = at.told(job)
    assert (told["state"], told["attempts"]) == ("delivered", 3)
    assert [(line["status"], line["error"]) for line in told["log"]] == [
        (500, "status 500"),
        (503, "status 503"),
        (204, None),
    ]
    assert "token" not in told["url"]


def test_every_end_is_told(tmp_path: Path, customer: Receiver) -> None:
    at = shop(tmp_path, customer)
    jobs = [
        at.end(1, customer.url("/a")),
        at.end(2, customer.url("/b"), Event.FAIL, state=State.FAILED, result=None, reason="no"),
        at.end(3, customer.url("/c"), Event.EXPIRE, state=State.EXPIRED, result=None),
    ]
    with at.following():
        until(lambda: all(at.over(job) for job in jobs))
    states = [customer.calls(path)[0].json["state"] for path in ("/a", "/b", "/c")]
    assert states == ["succeeded", "failed", "expired"]


def test_a_receiver_that_redirects_inside_is_not_followed(tmp_path: Path, customer: Receiver) -> None:
    with receiver() as inside:
        customer.answers["/done"] = [Reply(302, {"location": inside.url("/secrets")})]
        at = shop(tmp_path, customer, inside)
        job = at.end(1, customer.url("/done"))
        with at.following():
            until(lambda: at.over(job))
        assert inside.heard == []
    told = at.told(job)
    assert (told["state"], told["attempts"]) == ("failed", 3)
    assert told["log"][0]["error"] == "status 302: redirects are not followed"


def test_a_receiver_that_hangs_keeps_nobody_waiting(tmp_path: Path, customer: Receiver) -> None:
    customer.answers["/hangs"] = [Reply(hangs=True)]
    at = shop(tmp_path, customer, timeout=1)
    stuck = [at.end(number, customer.url("/hangs")) for number in range(6)]
    quick = at.end(9, customer.url("/quick"))
    at.execute(f"UPDATE webhook_deliveries SET account_id = 'acc_other' WHERE job_id = '{quick.id}'")
    began = time.monotonic()
    with at.following():
        until(lambda: at.over(quick))
        assert time.monotonic() - began < 10
        until(lambda: at.over(stuck[0]))
    told = at.told(stuck[0])
    assert (told["state"], told["attempts"]) == ("failed", 3)
    assert "curl 28" in told["log"][0]["error"]


def test_what_is_inside_is_not_called_where_the_operator_does_not_allow_it(tmp_path: Path, customer: Receiver) -> None:
    at = shop(tmp_path, customer, networks="")
    jobs = [at.end(1, customer.url("/done")), at.end(2, f"http://localhost:{customer.port}/done")]
    with at.following():
        until(lambda: all(at.over(job) for job in jobs))
    assert customer.heard == []
    for job in jobs:
        assert "not on the internet (loopback)" in at.told(job)["log"][0]["error"]


def test_a_process_that_is_killed_before_or_while_it_calls_loses_no_call(tmp_path: Path, customer: Receiver) -> None:
    customer.answers["/done"] = [Reply(hangs=True), Reply(200)]
    at = shop(tmp_path, customer)
    with at.following() as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    job = at.end(1, customer.url("/done"))
    with at.following() as process:
        until(lambda: len(customer.heard) == 1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not at.over(job)
    at.execute("UPDATE webhook_deliveries SET next_at = next_at - 1000")  # the lease of the dead ends
    with at.following():
        until(lambda: at.over(job))
    first, second = customer.calls("/done")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    told = at.told(job)
    assert (told["state"], told["attempts"], [line["number"] for line in told["log"]]) == ("delivered", 2, [2])


def test_a_revoked_key_calls_nobody(tmp_path: Path, customer: Receiver) -> None:
    at = shop(tmp_path, customer)
    job = at.end(1, customer.url("/done"))
    at.execute("UPDATE keys SET revoked_at = 1")
    with at.following():
        until(lambda: at.over(job))
    assert customer.heard == []
    assert at.told(job)["log"][0]["error"] == "the key of the job was revoked"


def test_operators_see_it_by_command(tmp_path: Path, customer: Receiver) -> None:
    at = shop(tmp_path, customer)
    job = at.end(1, customer.url("/done"))
    config = ("--config", str(at.config))
    found = polyrelay("webhooks", "list", "--account", "test", "--state", "pending", *config)
    assert [row["job"] for row in found["data"]] == [job_id(1)]
    assert polyrelay("webhooks", "list", job.id, *config) == at.told(job)
    assert polyrelay("webhooks", "secret", at.key, *config)["secret"] == at.secret
