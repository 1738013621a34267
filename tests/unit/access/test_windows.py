import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.access.windows import DAY, MINUTE, LimitKind, Span, Terms, Window, share


def window(limit: int, span: Span = MINUTE) -> Window:
    return Window(span, Terms(LimitKind.REQUESTS, "this API key", limit, limit, limit))


@pytest.mark.parametrize(("span", "whole", "slot"), [(MINUTE, 60, 1), (DAY, 86_400, 600)])
def test_use_is_counted_for_the_span_and_at_most_a_slot_longer(span: Span, whole: float, slot: float) -> None:
    held = window(5, span)
    held.add(0.0, 3)
    held.add(slot - 0.5, 1)
    held.forget(whole + slot - 0.5)
    assert (held.used, held.remaining, held.oldest) == (4, 1, whole + slot)
    assert held.reset(whole) == slot
    held.forget(whole + slot)
    assert (held.used, held.remaining, held.reset(whole + slot), held.remembers) == (0, 5, 0.0, False)


def test_a_slot_is_corrected_until_it_is_forgotten() -> None:
    held = window(100)
    slot = held.add(0.0, 90)
    slot.correct(-80)
    assert held.used == 10
    slot.correct(500)
    assert (held.used, held.remaining) == (510, 0)
    held.forget(61.0)
    held.add(61.0, 7)
    slot.correct(-400)
    assert held.used == 7


def test_an_empty_slot_is_remembered_because_it_may_be_corrected_upwards() -> None:
    held = window(100)
    slot = held.add(0.0, 0)
    assert held.remembers
    slot.correct(30)
    assert held.used == 30


def test_the_wait_is_for_as_many_slots_as_are_in_the_way() -> None:
    held = window(10)
    for second in range(10):
        held.add(float(second), 1)
    assert [held.wait(10.0, amount) for amount in (1, 2, 10)] == [51.0, 52.0, 60.0]
    assert window(10).wait(0.0, 10) == 0.0


@given(limit=st.integers(0, 10**6), workers=st.integers(1, 64))
def test_shares_add_up_and_the_first_is_the_largest(limit: int, workers: int) -> None:
    shares = [share(limit, workers, index) for index in range(workers)]
    assert sum(shares) == limit
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1
