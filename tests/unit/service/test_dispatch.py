"""The life of an exchange, as a sequence of calls. The diary holds what client and ledger saw, in order."""

import logging
from dataclasses import replace

import pytest

from polyrelay.access.principal import KeyLimits
from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import errors
from polyrelay.routing import plan
from polyrelay.settings.bounds import Bounds
from polyrelay.settings.root import AnswerSettings
from polyrelay.upstream.recorded import Answer
from polyrelay.wire.openai_chat import answer
from polyrelay.wire.spoken import Seen
from support.stage import (
    DONE,
    HOLDER,
    JSON,
    SSE,
    USAGE,
    WHOLE,
    Stage,
    comments,
    frame,
    good_stream,
    stream,
    whole,
)

CUT = Fault(FaultKind.CUT, "secret detail 10.0.0.1")


def test_a_unary_answer_is_reserved_first_and_settled_before_it_leaves() -> None:
    stage = Stage(whole())
    _, page = stage.ask()
    assert stage.diary == ["reserve", "settle", "start 200", "write", "finish"]
    assert page.body == WHOLE
    assert stage.records[0].usage is not None
    assert stage.records[0].usage.total_tokens == 13
    stage.at_rest()


def test_a_streams_terminator_waits_for_the_books() -> None:
    stage = Stage(good_stream())
    _, page = stage.ask(stream=True)
    assert stage.diary == ["reserve", "sent", "start 200", "write", "write", "settle", "terminator", "finish"]
    assert page.body.endswith(DONE)
    assert b'"usage"' not in page.body
    assert not page.closed
    stage.at_rest()


def test_headers_wait_for_the_first_meaningful_frame() -> None:
    stage = Stage(stream(frame(role="assistant", content=""), b": ping\n\n", hangs=True))
    dispatch, page = stage.ask(stream=True)
    assert page.status == 0
    assert dispatch is not None
    dispatch.client_gone()
    assert stage.records[0].outcome is Outcome.CLIENT_GONE
    stage.at_rest()


def test_a_fault_before_commit_goes_to_the_next_channel_with_its_own_url_and_key() -> None:
    stage = Stage(Answer(500, JSON), good_stream(), channels=2)
    _, page = stage.ask(stream=True)
    assert page.status == 200
    assert [request.url for request in stage.upstream.requests] == [
        "https://a.example/v1/chat/completions",
        "https://b.example/v1/chat/completions",
    ]
    assert "authorization: Bearer key-b" in stage.upstream.requests[1].fixed_headers
    assert (stage.records[0].attempts, stage.records[0].channel) == (2, "b")
    stage.at_rest()


def test_role_frames_of_a_failed_channel_are_never_seen() -> None:
    stage = Stage(stream(frame("", role="assistant"), fault=CUT), good_stream(), channels=2)
    _, page = stage.ask(stream=True)
    assert page.body.count(b'"role"') == 1
    stage.at_rest()


def test_after_commit_nothing_fails_over() -> None:
    stage = Stage(stream(frame("hel"), fault=CUT), good_stream(), channels=2)
    _, page = stage.ask(stream=True)
    assert len(stage.upstream.requests) == 1
    assert page.body.startswith(frame("hel") + b'data: {"error":{')
    assert b"[DONE]" not in page.body
    assert b"10.0.0.1" not in page.body
    assert page.closed
    assert stage.diary[-3:] == ["settle", "write", "finish"]
    settled = stage.records[0].usage
    assert settled is not None
    assert settled.estimated
    stage.at_rest()


def test_a_half_frame_is_not_glued_to_the_error() -> None:
    stage = Stage(stream(frame("hello"), b'data: {"choices":[{"ind', fault=CUT))
    _, page = stage.ask(stream=True)
    assert b'"ind' not in page.body.replace(b'"index"', b"")
    stage.at_rest()


def test_the_only_channel_gets_one_more_try_after_a_broken_connection() -> None:
    stage = Stage(Answer(None, fault=CUT), whole())
    _, page = stage.ask()
    assert page.status == 0
    stage.time.pass_(plan.RETRY_PAUSE)
    stage.upstream.deliver()
    assert page.status == 200
    stage.at_rest()


def test_a_client_that_leaves_while_a_retry_waits_ends_it() -> None:
    stage = Stage(Answer(None, fault=CUT), whole())
    dispatch, page = stage.ask()
    assert dispatch is not None
    dispatch.client_gone()
    stage.time.pass_(1)
    stage.upstream.deliver()
    assert len(stage.upstream.requests) == 1
    assert page.status == 0
    assert stage.diary == ["reserve", "void"]
    stage.at_rest()


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(FaultKind.FIRST_BYTE), 504, "upstream_timeout"),
        (Fault(FaultKind.TOTAL), 504, "upstream_timeout"),
        (Fault(FaultKind.GARBLED), 502, "upstream_error"),
        (Fault(FaultKind.OVERSIZE), 502, "upstream_error"),
    ],
)
def test_when_nothing_is_left_the_client_is_refused_and_nothing_charged(fault: Fault, status: int, code: str) -> None:
    stage = Stage(Answer(None, fault=fault))
    _, page = stage.ask()
    assert (page.status, page.json["error"]["code"]) == (status, code)
    assert stage.diary[:2] == ["reserve", "void"]
    stage.at_rest()


def test_the_vendors_rejection_is_passed_on_uncharged() -> None:
    body = b'{"error":{"message":"no such voice","type":"invalid_request_error","param":"audio","code":null}}'
    stage = Stage(Answer(400, JSON, (body,)), channels=2)
    _, page = stage.ask()
    assert (page.status, page.body) == (400, body)
    assert stage.diary == ["reserve", "void", "start 400", "write", "finish"]
    stage.at_rest()


@pytest.mark.parametrize(
    "body",
    [b"nginx at a.example", b'{"error":{"message":"key-a is bad"}}', b'{"error":"see https://a.example"}', b""],
)
def test_a_rejection_that_cannot_be_shown_is_told_in_our_words(body: bytes) -> None:
    stage = Stage(Answer(422, JSON, (body,)))
    _, page = stage.ask()
    assert (page.status, page.json["error"]["code"]) == (422, "upstream_rejected")
    assert b"a.example" not in page.body
    assert b"key-a" not in page.body
    stage.at_rest()


def test_back_pressure_reaches_the_upstream_and_goes_away_again() -> None:
    stage = Stage(good_stream())
    dispatch, page = stage.ask(stream=True, deliver=False)
    assert dispatch is not None
    dispatch.pause()
    stage.upstream.deliver()
    assert page.status == 0
    dispatch.resume()
    stage.upstream.deliver()
    assert page.ended == "finished"
    stage.at_rest()


def test_a_pause_outlives_a_failover() -> None:
    stage = Stage(Answer(500, JSON), good_stream(), channels=2)
    dispatch, page = stage.ask(stream=True, deliver=False)
    assert dispatch is not None
    stage.upstream.step()
    dispatch.pause()
    stage.upstream.deliver()
    assert page.status == 0
    dispatch.resume()
    stage.upstream.deliver()
    assert page.ended == "finished"
    stage.at_rest()


def test_keep_alive_comments_do_not_commit() -> None:
    stage = Stage(stream(hangs=True), channels=1, answers=comments(5))
    dispatch, page = stage.ask(stream=True)
    stage.time.pass_(11)
    assert page.body == b": keep-alive\n\n" * 2
    assert dispatch is not None
    assert not dispatch.committed
    dispatch.shut()
    stage.at_rest()


def test_another_channel_may_answer_after_comments() -> None:
    stage = Stage(Answer(503, JSON), good_stream(), channels=2, answers=comments(5))
    _, page = stage.ask(stream=True, deliver=False)
    stage.time.pass_(6)
    stage.upstream.deliver()
    assert page.body.startswith(b": keep-alive\n\ndata: ")
    assert page.body.endswith(DONE)
    stage.at_rest()


def test_a_refusal_after_comments_is_told_in_band() -> None:
    stage = Stage(Answer(503, JSON), answers=comments(5))
    _, page = stage.ask(stream=True, deliver=False)
    stage.time.pass_(6)
    stage.upstream.deliver()
    assert page.status == 200
    assert b'data: {"error":{' in page.body
    assert page.closed
    assert "void" in stage.diary
    stage.at_rest()


def test_no_comments_for_a_unary_answer() -> None:
    stage = Stage(whole(), answers=comments(5))
    _, page = stage.ask(deliver=False)
    stage.time.pass_(60)
    assert page.status == 0
    stage.upstream.deliver()
    stage.at_rest()


def test_a_large_unary_answer_streams_and_keeps_its_last_bytes_for_the_books() -> None:
    body = WHOLE.replace(b"hello", b"x" * 500)
    pieces = tuple(body[n : n + 100] for n in range(0, len(body), 100))
    stage = Stage(Answer(200, JSON, pieces), bounds=Bounds(unary_bytes=250))
    _, page = stage.ask()
    assert page.body == body
    assert stage.diary[-3:] == ["settle", "write", "finish"]
    assert stage.records[0].usage is not None
    assert stage.records[0].usage.total_tokens == 13
    stage.at_rest()


def test_a_large_unary_answer_that_breaks_is_cut_so_that_it_cannot_look_whole() -> None:
    stage = Stage(Answer(200, JSON, (b"{" + b" " * 300, b" " * 300), fault=CUT), bounds=Bounds(unary_bytes=250))
    _, page = stage.ask()
    assert page.ended == "cut"
    assert stage.records[0].outcome is Outcome.TRUNCATED
    stage.at_rest()


def test_what_cannot_be_booked_does_not_leave() -> None:
    stage = Stage(good_stream())
    stage.ledger.failure = errors.Overloaded("the disk is full")
    _, page = stage.ask(stream=True)
    assert DONE not in page.body
    assert page.ended == "cut"
    assert stage.relay.in_flight == 0


def test_shutdown_ends_an_open_stream_honestly() -> None:
    stage = Stage(stream(frame("hel"), hangs=True))
    dispatch, page = stage.ask(stream=True)
    assert dispatch is not None
    dispatch.shut()
    assert b"shutting_down" in page.body
    assert b"[DONE]" not in page.body
    assert stage.records[0].outcome is Outcome.TRUNCATED
    stage.at_rest()


def test_shutdown_before_commit_is_a_503_and_free() -> None:
    stage = Stage(stream(hangs=True))
    dispatch, page = stage.ask(stream=True)
    assert dispatch is not None
    dispatch.shut()
    assert (page.status, page.json["error"]["code"]) == (503, "shutting_down")
    assert "void" in stage.diary
    stage.at_rest()


def test_leaving_after_delivery_is_charged_by_estimate_once() -> None:
    stage = Stage(stream(frame("hello, world"), hangs=True))
    dispatch, _ = stage.ask(stream=True)
    assert dispatch is not None
    dispatch.client_gone()
    dispatch.client_gone()
    dispatch.shut()
    assert stage.diary.count("settle") == 1
    usage = stage.records[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.output_text == 3
    stage.at_rest()


def test_a_defect_of_ours_ends_one_exchange_and_shows_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: bytes) -> Seen:
        raise RuntimeError("inner secret")

    stage = Stage(whole())
    monkeypatch.setattr(answer, "observe", broken)
    with caplog.at_level(logging.ERROR):
        _, page = stage.ask()
    assert page.status == 500
    assert b"inner secret" not in page.body
    assert "inner secret" in caplog.text
    stage.at_rest()


def test_what_follows_done_is_not_passed_on() -> None:
    stage = Stage(stream(frame("hello"), frame(finish="stop"), DONE + frame("more"), frame("again")))
    _, page = stage.ask(stream=True)
    assert page.body == frame("hello") + frame(finish="stop") + DONE
    stage.at_rest()


def test_an_asked_for_usage_chunk_is_passed_untouched() -> None:
    stage = Stage(good_stream())
    _, page = stage.ask(stream=True, stream_options={"include_usage": True})
    assert USAGE in page.body
    assert b"include_usage" in stage.upstream.bodies[0]


def test_too_many_bytes_before_meaning_are_a_fault() -> None:
    ping = b": " + b"x" * 1000 + b"\n\n"
    stage = Stage(stream(*[ping] * 300, hangs=True), good_stream(), channels=2)
    _, page = stage.ask(stream=True)
    assert page.body.endswith(DONE)
    assert stage.records[0].attempts == 2
    stage.at_rest()


def test_a_wrong_media_type_is_a_fault() -> None:
    stage = Stage(Answer(200, JSON, (WHOLE,)), Answer(200, SSE, (frame("x"),)), channels=2)
    _, page = stage.ask(stream=True)
    assert page.body.startswith(frame("x"))


LIMITED = replace(HOLDER, limits=KeyLimits(requests_per_minute=2, concurrency=1))


def test_limits_are_told_on_success_and_refusal_and_given_back() -> None:
    stage = Stage(whole(), whole(), holder=LIMITED)
    _, page = stage.ask()
    assert page.headers[b"x-ratelimit-remaining-requests"] == b"1"
    _, page = stage.ask()
    assert page.status == 200
    _, page = stage.ask()
    assert page.status == 429
    assert int(page.headers[b"retry-after"]) >= 1
    assert b"x-ratelimit-limit-requests" in page.headers
    assert page.json["error"]["code"] == "rate_limit_exceeded"
    stage.at_rest()


def test_concurrency_is_given_back_however_the_exchange_ends() -> None:
    holder = replace(HOLDER, limits=KeyLimits(concurrency=1))
    stage = Stage(stream(frame("x"), hangs=True), Answer(500, JSON), whole(), holder=holder)
    first, _ = stage.ask(stream=True)
    _, refused = stage.ask()
    assert refused.status == 429
    assert first is not None
    first.client_gone()
    _, failed = stage.ask()
    assert failed.status == 502
    _, fine = stage.ask()
    assert fine.status == 200
    stage.at_rest()


def test_streams_in_flight_are_bounded() -> None:
    stage = Stage(stream(frame("x"), hangs=True), bounds=Bounds(streams_in_flight=1))
    first, _ = stage.ask(stream=True)
    _, refused = stage.ask()
    assert (refused.status, refused.headers[b"retry-after"]) == (503, b"1")
    assert first is not None
    first.client_gone()
    stage.upstream.script(whole())
    _, fine = stage.ask()
    assert fine.status == 200
    stage.at_rest()


@pytest.mark.parametrize("secret", [b"key-a", b"A.EXAMPLE", b"key\\u002da", b"10.0.0.1:443", b"[fd00::1]"])
def test_an_error_frame_that_names_our_key_or_address_is_replaced_by_ours(secret: bytes) -> None:
    leak = b'data: {"error":{"message":"at ' + secret + b'"}}\n\n'
    stage = Stage(stream(frame("hello"), leak, DONE))
    _, page = stage.ask(stream=True)
    assert secret not in page.body
    assert page.body.startswith(frame("hello") + b'data: {"error":{')
    assert b"[DONE]" not in page.body
    assert stage.records[0].outcome is Outcome.UPSTREAM_ERROR
    stage.at_rest()


def test_a_harmless_error_frame_passes_as_it_is() -> None:
    error = b'data: {"error":{"message":"the model is tired","type":"server_error","param":null,"code":null}}\n\n'
    stage = Stage(stream(frame("hello"), error))
    _, page = stage.ask(stream=True)
    assert page.body == frame("hello") + error
    stage.at_rest()


def test_comments_name_no_channel_since_another_may_answer() -> None:
    settings = AnswerSettings(keep_alive_comment_seconds=5, reveal_channel=True)
    stage = Stage(Answer(503, JSON), good_stream(), channels=2, answers=settings)
    _, page = stage.ask(stream=True, deliver=False)
    stage.time.pass_(6)
    stage.upstream.deliver()
    assert b"x-polyrelay-channel" not in page.headers


def test_a_refused_caller_is_known_to_the_operator() -> None:
    stage = Stage()
    _, page = stage.ask(model="unknown")
    assert page.status == 404
    record = stage.records[0]
    assert (record.account, record.key, record.model, record.outcome) == ("ann", "key_1", "unknown", Outcome.REFUSED)


def test_shutdown_before_commit_is_no_fault_of_the_vendor() -> None:
    stage = Stage(stream(hangs=True))
    dispatch, _ = stage.ask(stream=True)
    assert dispatch is not None
    dispatch.shut()
    assert stage.records[0].outcome is Outcome.REFUSED
