from dataclasses import dataclass, replace

import pytest

from polyrelay.access.limits import LimitBook
from polyrelay.access.principal import KeyLimits, Principal, account_limits, project_limits
from polyrelay.kernel import errors
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.service.ports import Limits
from polyrelay.settings.limits import LimitSettings
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
    assert limits.take(principal(), 5, "m") is not None


def test_a_key_without_limits_costs_no_state() -> None:
    limits = MemoryLimits(HandClock())
    lease = limits.take(principal(), 10**9, "m")
    assert lease is UNLIMITED
    assert lease.headers() == ()
    lease.release(5)
    assert len(limits) == 0


@pytest.mark.parametrize(
    ("chosen", "tokens", "words"),
    [
        ({"requests_per_minute": 1}, 1, "for this API key: 1 requests per minute. Please try again in 1m1s."),
        ({"requests_per_day": 1}, 1, "for this API key: 1 requests per day. Please try again in 24h10m0s."),
        ({"tokens_per_minute": 10}, 10, "for this API key: 10 tokens per minute. Please try again in 1m1s."),
        ({"concurrency": 1}, 1, "for this API key: 1 concurrent requests. Please try again in 1s."),
    ],
)
def test_a_refusal_says_which_limit_and_how_long(chosen: dict[str, int], tokens: int, words: str) -> None:
    caller = replace(principal(), limits=KeyLimits(**chosen))
    limits = MemoryLimits(HandClock())
    limits.take(caller, tokens, "m")
    with pytest.raises(errors.RateLimited) as caught:
        limits.take(caller, tokens, "m")
    refusal = caught.value
    assert (refusal.code, refusal.final, refusal.status) == ("rate_limit_exceeded", False, 429)
    assert words in refusal.message
    assert refusal.retry_after is not None
    assert refusal.retry_after > 0
    assert all(name.startswith(b"x-ratelimit-") for name, _ in refusal.headers)


def test_a_request_that_can_never_fit_is_final() -> None:
    with pytest.raises(RequestExceedsLimit) as caught:
        MemoryLimits(HandClock()).take(principal(tokens_per_minute=100), 101, "m")
    refusal = caught.value
    assert isinstance(refusal, errors.RateLimited)
    assert (refusal.code, refusal.final, refusal.status) == ("request_exceeds_limit", True, 429)
    assert refusal.retry_after is None


def test_a_lease_shows_what_is_left_and_gives_back() -> None:
    limits = MemoryLimits(HandClock())
    lease = limits.take(principal(tokens_per_minute=100, concurrency=1), 80, "m")
    assert dict(lease.headers())[b"x-ratelimit-remaining-tokens"] == b"20"
    lease.release(30)
    lease.release(30)
    assert dict(lease.headers())[b"x-ratelimit-remaining-tokens"] == b"70"
    limits.take(principal(tokens_per_minute=100, concurrency=1), 70, "m")


def test_keys_do_not_share() -> None:
    limits = MemoryLimits(HandClock())
    limits.take(principal("key_1", requests_per_minute=1), 0, "m")
    limits.take(principal("key_2", requests_per_minute=1), 0, "m")


def test_new_limits_of_a_key_count_at_once() -> None:
    limits = MemoryLimits(HandClock())
    limits.take(principal(requests_per_minute=1), 0, "m")
    limits.take(principal(requests_per_minute=2), 0, "m")
    with pytest.raises(errors.RateLimited):
        limits.take(principal(requests_per_minute=2), 0, "m")


def test_idle_keys_are_forgotten_and_open_ones_kept() -> None:
    clock = HandClock()
    limits = MemoryLimits(clock)
    for number in range(50):
        limits.take(principal(f"key_{number}", requests_per_minute=1, concurrency=1), 0, "m").release(0)
    open_lease = limits.take(principal("open", concurrency=1), 0, "m")
    assert len(limits) == 51
    clock.now += 200
    limits.take(principal("late", requests_per_minute=1), 0, "m")
    assert len(limits) == 2
    with pytest.raises(errors.RateLimited):
        limits.take(principal("open", concurrency=1), 0, "m")
    open_lease.release(0)
    limits.take(principal("open", concurrency=1), 0, "m")


def refused(limits: MemoryLimits, caller: Principal, tokens: int = 0, model: str = "m") -> errors.RateLimited:
    with pytest.raises(errors.RateLimited) as caught:
        limits.take(caller, tokens, model)
    return caught.value


@pytest.mark.parametrize(
    ("second", "model", "label"),
    [
        (principal("key_2"), "m", "your account"),
        (principal("key_2"), "m", "your project"),
        (Principal(KeyId("key_2"), AccountId("acc_2"), "b"), "gpt-4o", "model gpt-4o"),
        (Principal(KeyId("key_2"), AccountId("acc_2"), "b", group="vip"), "m", "customer group vip"),
    ],
)
def test_what_is_shared_is_counted_together(second: Principal, model: str, label: str) -> None:
    one = KeyLimits(requests_per_minute=1)
    scope = {"your account": account_limits(AccountId("acc_1"), one), "your project": project_limits("p", one)}.get(
        label
    )
    rules = {
        "model gpt-4o": (LimitSettings(model="gpt-4*", requests_per_minute=1),),
        "customer group vip": (LimitSettings(group="vip", requests_per_minute=1),),
    }.get(label, ())
    limits = MemoryLimits(HandClock(), LimitBook(rules))
    scopes = () if scope is None else (scope,)
    limits.take(replace(principal(), group=second.group, scopes=scopes), 0, model)
    refusal = refused(limits, replace(second, scopes=scopes), 0, model)
    assert refusal.message.startswith(f"Rate limit reached for {label}: 1 requests per minute.")
    limits.take(principal("key_3", requests_per_minute=1), 0, "another")


def test_the_tightest_scope_is_told_on_success_and_refusal() -> None:
    scope = account_limits(AccountId("acc_1"), KeyLimits(requests_per_minute=2, tokens_per_minute=500))
    caller = replace(principal(requests_per_minute=10, tokens_per_minute=100), scopes=(scope,))
    limits = MemoryLimits(HandClock())
    told = dict(limits.take(caller, 60, "m").headers())
    assert told[b"x-ratelimit-limit-requests"] == b"2"
    assert told[b"x-ratelimit-remaining-requests"] == b"1"
    assert told[b"x-ratelimit-limit-tokens"] == b"100"
    assert told[b"x-ratelimit-remaining-tokens"] == b"40"
    assert dict(refused(limits, caller, 50).headers) == told


def test_a_book_is_replaced_and_what_was_used_stays_counted() -> None:
    limits = MemoryLimits(HandClock(), LimitBook((LimitSettings(model="*", requests_per_minute=5),)))
    caller = principal()
    limits.take(caller, 0, "m")
    limits.take(caller, 0, "m")
    limits.adopt(LimitBook((LimitSettings(model="*", requests_per_minute=3, concurrency=9),)))
    limits.take(caller, 0, "m")
    refused(limits, caller)
    limits.adopt(LimitBook())
    assert limits.take(caller, 0, "m") is UNLIMITED


def test_a_model_no_rule_fits_is_unlimited() -> None:
    limits = MemoryLimits(HandClock(), LimitBook((LimitSettings(model="gpt-*", concurrency=1),)))
    assert limits.take(principal(), 0, "claude") is UNLIMITED


def test_a_place_lost_comes_back_after_the_longest_exchange() -> None:
    clock = HandClock()
    limits = MemoryLimits(clock, lease_seconds=600)
    caller = principal(concurrency=1)
    lost = limits.take(caller, 0, "m")
    clock.now += 599
    refused(limits, caller)
    clock.now += 11
    limits.take(caller, 0, "m")
    lost.release(0)
    refused(limits, caller)


def test_a_share_is_told_when_it_is_what_a_request_exceeds() -> None:
    limits = MemoryLimits(HandClock(), workers=4, index=3)
    refusal = refused(limits, principal(tokens_per_minute=101), 27)
    assert "more than 26, one worker's share of the 101 tokens per minute allowed to this API key" in refusal.message


def test_keys_go_on_sharing_after_their_idle_scopes_were_forgotten() -> None:
    clock = HandClock()
    limits = MemoryLimits(clock)
    scope = account_limits(AccountId("acc_1"), KeyLimits(requests_per_minute=1))
    one, two = (replace(principal(key), scopes=(scope,)) for key in ("key_1", "key_2"))
    limits.take(one, 0, "m")
    clock.now += 200
    limits.take(principal("late", requests_per_minute=1), 0, "m")
    limits.take(one, 0, "m")
    refused(limits, two)
