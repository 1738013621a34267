from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from polyrelay.metering.sheet import BadTariff, Sheet, per_unit
from polyrelay.metering.tariff import Prices, Tariff, Window

DAY = Prices(Sheet(per_request=per_unit("2")))
NIGHT = Prices(Sheet(per_request=per_unit("1")))
BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def clock(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def window(start: str, end: str, days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)) -> Window:
    return Window(clock(start), clock(end), NIGHT, days, "night")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("instant", "inside"),
    [
        ("2026-03-02T16:29:59+08:00", False),
        ("2026-03-02T16:30:00+08:00", True),
        ("2026-03-02T23:59:59+08:00", True),
        ("2026-03-03T00:29:59+08:00", True),
        ("2026-03-03T00:30:00+08:00", False),
    ],
)
def test_a_window_past_midnight_in_its_own_zone(instant: str, inside: object) -> None:
    tariff = Tariff("m", DAY, "t", zone=SHANGHAI, windows=(window("16:30", "00:30"),))
    assert (tariff.window(at(instant)) is not None) == inside
    assert tariff.quote(at(instant)).prices is (NIGHT if inside else DAY)
    assert tariff.quote(at(instant)).window == ("night" if inside else None)


def test_weekdays_are_those_on_which_the_window_starts() -> None:
    tariff = Tariff("m", DAY, "t", windows=(window("22:00", "06:00", (4,)),))
    assert tariff.window(at("2026-03-06T23:00:00+00:00"))
    assert tariff.window(at("2026-03-07T05:59:00+00:00"))
    assert not tariff.window(at("2026-03-06T05:00:00+00:00"))
    assert not tariff.window(at("2026-03-07T23:00:00+00:00"))


def test_when_clocks_are_set_forward_the_skipped_hour_never_comes() -> None:
    tariff = Tariff("m", DAY, "t", zone=BERLIN, windows=(window("02:00", "03:00"),))
    assert not tariff.window(at("2026-03-29T00:59:59+00:00"))
    assert not tariff.window(at("2026-03-29T01:00:00+00:00"))
    assert tariff.window(at("2026-03-28T01:00:00+00:00"))


def test_when_clocks_are_set_back_the_repeated_hour_counts_twice() -> None:
    tariff = Tariff("m", DAY, "t", zone=BERLIN, windows=(window("02:00", "03:00"),))
    assert not tariff.window(at("2026-10-24T23:59:59+00:00"))
    assert tariff.window(at("2026-10-25T00:00:00+00:00"))
    assert tariff.window(at("2026-10-25T01:59:59+00:00"))
    assert not tariff.window(at("2026-10-25T02:00:00+00:00"))


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ((window("01:00", "03:00"), window("02:59", "04:00")), r"windows\[1\]: overlaps windows\[0\]"),
        ((window("22:00", "02:00"), window("01:00", "03:00")), "overlaps"),
        ((window("22:00", "02:00", (6,)), window("01:00", "03:00", (0,))), "overlaps"),
    ],
)
def test_overlapping_windows_are_refused(windows: tuple[Window, ...], says: str) -> None:
    with pytest.raises(BadTariff, match=says):
        Tariff("m", DAY, "t", windows=windows)


def test_windows_that_touch_or_differ_in_days_are_fine() -> None:
    windows = (window("22:00", "02:00", (6,)), window("02:00", "03:00"), window("01:00", "02:00", (1,)))
    assert Tariff("m", DAY, "t", windows=windows).windows == windows


@pytest.mark.parametrize(
    "make",
    [
        lambda: window("01:00", "01:00"),
        lambda: Window(-1, 5, NIGHT),
        lambda: Window(0, 1441, NIGHT),
        lambda: window("01:00", "02:00", ()),
        lambda: window("01:00", "02:00", (7,)),
        lambda: window("01:00", "02:00", (1, 1)),
        lambda: Tariff("gpt-*", DAY, "t"),
        lambda: Tariff("", DAY, "t"),
        lambda: Tariff("m", DAY, "t", aliases=("m",)),
        lambda: Tariff("m", DAY, "t", effective_from=5, effective_to=5),
    ],
)
def test_nonsense_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(BadTariff):
        make()


def test_costs_go_by_channel_then_provider_then_the_rest() -> None:
    one, two, three = (Sheet(per_request=per_unit(text)) for text in ("1", "2", "3"))
    prices = Prices(one, three, {"openai": two})
    assert prices.cost_of("eu-channel", "openai") is two
    assert prices.cost_of("eu-channel", "azure") is three
    assert prices.cost_of() is three
    assert Prices(one).cost_of("openai") is None


def test_in_force_from_inclusive_to_exclusive() -> None:
    begin = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    tariff = Tariff("m", DAY, "t", effective_from=begin, effective_to=begin + 10)
    assert [tariff.in_force(begin + each) for each in (-1, 0, 9, 10)] == [False, True, True, False]
