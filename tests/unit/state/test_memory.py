from dataclasses import dataclass, replace

import pytest

from polyrelay.access.principal import KeyLimits, Principal
from polyrelay.kernel import errors
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.service.ports import Limits
from polyrelay.state.memory import UNLIMITED, MemoryLimits, RequestExceedsLimit


@dataclass
class HandClock:
    now: float = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now


def principal(key: str = "key_1", **limits: int) -> Principal:
    return Principal(KeyId(key), AccountId("acc_1"), "acme", limits=KeyLimits(**limits))


def test_it_is_the_port() -> None:
    limits: Limits = MemoryLimits(HandClock())
    assert limits.take(principal(), 5) is not None


def test_a_key_without_limits_costs_no_state() -> None:
    limits = MemoryLimits(HandClock())
    lease = limits.take(principal(), 10**9)
    assert lease is UNLIMITED
    assert lease.headers() == ()
    lease.release(5)
    assert len(limits) == 0


@pytest.mark.parametrize(
    ("chosen", "tokens", "words"),
    [
        ({"requests_per_minute": 1}, 1, "1 requests per minute"),
        ({"tokens_per_minute": 10}, 10, "10 tokens per minute"),
        ({"concurrency": 1}, 1, "1 concurrent requests"),
    ],
)
def test_a_refusal_says_which_limit_and_how_long(chosen: dict[str, int], tokens: int, words: str) -> None:
    caller = replace(principal(), limits=KeyLimits(**chosen))
    limits = MemoryLimits(HandClock())
    limits.take(caller, tokens)
    with pytest.raises(errors.RateLimited) as caught:
        limits.take(caller, tokens)
    refusal = caught.value
    assert (refusal.code, refusal.final, refusal.status) == ("rate_limit_exceeded", False, 429)
    assert words in refusal.message
    assert refusal.retry_after is not None
    assert refusal.retry_after > 0
    assert all(name.startswith(b"x-ratelimit-") for name, _ in refusal.headers)


def test_a_request_that_can_never_fit_is_final() -> None:
    with pytest.raises(RequestExceedsLimit) as caught:
        MemoryLimits(HandClock()).take(principal(tokens_per_minute=100), 101)
    refusal = caught.value
    assert isinstance(refusal, errors.RateLimited)
    assert (refusal.code, refusal.final, refusal.status) == ("request_exceeds_limit", True, 429)
    assert refusal.retry_after is None


def test_a_lease_shows_what_is_left_and_gives_back() -> None:
    limits = MemoryLimits(HandClock())
    lease = limits.take(principal(tokens_per_minute=100, concurrency=1), 80)
    assert dict(lease.headers())[b"x-ratelimit-remaining-tokens"] == b"20"
    lease.release(30)
    lease.release(30)
    assert dict(lease.headers())[b"x-ratelimit-remaining-tokens"] == b"70"
    limits.take(principal(tokens_per_minute=100, concurrency=1), 70)


def test_keys_do_not_share() -> None:
    limits = MemoryLimits(HandClock())
    limits.take(principal("key_1", requests_per_minute=1), 0)
    limits.take(principal("key_2", requests_per_minute=1), 0)


def test_new_limits_of_a_key_count_at_once() -> None:
    limits = MemoryLimits(HandClock())
    limits.take(principal(requests_per_minute=1), 0)
    limits.take(principal(requests_per_minute=2), 0)
    with pytest.raises(errors.RateLimited):
        limits.take(principal(requests_per_minute=2), 0)


def test_idle_keys_are_forgotten_and_open_ones_kept() -> None:
    clock = HandClock()
    limits = MemoryLimits(clock)
    for number in range(50):
        limits.take(principal(f"key_{number}", requests_per_minute=1, concurrency=1), 0).release(0)
    open_lease = limits.take(principal("open", concurrency=1), 0)
    assert len(limits) == 51
    clock.now += 200
    limits.take(principal("late", requests_per_minute=1), 0)
    assert len(limits) == 2
    with pytest.raises(errors.RateLimited):
        limits.take(principal("open", concurrency=1), 0)
    open_lease.release(0)
    limits.take(principal("open", concurrency=1), 0)
