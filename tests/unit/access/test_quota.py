from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.access.principal import KeyLimits, LimitScope
from polyrelay.access.quota import ALONE, Denial, Gate, Grant, Quota, Worker, lease_span
from polyrelay.access.windows import LimitKind


def quota(limits: KeyLimits, name: str = "this API key", worker: Worker = ALONE) -> Quota:
    return Quota(LimitScope((name,), name, limits), worker)


def gate(limits: KeyLimits, worker: Worker = ALONE) -> Gate:
    return Gate([quota(limits, worker=worker)])


def granted(answer: Grant | Denial) -> Grant:
    assert isinstance(answer, Grant)
    return answer


def denied(answer: Grant | Denial) -> Denial:
    assert isinstance(answer, Denial)
    return answer


def test_requests_per_minute_hold_for_a_minute() -> None:
    one = gate(KeyLimits(requests_per_minute=2))
    granted(one.take(0.0, 0))
    granted(one.take(30.0, 0))
    denial = denied(one.take(59.0, 0))
    assert (denial.terms.kind, denial.terms.limit, denial.terms.label) == (LimitKind.REQUESTS, 2, "this API key")
    assert denial.retry_after == pytest.approx(2.0)
    granted(one.take(61.0, 0))


def test_requests_per_day_hold_for_any_24_hours() -> None:
    one = gate(KeyLimits(requests_per_day=2))
    granted(one.take(80_000.0, 0))
    granted(one.take(90_000.0, 0))
    denial = denied(one.take(100_000.0, 0))
    assert (denial.terms.kind, denial.retry_after) == (LimitKind.DAILY_REQUESTS, 67_000.0)
    denied(one.take(80_000 + 86_400.0, 0))
    granted(one.take(80_000 + 86_400 + 600.0, 0))


def test_tokens_are_corrected_to_what_was_used() -> None:
    one = gate(KeyLimits(tokens_per_minute=100))
    grant = granted(one.take(0.0, 90))
    assert denied(one.take(1.0, 20)).terms.kind is LimitKind.TOKENS
    grant.release(10)
    granted(one.take(1.0, 90))
    denied(one.take(1.0, 1))


def test_a_request_above_the_whole_limit_never_fits() -> None:
    one = gate(KeyLimits(requests_per_minute=1, tokens_per_minute=100))
    granted(one.take(0.0, 1))
    denial = denied(one.take(0.0, 101))
    assert (denial.terms.kind, denial.retry_after) == (LimitKind.TOKENS, None)


def test_places_come_back_once() -> None:
    one = gate(KeyLimits(concurrency=1))
    grant = granted(one.take(0.0, 0))
    assert denied(one.take(0.0, 0)).terms.kind is LimitKind.CONCURRENCY
    grant.release(0)
    grant.release(0)
    granted(one.take(0.0, 0))
    denied(one.take(0.0, 0))


def test_a_place_that_is_never_released_comes_back_and_its_late_release_changes_nothing() -> None:
    one = gate(KeyLimits(concurrency=1), replace(ALONE, lease=lease_span(600.0)))
    lost = granted(one.take(0.0, 0))
    denied(one.take(600.0, 0))
    granted(one.take(610.0, 0))
    lost.release(0)
    denied(one.take(611.0, 0))


def test_a_denial_by_one_scope_takes_nothing_of_another() -> None:
    key = quota(KeyLimits(requests_per_minute=10, requests_per_day=20, tokens_per_minute=100, concurrency=5))
    account = quota(KeyLimits(concurrency=1), "your account")
    both = Gate([key, account])
    granted(both.take(0.0, 10))
    assert denied(both.take(0.0, 10)).terms.label == "your account"
    assert [window.used for window in key.windows(*LimitKind)] == [1, 1, 10, 1]


def test_the_longest_wait_is_told() -> None:
    one = gate(KeyLimits(requests_per_minute=1, concurrency=1))
    granted(one.take(0.0, 0))
    assert denied(one.take(10.0, 0)).retry_after == pytest.approx(51.0)


def test_headers_name_only_the_limits_there_are() -> None:
    one = gate(KeyLimits(requests_per_minute=5))
    assert [name for name, _ in one.headers(0.0)] == [
        b"x-ratelimit-limit-requests",
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-reset-requests",
    ]
    assert len(gate(KeyLimits(requests_per_day=5, tokens_per_minute=5)).headers(0.0)) == 6
    assert gate(KeyLimits(concurrency=1)).headers(0.0) == ()


def test_changed_limits_keep_what_was_used() -> None:
    held = quota(KeyLimits(requests_per_minute=5, tokens_per_minute=100))
    grant = granted(Gate([held]).take(0.0, 50))
    held.adopt(LimitScope(("k",), "k", KeyLimits(requests_per_minute=1, tokens_per_minute=90)))
    denied(Gate([held]).take(0.0, 0))
    held.adopt(LimitScope(("k",), "k", KeyLimits(requests_per_minute=2)))
    grant.release(0)
    granted(Gate([held]).take(0.0, 10**9))
    denied(Gate([held]).take(0.0, 0))


def test_a_scope_is_idle_when_nothing_is_counted_or_open() -> None:
    held = quota(KeyLimits(tokens_per_minute=5, concurrency=5))
    one = Gate([held])
    grant = granted(one.take(0.0, 0))
    assert not held.idle(70.0)
    grant.release(0)
    assert held.idle(70.0)
    granted(one.take(70.0, 0)).release(0)
    assert not held.idle(130.9)
    assert held.idle(131.0)


@pytest.mark.parametrize("limit", [KeyLimits(requests_per_minute=1), KeyLimits(concurrency=1)])
def test_a_worker_without_a_share_refuses_and_asks_to_come_again(limit: KeyLimits) -> None:
    granted(gate(limit, replace(ALONE, workers=2)).take(0.0, 0))
    denial = denied(gate(limit, replace(ALONE, workers=2, index=1)).take(0.0, 0))
    assert (denial.terms.limit, denial.retry_after) == (1, 1.0)


def test_only_what_no_worker_could_ever_take_never_fits() -> None:
    limits = KeyLimits(tokens_per_minute=101)
    last = gate(limits, replace(ALONE, workers=2, index=1))
    assert denied(last.take(0.0, 52)).retry_after is None
    assert denied(last.take(0.0, 51)).retry_after == 1.0
    granted(last.take(0.0, 50))
    granted(gate(limits, replace(ALONE, workers=2)).take(0.0, 51))


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 100)), max_size=30))
def test_waiting_as_told_is_enough(steps: list[tuple[float, int]]) -> None:
    one = Gate(
        [quota(KeyLimits(7, 100)), quota(KeyLimits(9, 150, requests_per_day=20), "b")]
    )  # fmt: skip
    now = 0.0
    for pause, tokens in steps:
        now += pause
        answer = one.take(now, tokens)
        if isinstance(answer, Denial):
            assert answer.retry_after is not None
            now += answer.retry_after + 1e-6
            granted(one.take(now, tokens))
