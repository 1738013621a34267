"""Which purses a key pays from, and when they are emptied and forgotten."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from polyrelay.access.principal import Budget
from polyrelay.service.purses import AUTONOMY_SECONDS, FORGET_SECONDS, IDLE_SECONDS, Purses
from support.till import holder

DAY = Budget("key_1", "key", "day", 100)
ANN = holder("acc_1", "key_1", budgets=(DAY,), zone="Asia/Shanghai")
BOB = holder("acc_1", "key_2")
MIDNIGHT = 1_800_028_800.0
"""In Shanghai, between 15 and 16 January 2027."""


def names(purses: Purses) -> set[str]:
    return {purse.meter.id for purse in purses}


def test_a_key_pays_from_another_day_s_meter_from_midnight_in_its_account_s_zone() -> None:
    purses = Purses(ZoneInfo)
    before = purses.payer(ANN, MIDNIGHT - 0.001)
    assert purses.payer(ANN, MIDNIGHT - 0.0005) is before
    after = purses.payer(ANN, MIDNIGHT)
    assert [purse.meter.id for purse in before.purses] == ["wallet:acc_1", "key:key_1:day:2027-01-15"]
    assert [purse.meter.id for purse in after.purses] == ["wallet:acc_1", "key:key_1:day:2027-01-16"]
    assert before.purses[0] is after.purses[0]


def test_a_key_that_changed_has_another_payer_with_the_same_purses() -> None:
    purses = Purses(ZoneInfo)
    before, after = purses.payer(ANN, 0.0), purses.payer(replace(ANN, budgets=(replace(DAY, limit=7),)), 0.0)
    assert before is not after
    assert before.purses == after.purses
    assert after.purses[1].meter.limit == 7


def test_what_lies_idle_or_was_recalled_goes_back() -> None:
    purses = Purses(ZoneInfo)
    wallet, budget = purses.payer(ANN, 0.0).purses
    wallet.free = budget.free = 5
    wallet.used_at = budget.used_at = 100.0
    assert purses.sweep(100.0 + IDLE_SECONDS, 0.0) == []
    purses.recall([budget.meter.id, "unknown"])
    assert purses.sweep(100.0, 0.0) == [(budget.meter.id, 5)]
    assert purses.sweep(100.1 + IDLE_SECONDS, 0.0) == [(wallet.meter.id, 5)]
    assert wallet.free == budget.free == 0


def test_a_key_is_forgotten_though_others_use_its_account() -> None:
    purses = Purses(ZoneInfo)
    ann = purses.payer(ANN, 0.0)
    bob = purses.payer(BOB, IDLE_SECONDS)
    bob.purses[0].free, bob.purses[0].used_at = 5, IDLE_SECONDS
    purses.sweep(IDLE_SECONDS, IDLE_SECONDS)
    assert purses.payer(ANN, IDLE_SECONDS) is ann
    purses.sweep(IDLE_SECONDS + FORGET_SECONDS - 0.1, 3 * IDLE_SECONDS)
    assert purses.payer(ANN, IDLE_SECONDS) is ann
    purses.sweep(IDLE_SECONDS + FORGET_SECONDS, 3 * IDLE_SECONDS)
    assert names(purses) == {"wallet:acc_1"}
    assert purses.payer(ANN, 3 * IDLE_SECONDS) is not ann


def test_a_purse_with_anything_in_it_is_kept_when_its_payer_goes() -> None:
    for slot in ("free", "held", "unposted", "waiting"):
        purses = Purses(ZoneInfo)
        purse = purses.payer(BOB, 0.0).purses[0]
        setattr(purse, slot, 1)
        purse.used_at = 1e9
        purses.sweep(1e9, 1e9)
        assert purses.get(purse.meter.id) is purse, slot
        setattr(purse, slot, 0)
        purses.sweep(1e9 + FORGET_SECONDS, 1e9)
        assert purses.get(purse.meter.id) is None, slot


def test_a_busy_purse_is_stocked_for_the_time_ahead_and_a_quiet_or_tight_one_is_not() -> None:
    purses = Purses(ZoneInfo)
    busy, quiet, tight = (purses.payer(holder(name), MIDNIGHT).purses[0] for name in ("busy", "quiet", "tight"))
    busy.spent = tight.spent = 300
    tight.tight = True
    (want,) = purses.stock(2.0)
    assert (want.meter, want.least, want.most, want.cushion) == (busy.meter, 0, 0, 150 * AUTONOMY_SECONDS)
    busy.free = int(want.cushion)
    busy.spent += 300
    quiet.spent += 1
    assert [each.meter for each in purses.stock(2.0)] == [quiet.meter], "above half nothing is fetched"
