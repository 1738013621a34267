import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.service.webhooks import patience
from polyrelay.service.webhooks.ports import Attempt, Result, State
from polyrelay.settings.webhooks import WebhookSettings

DAY = 86400.0
BAD = Attempt(0.0, 0.1, 500, "status 500")
SETTINGS = WebhookSettings()


def test_what_was_delivered_is_over() -> None:
    assert patience.after(1, Attempt(0.0, 0.1, 204), 5.0, 0.0, SETTINGS) == Result(State.DELIVERED)


def test_the_delays_of_the_defaults_span_a_day() -> None:
    delays = [patience.delay(attempt, SETTINGS) for attempt in range(1, SETTINGS.attempts)]
    assert delays[:4] == [30, 90, 270, 810]
    assert delays[-1] == SETTINGS.longest_delay_seconds
    assert DAY * 0.9 < sum(delays) < DAY * 1.2


@pytest.mark.parametrize("attempts", [9, 10, 11])
def test_the_last_attempt_is_the_last(attempts: int) -> None:
    state = patience.after(attempts, BAD, 0.0, 0.0, SETTINGS).state
    assert state is (State.PENDING if attempts < 10 else State.FAILED)


def test_who_asks_to_be_called_no_more_is_not() -> None:
    assert patience.after(1, Attempt(0.0, 0.1, 410, "status 410"), 0.0, 0.0, SETTINGS) == Result(State.FAILED)
    assert patience.after(1, Attempt(0.0, 0.1, None, "revoked", final=True), 0.0, 0.0, SETTINGS) == Result(State.FAILED)


@given(st.integers(1, 9), st.floats(-1, 1), st.floats(0, 1e10))
def test_another_attempt_follows_after_its_delay_give_or_take(attempts: int, chance: float, now: float) -> None:
    found = patience.after(attempts, BAD, now, chance, SETTINGS)
    assert found.state is State.PENDING
    assert found.next_at is not None
    delay = patience.delay(attempts, SETTINGS)
    assert now + 0.79 * delay <= found.next_at <= now + 1.21 * delay


@given(st.integers(1, 10**6))
def test_delays_stay_within_the_longest(attempts: int) -> None:
    assert patience.delay(attempts, SETTINGS) <= SETTINGS.longest_delay_seconds
