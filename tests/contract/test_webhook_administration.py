"""What operators see of deliveries: by the API, over SQL and in memory's stead the same rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyrelay.jobs.job import Payer
from polyrelay.jobs.lifecycle import Event
from polyrelay.service.administration.roles import Role
from polyrelay.service.webhooks.ports import Attempt, Claim, Result, State
from polyrelay.storage.delivery import outbox
from polyrelay.storage.delivery.webhooks import SqlDeliveryStore
from support import postgres
from support.made import job_id, made
from support.plane import Door, door


@pytest.fixture(params=["sqlite", "postgresql"])
def plane(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    url = postgres.ready_database() if request.param == "postgresql" else ""
    with door(tmp_path / "data", url) as opened:
        yield opened


def end(plane: Door, number: int, account: str = "acc_1") -> None:
    job = made(number, payer=Payer(account, None, "key_1", "default", ()))
    plane.run(plane.database.write(lambda tx: outbox.ended(tx, job, Event.SUCCEED, outbox.nothing_stored)))


def attempt(plane: Door, found: Attempt, result: Result) -> None:
    store = SqlDeliveryStore(plane.database)
    for each in plane.run(store.claim(Claim(9, 9, 0))):
        plane.run(store.conclude(each, found, result))


def listed(plane: Door, query: str = "") -> list[dict[str, Any]]:
    answer = plane.call("GET", f"/webhook-deliveries{query}", role=Role.SUPPORT)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_a_delivery_and_its_log(plane: Door) -> None:
    end(plane, 1)
    attempt(plane, Attempt(1_800_000_000.0, 0.25, 503, "status 503"), Result(State.PENDING, 0.0))
    attempt(plane, Attempt(1_800_000_030.0, 0.5, 200), Result(State.DELIVERED))
    name = outbox.delivery_id(job_id(1))
    (row,) = listed(plane)
    assert row["log"] is None
    one = plane.call("GET", f"/webhook-deliveries/{name}", role=Role.AUDITOR).json()
    assert {**one, "log": None} == row
    assert (one["id"], one["job"], one["account"], one["key"]) == (name, job_id(1), "acc_1", "key_1")
    assert (one["state"], one["attempts"], one["next_at"]) == ("delivered", 2, None)
    assert one["url"] == "https://hooks.example.com/done?…"
    assert [(line["number"], line["status"], line["error"], line["seconds"]) for line in one["log"]] == [
        (1, 503, "status 503", 0.25),
        (2, 200, None, 0.5),
    ]
    assert one["log"][0]["at"] == "2027-01-15T08:00:00.000Z"


def test_filters_and_pages(plane: Door) -> None:
    for number in range(4):
        end(plane, number, f"acc_{number % 2}")
    attempt(plane, Attempt(0.0, 0.1, 410, "status 410"), Result(State.FAILED))
    end(plane, 4, "acc_0")
    assert [row["job"] for row in listed(plane)] == [job_id(number) for number in (4, 3, 2, 1, 0)]
    assert [row["job"] for row in listed(plane, "?account=acc_1")] == [job_id(3), job_id(1)]
    assert [row["job"] for row in listed(plane, "?state=pending")] == [job_id(4)]
    assert [row["job"] for row in listed(plane, f"?job={job_id(2)}")] == [job_id(2)]
    assert listed(plane, "?key=key_2") == []
    page = plane.call("GET", "/webhook-deliveries?limit=2").json()
    assert [row["job"] for row in page["data"]] == [job_id(4), job_id(3)]
    rest = plane.call("GET", f"/webhook-deliveries?limit=9&after={page['next']}").json()
    assert ([row["job"] for row in rest["data"]], rest["next"]) == ([job_id(number) for number in (2, 1, 0)], None)


def test_what_is_not_there(plane: Door) -> None:
    assert plane.call("GET", "/webhook-deliveries/msg_none").status_code == 404
    assert plane.call("GET", "/webhook-deliveries?state=lost").status_code in {400, 422}
