import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.access.principal import KeyLimits
from polyrelay.access.quota import Denial, Grant, LimitKind, Quota, duration


def granted(answer: Grant | Denial) -> Grant:
    assert isinstance(answer, Grant)
    return answer


def denied(answer: Grant | Denial) -> Denial:
    assert isinstance(answer, Denial)
    return answer


def test_requests_per_minute_hold_for_a_minute() -> None:
    quota = Quota(KeyLimits(requests_per_minute=2))
    granted(quota.take(0.0, 0))
    granted(quota.take(30.0, 0))
    denial = denied(quota.take(59.0, 0))
    assert (denial.kind, denial.limit) == (LimitKind.REQUESTS, 2)
    assert denial.retry_after == pytest.approx(2.0)
    granted(quota.take(61.0, 0))


def test_tokens_are_corrected_to_what_was_used() -> None:
    quota = Quota(KeyLimits(tokens_per_minute=100))
    grant = granted(quota.take(0.0, 90))
    assert denied(quota.take(1.0, 20)).kind is LimitKind.TOKENS
    quota.release(grant, 10)
    granted(quota.take(1.0, 90))


def test_more_than_was_estimated_counts_as_well() -> None:
    quota = Quota(KeyLimits(tokens_per_minute=100))
    quota.release(granted(quota.take(0.0, 10)), 500)
    assert dict(quota.headers(0.0))[b"x-ratelimit-remaining-tokens"] == b"0"
    denied(quota.take(1.0, 1))
    granted(quota.take(61.0, 100))


def test_a_correction_after_a_minute_changes_nothing() -> None:
    quota = Quota(KeyLimits(tokens_per_minute=100))
    grant = granted(quota.take(0.0, 100))
    granted(quota.take(70.0, 60))
    quota.release(grant, 0)
    denied(quota.take(71.0, 50))


def test_a_request_above_the_whole_limit_never_fits() -> None:
    quota = Quota(KeyLimits(requests_per_minute=1, tokens_per_minute=100))
    granted(quota.take(0.0, 1))
    denial = denied(quota.take(0.0, 101))
    assert (denial.kind, denial.retry_after) == (LimitKind.TOKENS, None)


def test_places_come_back_once() -> None:
    quota = Quota(KeyLimits(concurrency=1))
    grant = granted(quota.take(0.0, 0))
    assert denied(quota.take(0.0, 0)).kind is LimitKind.CONCURRENCY
    quota.release(grant, 0)
    quota.release(grant, 0)
    assert quota.in_flight == 0
    granted(quota.take(0.0, 0))
    denied(quota.take(0.0, 0))


def test_a_denial_takes_nothing_of_the_other_limits() -> None:
    quota = Quota(KeyLimits(requests_per_minute=10, tokens_per_minute=100, concurrency=1))
    granted(quota.take(0.0, 10))
    denied(quota.take(0.0, 10))
    headers = dict(quota.headers(0.0))
    assert headers[b"x-ratelimit-remaining-requests"] == b"9"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"90"


def test_the_longest_wait_is_told() -> None:
    quota = Quota(KeyLimits(requests_per_minute=1, concurrency=1))
    granted(quota.take(0.0, 0))
    assert denied(quota.take(10.0, 0)).retry_after == pytest.approx(51.0)


def test_headers_name_only_the_limits_there_are() -> None:
    quota = Quota(KeyLimits(requests_per_minute=5))
    assert quota.headers(0.0) == (
        (b"x-ratelimit-limit-requests", b"5"),
        (b"x-ratelimit-remaining-requests", b"5"),
        (b"x-ratelimit-reset-requests", b"0s"),
    )
    quota.take(0.0, 0)
    assert quota.headers(1.0)[2] == (b"x-ratelimit-reset-requests", b"1m0s")
    assert Quota(KeyLimits(concurrency=1)).headers(0.0) == ()


def test_changed_limits_keep_what_was_used() -> None:
    quota = Quota(KeyLimits(requests_per_minute=5, tokens_per_minute=100))
    grant = granted(quota.take(0.0, 50))
    quota.adopt(KeyLimits(requests_per_minute=1))
    denied(quota.take(0.0, 0))
    quota.adopt(KeyLimits(requests_per_minute=2, tokens_per_minute=100))
    quota.release(grant, 0)
    granted(quota.take(0.0, 100))
    denied(quota.take(0.0, 1))


def test_a_key_is_idle_when_nothing_is_counted_or_open() -> None:
    quota = Quota(KeyLimits(requests_per_minute=5, concurrency=5))
    grant = granted(quota.take(0.0, 0))
    assert not quota.idle(60.0)
    quota.release(grant, 0)
    assert not quota.idle(60.9)
    assert quota.idle(61.0)
    granted(quota.take(61.0, 0))
    assert not quota.idle(200.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 40), st.integers(0, 60)), max_size=80))
def test_no_minute_ever_takes_more_than_the_limits(steps: list[tuple[float, int, int]]) -> None:
    limits = KeyLimits(requests_per_minute=10, tokens_per_minute=100)
    quota, now = Quota(limits), 0.0
    taken: list[tuple[float, int]] = []
    for pause, tokens, _ in steps:
        now += pause
        if isinstance(quota.take(now, tokens), Grant):
            taken.append((now, tokens))
        recent = [used for at, used in taken if at > now - 60]
        assert len(recent) <= 10
        assert sum(recent) <= 100


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 100)), max_size=30))
def test_waiting_as_told_is_enough(steps: list[tuple[float, int]]) -> None:
    quota, now = Quota(KeyLimits(requests_per_minute=7, tokens_per_minute=100)), 0.0
    for pause, tokens in steps:
        now += pause
        answer = quota.take(now, tokens)
        if isinstance(answer, Denial):
            assert answer.retry_after is not None
            now += answer.retry_after + 1e-6
            granted(quota.take(now, tokens))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (0.012, "12ms"), (0.0001, "1ms"), (1, "1s"), (8.64, "8.64s"), (59.9999, "1m0s"),
     (60, "1m0s"), (360, "6m0s"), (86.4, "1m26.4s"), (3630, "1h0m30s"), (0.9999, "1s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
