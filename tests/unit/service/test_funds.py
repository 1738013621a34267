"""What the ledger decides over an exchange: whether it begins, how long it may get, when its last bytes leave."""

import json
import logging
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from polyrelay.access.principal import KeyLimits
from polyrelay.exchange.call import Call, References
from polyrelay.exchange.guess import estimated
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import errors
from polyrelay.service.dispatch import Dispatch
from polyrelay.settings.bounds import Bounds
from polyrelay.storage.books.memory_ledger import MemoryWait
from polyrelay.upstream.recorded import Answer
from support.stage import (
    DONE,
    HOLDER,
    JSON,
    WHOLE,
    Page,
    Stage,
    comments,
    frame,
    good_stream,
    stream,
    whole,
)

NO_FUNDS = errors.InsufficientQuota("the account's balance is used up")
ONE_AT_ONCE = replace(HOLDER, limits=KeyLimits(concurrency=1))
ASK_COST = ((b"x-polyrelay-usage-cost", b"true"),)


def poor(*answers: Answer, **settings: Any) -> Stage:
    """A stage whose reserves wait."""
    stage = Stage(*answers, holder=ONE_AT_ONCE, **settings)
    stage.ledger.waiting = True
    return stage


def asked(stage: Stage, **body: Any) -> tuple[Dispatch, Page, MemoryWait]:
    dispatch, page = stage.ask(**body)
    assert dispatch is not None
    (wait,) = stage.ledger.waits
    return dispatch, page, wait


def fresh_request_is_served(stage: Stage) -> bool:
    """The lease of the one before was given back."""
    stage.ledger.waiting = False
    stage.upstream.script(whole())
    _, page = stage.ask()
    return page.status == 200


# ── waiting for funds ──


def test_nothing_is_sent_upstream_before_the_funds_are_there() -> None:
    stage = poor(whole())
    dispatch, page, wait = asked(stage)
    dispatch.pause()
    dispatch.resume()
    assert stage.upstream.requests == []
    wait.fund()
    stage.upstream.deliver()
    assert (page.status, page.body) == (200, WHOLE)
    assert stage.diary == ["reserve", "settle", "start 200", "write", "finish"]
    stage.at_rest()


def test_a_pause_while_waiting_holds_the_answer_back() -> None:
    stage = poor(good_stream())
    dispatch, page, wait = asked(stage, stream=True)
    dispatch.pause()
    wait.fund()
    stage.upstream.deliver()
    assert page.status == 0
    dispatch.resume()
    stage.upstream.deliver()
    assert page.ended == "finished"
    stage.at_rest()


def test_without_funds_the_client_is_refused_natively() -> None:
    stage = poor()
    _, page, wait = asked(stage)
    wait.refuse(NO_FUNDS)
    assert (page.status, page.json["error"]["type"]) == (429, "insufficient_quota")
    assert page.headers[b"x-should-retry"] == b"false"
    assert stage.diary == ["reserve", "start 429", "write", "finish"]
    record = stage.records[0]
    assert (record.outcome, record.error, record.attempts, record.channel) == (
        Outcome.REFUSED,
        "insufficient_quota",
        0,
        None,
    )
    assert fresh_request_is_served(stage)
    stage.at_rest()


def test_comments_run_while_funds_are_awaited_and_the_refusal_follows_in_band() -> None:
    stage = poor(answers=comments(5))
    _, page, wait = asked(stage, stream=True)
    stage.time.pass_(6)
    wait.refuse(NO_FUNDS)
    assert page.body.startswith(b": keep-alive\n\n" + b'data: {"error":{')
    assert page.closed
    stage.at_rest()


@pytest.mark.parametrize("end", ["client_gone", "shut"])
def test_a_wait_that_is_given_up_holds_nothing(end: str) -> None:
    stage = poor()
    dispatch, page, wait = asked(stage)
    getattr(dispatch, end)()
    assert wait.over
    assert stage.upstream.requests == []
    assert not {"void", "settle"} & set(stage.diary)
    expected = (0, Outcome.CLIENT_GONE) if end == "client_gone" else (503, Outcome.REFUSED)
    assert (page.status, stage.records[0].outcome) == expected
    assert fresh_request_is_served(stage)
    stage.at_rest()


def test_funds_that_come_may_be_spent_once_the_wait_is_over_and_given_back() -> None:
    stage = poor(Answer(500, JSON))
    _, page, wait = asked(stage)
    wait.fund()
    stage.upstream.deliver()
    assert page.status == 502
    assert stage.diary[:2] == ["reserve", "void"]
    assert fresh_request_is_served(stage)
    stage.at_rest()


# ── the output cap ──


@pytest.mark.parametrize(("wanted", "told"), [(None, 7), (8, 7), (7, 7), (6, 6)])
def test_the_upstream_is_told_what_the_hold_covers(wanted: int | None, told: int) -> None:
    stage = Stage(whole())
    stage.ledger.cap = 7
    body: dict[str, Any] = {} if wanted is None else {"max_completion_tokens": wanted}
    _, page = stage.ask(**body)
    assert json.loads(stage.upstream.bodies[0])["max_completion_tokens"] == told
    assert b"x-polyrelay-clamped" not in page.headers


@pytest.mark.parametrize("answer", [whole(), good_stream(), Answer(400, JSON, (b"{}",)), Answer(500, JSON)])
def test_a_clamped_answer_says_so_whatever_it_is(answer: Answer) -> None:
    stage = Stage(answer)
    stage.ledger.cap, stage.ledger.clamped = 7, True
    _, page = stage.ask(stream=answer.headers != JSON)
    assert page.headers[b"x-polyrelay-clamped"] == b"max_tokens=7"
    stage.at_rest()


def test_what_a_head_that_has_left_could_not_say_a_comment_does() -> None:
    stage = poor(good_stream(), answers=comments(5))
    _, page, wait = asked(stage, stream=True)
    stage.time.pass_(6)
    wait.fund(cap=7, clamped=True)
    stage.upstream.deliver()
    assert b": x-polyrelay-clamped: max_tokens=7\n\n" in page.body
    assert page.body.endswith(DONE)
    stage.at_rest()


# ── the first bytes ──


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("failure", [OSError("disk"), errors.BooksAway("later", retry_after=5)])
def test_what_cannot_be_noted_as_sent_is_not_sent(
    failure: Exception, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    large = Answer(200, JSON, (b"{" + b" " * 300, b" " * 300))
    stage = Stage(good_stream() if streamed else large, whole(), channels=2, bounds=Bounds(unary_bytes=250))
    stage.ledger.failure, stage.ledger.failing = failure, ("sent",)
    with caplog.at_level(logging.ERROR):
        _, page = stage.ask(stream=streamed)
    assert (page.status, page.json["error"]["code"]) == (503, "ledger_unavailable")
    assert stage.diary == ["reserve", "void", "start 503", "write", "finish"]
    assert len(stage.upstream.requests) == 1
    assert stage.records[0].first_token is None
    stage.at_rest()


def test_a_whole_answer_needs_no_note() -> None:
    stage = Stage(whole())
    stage.ask()
    assert "sent" not in stage.diary


# ── the last bytes ──


@pytest.mark.parametrize("answer", [whole(), good_stream(), stream(frame("hel")), stream(hangs=True)])
def test_last_bytes_wait_until_the_charge_is_durable(answer: Answer) -> None:
    stage = Stage(answer, holder=ONE_AT_ONCE)
    stage.ledger.patient = True
    dispatch, page = stage.ask(stream=answer.headers != JSON)
    assert dispatch is not None
    if answer.hangs:
        dispatch.shut()
        assert page.ended == "finished"
        return
    assert page.ended == ""
    assert b"[DONE]" not in page.body
    assert stage.relay.in_flight == 0
    dispatch.pause()
    stage.ledger.durable()
    assert page.ended == "finished"
    stage.at_rest()


@pytest.mark.parametrize("end", ["client_gone", "shut"])
@pytest.mark.parametrize("answer", [whole(), good_stream(), stream(frame("hel"))])
def test_who_leaves_before_the_charge_is_durable_gets_nothing_more(answer: Answer, end: str) -> None:
    stage = Stage(answer)
    stage.ledger.patient = True
    dispatch, page = stage.ask(stream=answer.headers != JSON)
    assert dispatch is not None
    before = page.body
    getattr(dispatch, end)()
    stage.ledger.durable()
    dispatch.client_gone()
    assert page.body == before
    assert page.ended == ("cut" if end == "shut" else "")
    assert stage.diary.count("settle") == 1
    assert len(stage.records) == 1
    stage.at_rest()


def test_a_whole_answer_that_cannot_be_booked_gives_the_funds_back() -> None:
    stage = Stage(whole())
    stage.ledger.failure = OSError("disk")
    _, page = stage.ask()
    assert (page.status, page.ended) == (0, "cut")
    assert stage.diary == ["reserve", "void", "cut"]
    record = stage.records[0]
    assert (record.outcome, record.error) == (Outcome.TRUNCATED, "not_booked")
    stage.at_rest()


def test_a_void_that_cannot_be_written_ends_the_exchange_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("disk")

    stage = Stage(Answer(500, JSON), holder=ONE_AT_ONCE)
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(stage.ledger, "void", broken)
        _, page = stage.ask()
    assert page.status == 502
    assert "could not be given back" in caplog.text
    assert fresh_request_is_served(stage)


# ── telling the charge ──


def test_a_unary_answer_tells_its_charge() -> None:
    stage = Stage(whole(), good_stream())
    _, page = stage.ask()
    assert page.headers[b"x-polyrelay-cost"] == b"0.013000000"
    assert page.body == WHOLE
    _, page = stage.ask(stream=True)
    assert b"x-polyrelay-cost" not in page.headers


def test_usage_cost_is_told_to_whom_asks() -> None:
    stage = Stage(whole(), whole(b'{"choices":[{"index":0,"message":{"content":"x"}}]}'), good_stream(), good_stream())
    _, page = stage.ask(headers=ASK_COST)
    assert page.body == WHOLE.replace(b'"total_tokens":13', b'"total_tokens":13,"cost":0.013000000')
    _, page = stage.ask(headers=ASK_COST)
    assert b"cost" not in page.body
    _, page = stage.ask(headers=ASK_COST, stream=True, stream_options={"include_usage": True})
    assert page.body.count(b'"cost":0.013000000') == 1
    _, page = stage.ask(
        headers=((b"x-polyrelay-usage-cost", b"1"),), stream=True, stream_options={"include_usage": True}
    )
    assert b'"usage"' in page.body
    assert b"cost" not in page.body
    stage.at_rest()


# ── estimates ──


def test_records_name_the_vendor() -> None:
    stage = Stage(whole())
    stage.ask()
    assert (stage.records[0].channel, stage.records[0].provider) == ("a", "openai")


@pytest.mark.parametrize(
    ("delivered", "cap", "asked_for", "output"),
    [(0, 7, None, 0), (1, 7, None, 1), (56, 7, None, 14), (57, 7, None, 14), (57, None, None, 15), (57, None, 5, 10)],
)
def test_an_estimate_stays_within_what_a_hold_covers(
    delivered: int, cap: int | None, asked_for: int | None, output: int
) -> None:
    usage = estimated(Call("m", stream=True, input_bytes=9, max_output=asked_for, choices=2), delivered, cap)
    assert (usage.input_text, usage.output_text, usage.estimated) == (3, output, True)


def test_base64_is_not_estimated_as_text() -> None:
    call = Call("m", stream=False, input_bytes=1_000_100, references=References(images=1, inline_bytes=1_000_000))
    assert estimated(call, 0, None).input_tokens == 25


def test_an_estimate_of_a_delivered_answer_is_capped_on_the_way() -> None:
    stage = Stage(stream(frame("x" * 400), hangs=True))
    stage.ledger.cap = 10
    dispatch, _ = stage.ask(stream=True)
    assert dispatch is not None
    dispatch.client_gone()
    usage = stage.records[0].usage
    assert usage is not None
    assert usage.output_text == 10
    assert msgspec.to_builtins(usage)["estimated"]
    stage.at_rest()
