"""The front desk: who is let in, who is refused, and that a refusal costs nothing."""

import itertools
import logging
from dataclasses import replace
from typing import Any

import pytest

from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import errors
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service import world
from polyrelay.service.ports import Inbound
from polyrelay.settings.root import Settings
from polyrelay.upstream.recorded import Answer
from support.stage import HOLDER, JSON, TOKEN, Page, Stage, frame, good_stream, stream, whole

BEARER = (b"authorization", b"Bearer " + TOKEN.encode())


def opened(stage: Stage, body: bytes, *headers: tuple[bytes, bytes]) -> Page:
    page = Page(stage.diary)
    inbound = Inbound("openai_chat", list(headers), body, "127.0.0.1", stage.time.now)
    assert stage.relay.open(inbound, page) is None
    return page


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", [], 401, "missing_api_key"),
        (b"not even JSON", [], 401, "missing_api_key"),
        (b"{", [BEARER], 400, "invalid_json"),
        (b'{"model":"x","messages":[{"role":"user","content":"hi"}]}', [BEARER], 404, "model_not_found"),
    ],
)
def test_a_refusal_reserves_nothing_and_is_recorded(
    body: bytes, headers: list[tuple[bytes, bytes]], status: int, code: str
) -> None:
    stage = Stage()
    page = opened(stage, body, *headers)
    assert (page.status, page.json["error"]["code"]) == (status, code)
    assert stage.diary == [f"start {status}", "write", "finish"]
    (record,) = stage.records
    assert (record.outcome, record.status, record.error, record.attempts) == (Outcome.REFUSED, status, code, 0)
    assert stage.upstream.requests == []
    stage.at_rest()


def test_a_long_name_is_not_repeated_whole() -> None:
    _, page = Stage().ask(model="x" * 100_000)
    assert page.status == 404
    assert len(page.body) < 1000


def test_a_key_for_other_models_is_refused_before_the_model_is_looked_for() -> None:
    stage = Stage(holder=replace(HOLDER, models=("gpt-*",)))
    for model in ("m", "nobody-serves-this"):
        _, page = stage.ask(model=model)
        assert (page.status, page.json["error"]["code"]) == (403, "model_not_allowed")
    stage.at_rest()


def test_what_the_ledger_refuses_gives_the_limits_back(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = replace(HOLDER, limits=replace(HOLDER.limits, concurrency=1))
    stage = Stage(whole(), holder=holder)

    def poor(*_: Any) -> None:
        raise errors.RateLimited("no funds", code="insufficient_quota")

    with monkeypatch.context() as patched:
        patched.setattr(stage.ledger, "reserve", poor)
        _, page = stage.ask()
        assert (page.status, page.json["error"]["code"]) == (429, "insufficient_quota")
    _, page = stage.ask()
    assert page.status == 200
    stage.at_rest()


def test_a_defect_of_ours_is_a_500_that_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(whole())

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("inner secret")

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(stage.ledger, "reserve", broken)
        _, page = stage.ask()
    assert (page.status, page.json["error"]["code"]) == (500, "internal_error")
    assert b"secret" not in page.body
    assert "ZeroDivisionError" in caplog.text
    _, page = stage.ask()
    assert page.status == 200
    stage.at_rest()


@pytest.mark.parametrize("channels", [1, 2])
def test_an_attempt_that_cannot_start_gives_everything_back(
    channels: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    holder = replace(HOLDER, limits=replace(HOLDER.limits, concurrency=1))
    stage = Stage(Answer(500, JSON), channels=channels, holder=holder)
    send = stage.upstream.send
    defects = itertools.chain([None] * (channels - 1), [ZeroDivisionError()])

    def broken(*arguments: Any) -> Any:
        defect = next(defects)
        if defect is not None:
            raise defect
        return send(*arguments)

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(stage.upstream, "send", broken)
        _, page = stage.ask()
    assert page.status == 500
    stage.at_rest()


def test_screening_asks_for_the_key_alone() -> None:
    stage = Stage(holder=replace(HOLDER, networks=("10.0.0.0/8",)))
    assert stage.relay.screen("openai_chat", [BEARER], "10.1.2.3") is None
    refused = stage.relay.screen("openai_chat", [BEARER], "127.0.0.1")
    assert isinstance(refused, errors.Forbidden)
    assert isinstance(stage.relay.screen("openai_chat", [], "10.1.2.3"), errors.Unauthenticated)
    assert stage.records == []


@pytest.mark.parametrize(("sent", "shown"), [(b"my-label.1:x", b"my-label.1:x"), (b"no spaces", b"px_")])
def test_a_label_that_may_be_echoed_is(sent: bytes, shown: bytes) -> None:
    stage = Stage(whole())
    _, page = stage.ask(headers=((b"x-request-id", sent),))
    assert page.headers[b"x-request-id"].startswith(shown)
    assert stage.records[0].exchange.startswith("px_")


def test_an_open_exchange_keeps_the_configuration_it_began_with() -> None:
    stage = Stage(stream(frame("a"), hangs=True), whole())
    first, page = stage.ask(stream=True)
    channel = Channel("new", "openai", "https://new.example/v1", (Credential("#1", "k"),), {"n": "n"})
    settings = replace(Settings(), answers=replace(Settings().answers, reveal_channel=True))
    stage.relay.snapshot = world.snapshot(settings, Catalog([channel]), "polyrelay/test")
    assert first is not None
    assert not first.settings.answers.reveal_channel
    _, gone = stage.ask()
    assert gone.status == 404
    _, fine = stage.ask(model="n")
    assert fine.headers[b"x-polyrelay-channel"] == b"new"
    assert b"x-polyrelay-channel" not in page.headers
    first.client_gone()
    stage.at_rest()


def test_in_flight_counts_what_is_open() -> None:
    stage = Stage(stream(frame("a"), hangs=True), good_stream())
    first, _ = stage.ask(stream=True)
    assert stage.relay.in_flight == 1
    stage.ask(stream=True)
    assert stage.relay.in_flight == 1
    assert first is not None
    first.client_gone()
    stage.at_rest()
