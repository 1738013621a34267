import pytest

from polyrelay.access.headers import REQUESTS, duration, tightest
from polyrelay.access.windows import DAY, MINUTE, LimitKind, Span, Terms, Window


def used(limit: int, amount: int, at: float = 0.0, span: Span = MINUTE, own: int | None = None) -> Window:
    window = Window(span, Terms(LimitKind.REQUESTS, "this API key", limit, limit if own is None else own, limit))
    if amount:
        window.add(at, amount)
    return window


def told(*windows: Window, now: float = 0.0) -> list[bytes]:
    return [value for _, value in tightest(REQUESTS, windows, now)]


def test_the_window_with_the_least_left_is_told() -> None:
    assert told() == []
    assert told(used(5, 0)) == [b"5", b"5", b"0s"]
    assert told(used(5, 1), used(3, 0), used(100, 98)) == [b"100", b"2", b"1m1s"]
    assert tightest(REQUESTS, (used(5, 0),), 0.0)[1][0] == b"x-ratelimit-remaining-requests"


def test_of_equals_the_last_to_reset_is_told() -> None:
    day = used(2, 2, span=DAY)
    assert told(used(1, 1), day, used(1, 1)) == [b"2", b"0", b"24h10m0s"]


def test_what_has_been_forgotten_is_not_told() -> None:
    assert told(used(5, 5), used(9, 5, at=30.0), now=61.0) == [b"9", b"4", b"30s"]


def test_a_share_tells_the_limit_as_configured_and_what_is_left_here() -> None:
    assert told(used(10, 1, own=3)) == [b"10", b"2", b"1m1s"]
    assert told(used(10, 9, own=3)) == [b"10", b"0", b"1m1s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (0.012, "12ms"), (0.0001, "1ms"), (1, "1s"), (8.64, "8.64s"), (59.9999, "1m0s"),
     (60, "1m0s"), (360, "6m0s"), (86.4, "1m26.4s"), (3630, "1h0m30s"), (0.9999, "1s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
