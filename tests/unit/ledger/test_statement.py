from collections.abc import Sequence
from datetime import UTC
from itertools import groupby
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.ledger import statement
from polyrelay.ledger.statement import HOUR_SECONDS, Charged, Deduction, Merging, Move, Use

SHANGHAI = ZoneInfo("Asia/Shanghai")
KOLKATA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")


def use(at: float, amount: int, model: str = "m") -> Use:
    return Use(int(at // HOUR_SECONDS), model, 1, 10, 2, amount)


@pytest.mark.parametrize(
    ("month", "zone", "hours"),
    [
        ("2026-02", UTC, 28 * 24),
        ("2026-12", SHANGHAI, 31 * 24),
        ("2026-10", BERLIN, 31 * 24 + 1),
        ("2026-03", BERLIN, 743),
    ],
)
def test_months_are_those_of_the_wall_clock(month: str, zone: ZoneInfo, hours: int) -> None:
    start, end = statement.month(month, zone)
    assert end - start == hours * HOUR_SECONDS


@pytest.mark.parametrize("text", ["2026", "2026-13", "november", "2026-11-01", ""])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        statement.month(text, UTC)


def test_hours_that_straddle_a_boundary_belong_to_where_they_begin() -> None:
    start, _ = statement.month("2026-11", KOLKATA)
    assert start % HOUR_SECONDS == HOUR_SECONDS / 2
    first = statement.first_hour(start)
    assert first * HOUR_SECONDS == start + HOUR_SECONDS / 2
    assert statement.first_hour(first * HOUR_SECONDS) == first


def test_a_month_by_day() -> None:
    start, _ = statement.month("2026-11", SHANGHAI)
    moves = [Move(start + 30 * HOUR_SECONDS, "refund", 5, "px_1"), Move(start + 60, "topup", 100, "paid")]
    uses = [use(start, 10), use(start + 23 * HOUR_SECONDS, 20, "n"), use(start + 24 * HOUR_SECONDS, 30)]
    found = statement.make("2026-11", SHANGHAI, 7, moves, uses, "day")
    assert [(line.day, line.kind, line.text, line.amount, line.balance, line.requests) for line in found.lines] == [
        ("2026-11-01", "topup", "paid", 100, 107, 0),
        ("2026-11-01", "charge", "", -30, 77, 2),
        ("2026-11-02", "refund", "px_1", 5, 82, 0),
        ("2026-11-02", "charge", "", -30, 52, 1),
    ]
    assert (found.opening, found.closing) == (7, 52)
    assert found.totals == {"topup": 100, "charge": -60, "refund": 5}


def test_a_month_by_model() -> None:
    start, _ = statement.month("2026-11", UTC)
    uses = [use(start, 10, "b"), use(start, 20, "a"), use(start + 90000, 30, "b")]
    found = statement.make("2026-11", UTC, 0, [Move(start + 9e5, "topup", 1)], uses, "model")
    assert [(line.day, line.text, line.amount, line.balance) for line in found.lines] == [
        ("2026-11-11", "", 1, 1),
        ("", "a", -20, -19),
        ("", "b", -40, -59),
    ]


# ── deductions ───────────────────────────────────────────────────────────────────────────────────────────────────


def charged(number: int, group: str | None, source: str | None = None) -> Charged:
    return Charged(f"px_{number:03}", float(number), f"m{number % 2}", number, 2, 1, group, source)


CHARGES = st.lists(st.tuples(st.sampled_from(["a", "b", "", None]), st.sampled_from(["chat", None])), max_size=30).map(
    lambda kinds: [charged(number, *kind) for number, kind in enumerate(kinds, 1)][::-1]
)


@given(CHARGES)
def test_consecutive_charges_of_a_group_and_source_are_one(newest_first: Sequence[Charged]) -> None:
    found = list(statement.deductions(newest_first))
    runs = [
        list(run)
        for (group, *_), members in groupby(newest_first, lambda each: (each.billing_group or "", each.source))
        for run in ([list(members)] if group else [[each] for each in members])
    ]
    assert [(each.last, each.first, each.calls) for each in found] == [
        (run[0].id, run[-1].id, len(run)) for run in runs
    ]
    assert sum(each.amount for each in found) == sum(each.amount for each in newest_first)
    assert sum(each.input_tokens for each in found) == 2 * len(newest_first)


@given(CHARGES, st.integers(1, 4))
def test_pages_cut_between_entries_join_to_the_whole(newest_first: Sequence[Charged], size: int) -> None:
    joined: list[Deduction] = []
    rest = list(newest_first)
    while rest:
        page = list(statement.deductions(rest))[:size]
        joined += page
        rest = [each for each in rest if each.id < page[-1].first]
    assert joined == list(statement.deductions(newest_first))


def test_an_entry_says_what_it_is_made_of() -> None:
    merging = Merging()
    assert [merging.take(charged(number, "a", "chat")) for number in (3, 2)] == [None, None]
    assert merging.take(charged(1, "b")) == Deduction(
        "px_002", "px_003", 2.0, 3.0, "a", "chat", ("m0", "m1"), 2, 5, 4, 2
    )
    last = merging.end()
    assert last is not None
    assert last.calls == 1
    assert merging.end() is None
