"""What an answer about jobs is, by its status and its sense, for one job and for several."""

from collections.abc import Sequence
from typing import Any

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Snapshot, Stage, Upstreamed
from polyrelay.service.jobs import hearing
from polyrelay.service.jobs.hearing import Heard, Senseless
from polyrelay.service.whole import Whole
from polyrelay.wire.dialect import Asked
from support.jobs import SONG_ASK, PlainDialect

NOW = 1_800_000_000.0
ASKED = [Asked(SONG_ASK, Upstreamed((f"up_{number}",))) for number in range(2)]


def heard(count: int, status: int, body: bytes, dialect: PlainDialect | None = None, *headers: Any) -> Heard:
    return hearing.understood(dialect or PlainDialect(), ASKED[:count], Whole(status, headers, body), NOW)


def test_a_word_on_each() -> None:
    said = heard(2, 200, b'{"up_1": {"stage": "running", "progress": 7}}')
    assert said == [None, Snapshot(Stage.RUNNING, 7)]


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_who_is_asked_about_one_job_may_not_know_it(status: int) -> None:
    assert heard(1, status, b'{"error": "no such job"}') == [None]
    assert heard(1, status, b"<html>") == [None]
    assert heard(2, status, b'{"error": "no such job"}') == Senseless("no such job")


@pytest.mark.parametrize("status", [401, 402, 403, 405, 408, 429, 500, 503])
@pytest.mark.parametrize("body", [b'{"error": "no"}', b"<html>"])
def test_other_refusals_are_the_upstreams_trouble(status: int, body: bytes) -> None:
    for count in (1, 2):
        found = heard(count, status, body, None, (b"retry-after", b"9"))
        assert isinstance(found, Fault)
        assert (found.kind, found.status, found.retry_after) == (FaultKind.STATUS, status, 9.0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_a_200_without_sense(body: bytes) -> None:
    for count in (1, 2):
        assert isinstance(heard(count, 200, body), Senseless)


def test_a_dialects_defect_makes_no_sense(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PlainDialect):
        def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
            raise RuntimeError("defect")

    class Short(PlainDialect):
        def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
            return []

    assert isinstance(heard(1, 200, b"{}", Broken()), Senseless)
    assert "RuntimeError: defect" in caplog.text
    assert heard(1, 200, b"{}", Short()) == Senseless("0 answers for 1 jobs")
