"""Both sides of each rule about jobs."""

from typing import Any

import pytest

from polyrelay.ledger import audit_jobs
from polyrelay.ledger.audit_jobs import JobStand

KEPT_SINCE = 100.0


def stand(**changes: Any) -> JobStand:
    values: dict[str, Any] = {
        "id": "px_1", "state": "s", "open": False, "pays": True, "finished_at": 100.0, "held": 5, "posted": True,
        "charged": True, "booked": 5, **changes,
    }  # fmt: skip
    return JobStand(**values)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (stand(), True),
        (stand(booked=4), False),
        (stand(charged=False), False),
        (stand(pays=False), False),
        (stand(pays=False, charged=False, booked=0), True),
        (stand(posted=False), False),
        (stand(posted=False, finished_at=99.9), True),
        (stand(finished_at=None), False),
        (stand(open=True, finished_at=None, posted=False), True),
        (stand(open=True, finished_at=None), False),
        (stand(open=True, posted=False), False),
    ],
)
def test_a_job_beside_its_exchange(found: JobStand, right: bool) -> None:
    offences = list(audit_jobs.job(found, KEPT_SINCE))
    assert (not offences) == right
    assert {(offence.rule, offence.subject) for offence in offences} <= {("job", "px_1")}


def test_holds_and_slices_are_the_same_meter_by_meter() -> None:
    assert list(audit_jobs.holds({"a": 5, "b": 1}, {"a": 5, "b": 1})) == []
    assert list(audit_jobs.holds({}, {"a": 0})) == []
    found = list(audit_jobs.holds({"a": 5, "c": 2}, {"a": 4, "b": 1}))
    assert [(offence.rule, offence.subject) for offence in found] == [("hold", "a"), ("hold", "b"), ("hold", "c")]
