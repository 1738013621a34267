"""Each rule of the audit, on both sides of its boundary. Whole books are in tests/contract/test_audit.py."""

import json
from dataclasses import replace

import pytest

from polyrelay.ledger import audit
from polyrelay.ledger.audit import Bill, End, Findings, Flow, Offence, PotSums, Stand, Transcribed

POT = PotSums("wallet:a", "wallet", 100, 0, 60, 40, 100, 100, 60, 40)
BUDGET = replace(POT, kind="budget", credited=0)


def bill(quantity: int, price: str, amount: str, charged: int, *, write_off: int = 0, multiplier: str = "1") -> Bill:
    lines = [{"bucket": "input_text", "quantity": quantity, "unit_price": price, "priced_as": "x", "amount": amount}]
    return Bill("px_1", 50, charged, write_off, False, multiplier, json.dumps(lines))


def rules(*offences: Offence) -> list[str]:
    return [offence.rule for offence in offences]


@pytest.mark.parametrize("found", [POT, BUDGET, replace(POT, ceiling=101)])
def test_a_sound_pot(found: PotSums) -> None:
    assert not list(audit.pot(found))


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        (replace(POT, credited=99), ["pot"]),
        (replace(BUDGET, credited=1), ["pot"]),
        (replace(POT, debited=61), ["pot"]),
        (replace(POT, sliced=39), ["escrow"]),
        (replace(POT, granted=99, credited=99, ceiling=99), ["limit"]),
        (replace(POT, overdraft=1), ["limit"]),
        (replace(POT, spent=-1, debited=-1), ["pot"]),
        (replace(POT, escrowed=-1, sliced=-1), ["pot"]),
    ],
)
def test_a_broken_pot(found: PotSums, broken: list[str]) -> None:
    assert rules(*audit.pot(found)) == broken


@pytest.mark.parametrize(
    ("state", "amount", "broken"), [("live", 0, 0), ("suspense", 1, 0), ("closed", 1, 1), (None, 1, 1), ("live", -1, 1)]
)
def test_slices(state: str | None, amount: int, broken: int) -> None:
    assert len(list(audit.slice_of("wk_1", "wallet:a", amount, state))) == broken


@pytest.mark.parametrize(
    "sound",
    [
        bill(3, "0.000000005", "0.000000015", 15),
        bill(3, "0.000000005", "0.000000015", 10, write_off=5),
        bill(1, "0.0000000025", "0.0000000025", 2),
        bill(1, "0.0000000035", "0.0000000035", 4),
        bill(2, "0.000000005", "0.000000015", 15, multiplier="1.5"),
        bill(10**15, "999999.000000000000000001", "999999000000000000000.001", 999_999_000_000_000_000_000_001_000_000),
        replace(bill(99, "0.000000001", "0.000000099", 50), indeterminate=True),
        Bill("px_1", 50, None, 0, False, None, None),
        Bill("px_1", 50, 50, 0, False, "1", None),
        Bill("px_1", 50, 0, 0, False, "1", "[]"),
    ],
)
def test_sound_charges(sound: Bill) -> None:
    assert not list(audit.charge(sound))


@pytest.mark.parametrize(
    "broken",
    [
        bill(3, "0.000000005", "0.000000015", 14),
        bill(3, "0.000000005", "0.000000015", 15, write_off=1),
        bill(3, "0.000000005", "0.000000016", 16),
        bill(1, "0.0000000025", "0.0000000025", 3),
        bill(2, "0.000000005", "0.000000015", 15, multiplier="1.6"),
        bill(3, "NaN", "0.000000015", 15),
        bill(3, "five", "0.000000015", 15),
        bill(1, "0", "0", 1, write_off=-1),
        replace(bill(1, "0", "0", 0), lines="{"),
        replace(bill(1, "0", "0", 0), amount=None),
        Bill("px_1", 50, None, 1, False, None, None),
        Bill("px_1", 50, 49, 0, False, "1", None),
        Bill("px_1", 50, 1, 0, False, "1", "[]"),
    ],
)
def test_broken_charges(broken: Bill) -> None:
    assert set(rules(*audit.charge(broken))) == {"charge"}


POTS = {"wallet:a": ("a", "wallet"), "promotion:1": ("a", "promotion"), "key:k:total": ("a", "budget")}


@pytest.mark.parametrize(
    ("kind", "debit", "credit", "account", "broken"),
    [
        ("topup", "cash", "pot:wallet:a", "a", 0),
        ("promotion", "promotions", "pot:promotion:1", "a", 0),
        ("adjustment", "pot:wallet:a", "adjustments", "a", 0),
        ("expiry", "pot:promotion:1", "expired", "a", 0),
        ("charge", "pot:promotion:1", "revenue", "a", 0),
        ("charge", "pot:key:k:total", "budgets", "a", 0),
        ("cost", "cost:main", "payable:main", None, 0),
        ("topup", "cash", "pot:promotion:1", "a", 1),
        ("topup", "cash", "pot:wallet:gone", "a", 1),
        ("topup", "cash", "pot:wallet:a", "b", 1),
        ("charge", "pot:key:k:total", "revenue", "a", 1),
        ("charge", "pot:wallet:a", "budgets", "a", 1),
        ("cost", "cost:main", "payable:other", None, 1),
        ("gift", "cash", "pot:wallet:a", "a", 1),
    ],
)
def test_the_chart(kind: str, debit: str, credit: str, account: str | None, broken: int) -> None:
    assert len(list(audit.transfers([Flow(kind, debit, credit, account, 1, 5, 5)], POTS))) == broken


def test_no_transfer_moves_nothing() -> None:
    assert rules(*audit.transfers([Flow("topup", "cash", "pot:wallet:a", "a", 2, 5, 0)], POTS)) == ["chart"]


def test_the_trial_balance() -> None:
    flows = [
        Flow("topup", "cash", "pot:wallet:a", "a", 1, 7, 7),
        Flow("charge", "pot:wallet:a", "revenue", "a", 2, 5, 1),
        Flow("charge", "pot:wallet:b", "revenue", "b", 2, 1, 1),
    ]
    found = {book.name: (book.debits, book.credits) for book in audit.books(flows)}
    assert found == {"cash": (7, 0), "pots": (6, 7), "revenue": (0, 6)}
    assert sum(debits for debits, _ in found.values()) == sum(credits_ for _, credits_ in found.values())


def test_sums_of_seconds_may_differ_by_their_order() -> None:
    assert not list(audit.rollup("h", {"requests": 0}, 1e-7, 1.0))
    assert list(audit.rollup("h", {"requests": 0}, 1e-3, 1.0))
    assert list(audit.rollup("h", {"requests": -1}, 0.0, 1.0))


def test_refunds() -> None:
    assert not list(audit.refund("px_1", 5, 5))
    assert rules(*audit.refund("px_1", 6, 5)) == ["refund"]
    assert rules(*audit.refund("px_1", 1, None)) == ["refund"]


# ── journals ─────────────────────────────────────────────────────────────────────────────────────────────────────

ENDS = [End("px_1", 0, 100, 10.0, 7), End("px_2", 0, 200, 20.0, 8), End("px_3", 1, 50, 30.0, 9)]
JOURNAL = Transcribed("wk_1", ENDS, ("px_4",))
LIVE = Stand("live", 0, 200)


@pytest.mark.parametrize(
    ("stand", "books", "broken"),
    [
        (LIVE, {"px_1", "px_2"}, []),
        (LIVE, {"px_1"}, ["px_2"]),
        (LIVE, {"px_1", "px_2", "px_3"}, ["px_3"]),
        (Stand("live", 0, 199), {"px_1"}, []),
        (Stand("live", 1, 49), {"px_1", "px_2"}, []),
        (Stand("live", 1, 50), {"px_1", "px_2"}, ["px_3"]),
        (Stand("closed", 0, 200), {"px_1", "px_2"}, ["px_3"]),
        (audit.UNKNOWN, set(), []),
        (audit.UNKNOWN, {"px_1"}, ["px_1"]),
    ],
)
def test_journals_and_books_go_together(stand: Stand, books: set[str], broken: list[str]) -> None:
    found = audit.journal(JOURNAL, stand, books.__contains__)
    assert [offence.subject.split()[0] for offence in found] == broken


def test_an_exchange_that_ended_twice() -> None:
    twice = replace(JOURNAL, ends=[*ENDS, replace(ENDS[0], offset=300)])
    (offence,) = audit.journal(twice, Stand("live", 1, 50), {"px_1", "px_2", "px_3"}.__contains__)
    assert (offence.rule, offence.subject) == ("settle", "px_1 wk_1")


def test_what_retention_deleted_is_not_missed() -> None:
    assert not list(audit.journal(JOURNAL, LIVE, {"px_2"}.__contains__, kept_since=10.5))


def test_what_is_unposted_is_told() -> None:
    assert audit.unposted(JOURNAL, LIVE) == audit.Unposted("wk_1", "live", 1, 9, 1)
    assert audit.unposted(JOURNAL, Stand("closed", 0, 200)) == audit.Unposted("wk_1", "closed", 0, 0, 0)


def test_many_offences_of_one_rule_are_counted() -> None:
    findings = Findings()
    assert findings.clean
    findings.take(Offence("pot", str(number), "") for number in range(audit.SHOWN + 2))
    findings.take([Offence("limit", "p", "")])
    assert (len(findings.offences), findings.hidden) == (audit.SHOWN + 1, {"pot": 2})
    assert not findings.clean
