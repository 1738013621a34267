"""Exchanges that wait for an upstream which works on one call at a time, in virtual time."""

from typing import Any

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.routing.channel import Candidate
from polyrelay.service import world
from polyrelay.service.dispatch import Dispatch
from polyrelay.upstream.recorded import Answer
from support.stage import Page, Stage, comments, good_stream, stream, whole
from support.stage import frame as chunk

ONE = {"concurrency": 1, "waiting": 2}
HANGS = Answer(None, hangs=True)


def queue(*answers: Answer, channels: int = 1, **settings: Any) -> Stage:
    return Stage(*answers, channels=channels, terms=ONE, **settings)


def come(stage: Stage, **body: Any) -> tuple[Dispatch, Page]:
    dispatch, page = stage.ask(deliver=False, **body)
    assert dispatch is not None
    return dispatch, page


def test_the_second_is_sent_when_the_first_is_answered() -> None:
    stage = queue(whole(), whole(), whole())
    pages = [come(stage)[1] for _ in range(3)]
    assert len(stage.upstream.requests) == 1
    assert stage.diary == ["reserve"] * 3, "funds are set aside while one waits"
    stage.upstream.deliver()
    assert [page.status for page in pages] == [200, 200, 200]
    assert len(stage.upstream.requests) == 3
    stage.at_rest()


def test_who_finds_no_room_is_told_to_come_back_and_pays_nothing() -> None:
    stage = queue(whole(), whole(), whole())
    for _ in range(3):
        come(stage)
    _, page = stage.ask(deliver=False)
    assert page.status == 503
    assert page.json["error"]["code"] == "queue_full"
    assert page.headers[b"retry-after"] == b"10"
    assert stage.records[0].outcome is Outcome.REFUSED
    assert stage.records[0].attempts == 0
    stage.upstream.deliver()
    stage.at_rest()


def test_who_leaves_while_waiting_is_not_sent_and_pays_nothing() -> None:
    stage = queue(whole(), whole())
    come(stage)
    second, page = come(stage)
    come(stage)
    second.client_gone()
    stage.upstream.deliver()
    assert len(stage.upstream.requests) == 2
    assert page.status == 0
    assert stage.diary.count("void") == 1
    stage.at_rest()


def test_who_leaves_while_being_served_lets_the_next_one_go() -> None:
    stage = queue(HANGS, whole())
    first, _ = come(stage)
    _, page = come(stage)
    first.client_gone()
    stage.upstream.deliver()
    assert page.status == 200
    stage.at_rest()


def test_an_answer_that_is_read_on_keeps_its_place() -> None:
    stage = Stage(stream(chunk("hello"), hangs=True), whole(), drains=True, terms=ONE)
    first, _ = come(stage, stream=True)
    stage.upstream.deliver()
    _, page = come(stage)
    first.client_gone()
    stage.upstream.deliver()
    assert page.status == 0, "the upstream still works on the first"
    stage.time.pass_(stage.relay.snapshot.settings.bounds.drained_seconds)
    stage.upstream.deliver()
    assert page.status == 200
    stage.at_rest()


@pytest.mark.parametrize("fault", [Answer(500), Answer(None, fault=Fault(FaultKind.TOTAL)), Answer(400)])
def test_a_failure_gives_the_place_back(fault: Answer) -> None:
    stage = queue(fault, whole())
    _, first = come(stage)
    _, second = come(stage)
    stage.upstream.deliver()
    assert first.status >= 400
    assert second.status == 200
    stage.at_rest()


def test_a_pause_before_the_only_channels_retry_keeps_the_place() -> None:
    stage = queue(Answer(None, fault=Fault(FaultKind.CUT)), whole(), whole())
    _, first = come(stage)
    _, second = come(stage)
    stage.upstream.deliver()
    assert len(stage.upstream.requests) == 1
    stage.time.pass_(1)
    assert len(stage.upstream.requests) == 2
    stage.upstream.deliver()
    assert (first.status, second.status) == (200, 200)
    stage.at_rest()


def test_the_free_one_of_two_channels_is_asked() -> None:
    stage = queue(whole(), whole(), channels=2)
    come(stage)
    come(stage)
    assert [request.channel.name for request in stage.upstream.requests] == ["a", "b"]
    stage.upstream.deliver()
    stage.at_rest()


def test_a_failover_waits_for_the_other_channel() -> None:
    stage = queue(Answer(500), HANGS, whole(), channels=2)
    _, first = come(stage)
    second, _ = come(stage)
    stage.upstream.deliver()
    assert [request.channel.name for request in stage.upstream.requests] == ["a", "b"]
    second.client_gone()
    stage.upstream.deliver()
    assert first.status == 200
    assert [request.channel.name for request in stage.upstream.requests] == ["a", "b", "b"]
    stage.at_rest()


def test_a_stream_that_waits_is_kept_open() -> None:
    stage = queue(HANGS, good_stream(), answers=comments(5))
    first, _ = come(stage)
    _, page = come(stage, stream=True)
    stage.time.pass_(11)
    assert page.body == b": keep-alive\n\n" * 2
    first.client_gone()
    stage.upstream.deliver()
    assert page.body.endswith(b"data: [DONE]\n\n")
    stage.at_rest()


def test_whoever_waits_at_shutdown_is_told_so() -> None:
    stage = queue(HANGS)
    first, _ = come(stage)
    second, page = come(stage)
    second.shut()
    first.shut()
    assert page.status == 503
    assert page.json["error"]["code"] == "shutting_down"
    stage.at_rest()


def test_a_request_that_cannot_be_written_in_its_turn_gives_the_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = queue(whole(), whole())
    come(stage)
    _, second = come(stage)
    _, third = come(stage)
    sent: list[object] = []

    def send(dispatch: Dispatch, candidate: Candidate) -> object:
        sent.append(candidate)
        if len(sent) == 1:
            raise RuntimeError("a defect")
        return whole_send(dispatch, candidate)

    whole_send = Dispatch._send
    monkeypatch.setattr(Dispatch, "_send", send)
    stage.upstream.deliver()
    assert second.status == 500
    assert third.status == 200
    stage.at_rest()


def test_a_reload_keeps_the_order_and_who_waits_its_own_channel() -> None:
    stage = queue(whole(), whole(), whole())
    come(stage)
    _, second = come(stage)
    old = stage.relay.snapshot
    stage.relay.snapshot = world.snapshot(old.settings, type(old.catalog)(old.catalog.channels), "polyrelay/test")
    _, third = come(stage)
    assert len(stage.upstream.requests) == 1
    stage.upstream.step()
    stage.upstream.deliver()
    assert (second.status, third.status) == (200, 200)
    stage.at_rest()


def test_without_a_bound_nobody_waits() -> None:
    stage = Stage(whole(), whole())
    come(stage)
    come(stage)
    assert len(stage.upstream.requests) == 2
    assert len(stage.relay.world.lines) == 0
    stage.upstream.deliver()
    stage.at_rest()
