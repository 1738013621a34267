"""From a job that is over to its exchange: priced as it was pinned, charged or not."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from polyrelay.exchange.call import Demand
from polyrelay.exchange.job import Snapshot, Stage
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.jobs.lifecycle import Event
from polyrelay.metering.sheet import ONE
from polyrelay.service.bank import Row
from polyrelay.service.jobs import booking
from support.jobs import AT, TASK, TWO_CLIPS, accepted, done, ended, job, price
from support.till import tariff

VIDEO = VideoAsk("sora", "a cat", seconds=8)
SECONDS = tariff("sora", {"per_second": "0.000000010"}, costs={"suno": {"per_second": "0.000000004"}})


def success(**more: Any) -> Row:
    return done(accepted(job(**more)))[2]


def test_a_success_is_charged_by_its_pinned_tariff() -> None:
    row = success(label="mine")
    assert (row.amount, row.short, row.held, row.at) == (TASK, 0, TASK, AT + 60)
    assert (row.tariff, row.tariff_version, row.multiplier) == ("t-song", "1", "1")
    assert json.loads(row.lines or "") == [
        {"bucket": "tasks", "quantity": 1, "unit_price": "0.0000001", "priced_as": "tasks", "amount": "0.0000001"}
    ]
    assert (row.status, row.outcome, row.channel, row.surface, row.label) == (200, "complete", "suno", "suno", "mine")
    assert (row.attempts, row.seconds, row.meters) == (1, 60.0, ("wallet:acc_1",))


def test_a_groups_multiplier_counts() -> None:
    vip = price()
    row = success(price=type(vip)(vip.tariff, ONE // 2, vip.window))
    assert row.amount == TASK // 2


def test_what_the_hold_does_not_cover_is_short() -> None:
    row = done(accepted(job(held=30)))[2]
    assert (row.amount, row.short, row.held) == (30, 70, 30)


def test_what_has_no_price_costs_the_hold(caplog: pytest.LogCaptureFixture) -> None:
    row = ended(accepted(job(held=77)), Event.SUCCEED, Usage(seconds=3))[2]
    assert (row.amount, row.short, row.lines, row.cost) == (77, 0, None, None)
    assert "is charged its hold" in caplog.text


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [(Event.FAIL, 502, "job_failed"), (Event.EXPIRE, 504, "job_expired"), (Event.LOSE, 502, "job_lost")],
)
def test_what_ends_badly_is_a_record_without_a_charge(event: Event, status: int, error: str) -> None:
    row = ended(accepted(job()), event)[2]
    assert (row.status, row.error, row.outcome, row.amount) == (status, error, "upstream_error", None)
    assert (row.lines, row.indeterminate, row.channel) == (None, False, "suno")


def test_a_stranded_submission_is_in_doubt() -> None:
    row = ended(job(), Event.STRAND)[2]
    assert (row.amount, row.indeterminate, row.held, row.channel) == (None, True, TASK, None)
    assert (row.status, row.error, row.outcome) == (500, "relay_crashed", "truncated")


def test_a_refusal_has_the_status_its_client_got() -> None:
    over = job().after(Event.REFUSE, finished_at=AT + 2)
    told = booking.refused(over, 429, Outcome.UPSTREAM_ERROR, "upstream_rate_limited")
    row = booking.row(over, Event.REFUSE, told, ZoneInfo)
    assert (row.status, row.error, row.seconds, row.amount) == (429, "upstream_rate_limited", 2.0, None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (Snapshot(Stage.SUCCEEDED, result=Video("u")), 8),
        (Snapshot(Stage.SUCCEEDED, result=Video("u", seconds=4.2)), 5),
        (Snapshot(Stage.SUCCEEDED, result=Video("u", seconds=4.2), usage=Usage(seconds=6)), 6),
        (Snapshot(Stage.SUCCEEDED, result=Video("u"), usage=Usage(seconds=8)), 8),
        (Snapshot(Stage.SUCCEEDED, result=Video("u"), usage=Usage(seconds=9)), 8),
        (Snapshot(Stage.SUCCEEDED, result=Video("u", seconds=4000)), 8),
    ],
)
def test_seconds_are_those_stated_or_made_or_asked_for(said: Snapshot, seconds: int) -> None:
    asked = accepted(job(80, 80, ask=VIDEO, demand=Demand(seconds=8), price=price(SECONDS), model="sora"))
    usage = booking.used(asked, said)
    assert usage == Usage(seconds=seconds)
    row = ended(asked, Event.SUCCEED, usage)[2]
    assert ((row.amount or 0) + row.short, row.cost) == (seconds * 10, seconds * 4)


def test_tokens_that_an_upstream_states_stand_beside_the_task() -> None:
    said = Snapshot(Stage.SUCCEEDED, result=TWO_CLIPS, usage=Usage(output_text=9, estimated=True))
    assert booking.used(accepted(job()), said) == Usage(output_text=9, estimated=True, tasks=1)


def test_who_named_no_length_pays_what_was_made() -> None:
    asked = accepted(job(80, 80, ask=VideoAsk("sora", "a cat"), demand=Demand(seconds=12)))
    said = Snapshot(Stage.SUCCEEDED, result=Video("u"), usage=Usage(seconds=20))
    assert booking.used(asked, said).seconds == 20
