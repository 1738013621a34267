"""What becomes of an answer whose client has left, and who pays for it."""

from typing import Any

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.settings.bounds import Bounds
from polyrelay.upstream.recorded import Answer
from support.stage import DONE, JSON, USAGE, WHOLE, Page, Stage, frame, stream

CUT = Fault(FaultKind.CUT)
REST = (frame(finish="stop"), USAGE, DONE)


def left(answer: Answer, *, after: int, drains: bool = True, **settings: Any) -> tuple[Stage, Page]:
    """A client that leaves after so many steps of the upstream (1: the head, then a chunk each); then all comes."""
    stage = Stage(answer, Answer(200, JSON, (WHOLE,)), channels=2, drains=drains, **settings)
    dispatch, page = stage.ask(deliver=False, stream=answer.headers != JSON)
    assert dispatch is not None
    for _ in range(after):
        stage.upstream.step()
    if after == 2:
        dispatch.pause()
    dispatch.client_gone()
    before = page.body
    dispatch.client_gone()
    stage.upstream.deliver()
    assert page.body == before
    assert page.ended == ""
    assert len(stage.upstream.requests) == 1
    return stage, page


def booked(stage: Stage) -> tuple[int, bool] | None:
    """Output tokens and whether they are estimated; None when nothing was charged."""
    (record,) = stage.records
    assert (record.outcome, record.error) == (Outcome.CLIENT_GONE, "client_gone")
    assert stage.diary.count("settle") + stage.diary.count("void") == 1
    stage.at_rest()
    return None if record.usage is None else (record.usage.output_tokens, record.usage.estimated)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_drained_stream_is_charged_what_it_used(after: int) -> None:
    stage, _ = left(stream(frame("hello, world"), *REST), after=after)
    assert booked(stage) == (4, False)
    assert stage.records[0].finish == "stop"
    assert stage.records[0].status == (200 if after >= 2 else 499)
    assert stage.diary.count("sent") == (1 if after >= 2 else 0)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_drained_unary_answer_is_charged_what_it_used(after: int) -> None:
    stage, _ = left(Answer(200, JSON, (WHOLE[:50], WHOLE[50:])), after=after)
    assert booked(stage) == (4, False)


def test_without_stated_usage_only_what_was_delivered_is_charged() -> None:
    stage, _ = left(stream(frame("hello, world"), frame("and much more" * 50), frame(finish="stop"), DONE), after=2)
    assert booked(stage) == (3, True)


@pytest.mark.parametrize(
    ("answer", "after", "charged"),
    [
        (Answer(500, JSON), 0, None),
        (Answer(None, fault=CUT), 0, None),
        (Answer(400, JSON, (b'{"error":{"message":"no"}}',)), 0, None),
        (Answer(200, JSON, (WHOLE[:50],), fault=CUT), 1, None),
        (stream(frame("hello"), fault=CUT), 1, None),
        (stream(frame("hello"), fault=CUT), 2, (2, True)),
        (stream(frame("hello"), frame("more"), b'data: {"error":{"message":"tired"}}\n\n', DONE), 1, None),
        (stream(frame("hello"), frame("more"), b'data: {"error":{"message":"tired"}}\n\n', DONE), 2, (2, True)),
    ],
)
def test_an_upstream_that_fails_before_delivering_is_free(
    answer: Answer, after: int, charged: tuple[int, bool] | None
) -> None:
    stage, _ = left(answer, after=after)
    assert booked(stage) == charged


@pytest.mark.parametrize(("after", "charged"), [(0, None), (1, (0, True)), (2, (3, True))])
def test_a_drain_ends_in_time(after: int, charged: tuple[int, bool] | None) -> None:
    stage = Stage(stream(frame("hello, world"), frame("more"), hangs=True), drains=True)
    dispatch, _ = stage.ask(deliver=False, stream=True)
    assert dispatch is not None
    for _ in range(after):
        stage.upstream.step()
    dispatch.client_gone()
    if after:
        stage.upstream.deliver()
    stage.time.pass_(29.9)
    assert stage.records == []
    stage.time.pass_(0.2)
    assert booked(stage) == charged


@pytest.mark.parametrize(("spare", "charged"), [(0, (4, False)), (-len(DONE) - 1, (3, True))])
def test_a_drain_reads_so_many_bytes(spare: int, charged: tuple[int, bool]) -> None:
    bounds = Bounds(drained_bytes=sum(map(len, REST)) + spare)
    stage, _ = left(stream(frame("hello, world"), *REST), after=2, bounds=bounds)
    assert booked(stage) == charged


@pytest.mark.parametrize("way", ["relay", "dispatch"])
def test_the_end_of_the_process_ends_a_drain(way: str) -> None:
    stage = Stage(stream(frame("hello, world"), hangs=True), drains=True)
    dispatch, _ = stage.ask(stream=True)
    assert dispatch is not None
    dispatch.client_gone()
    assert stage.relay.in_flight == 1
    for _ in range(2):
        if way == "relay":
            stage.relay.close()
        else:
            dispatch.shut()
    assert booked(stage) == (3, True)


def test_a_large_unary_answer_is_drained_without_being_kept() -> None:
    body = WHOLE.replace(b"hello", b"x" * 500)
    pieces = tuple(body[n : n + 100] for n in range(0, len(body), 100))
    stage, _ = left(Answer(200, JSON, pieces), after=2, bounds=Bounds(unary_bytes=250))
    assert booked(stage) == (4, False)


@pytest.mark.parametrize(
    ("answer", "after", "charged"),
    [
        (stream(frame("hello, world"), *REST), 0, None),
        (stream(frame("hello, world"), *REST), 1, (0, True)),
        (stream(frame("hello, world"), *REST), 2, (3, True)),
        (Answer(200, JSON, (WHOLE,)), 0, None),
        (Answer(200, JSON, (WHOLE[:9], WHOLE[9:])), 2, (0, True)),
        (Answer(400, JSON, (b"{}",)), 1, None),
    ],
)
def test_a_cancelled_answer_is_charged_by_how_far_it_had_come(
    answer: Answer, after: int, charged: tuple[int, bool] | None
) -> None:
    stage, _ = left(answer, after=after, drains=False)
    assert booked(stage) == charged
