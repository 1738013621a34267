"""Pots: what is available, and in which order it is spent."""

import pytest

from polyrelay.kernel.money import Nanos
from polyrelay.ledger import meters, pots
from polyrelay.ledger.meters import Meter
from polyrelay.ledger.pots import Pot

NOW = 1000.0


def pot(name: str, granted: int, expires_at: float | None = None, *, spent: int = 0, escrowed: int = 0) -> Pot:
    return Pot(name, "wallet:a", "a", "wallet", granted, 0, spent, escrowed, expires_at)


@pytest.mark.parametrize(("ends", "left"), [(NOW - 1, 0), (NOW, 0), (NOW + 1, 4), (None, 4)])
def test_a_pot_can_be_taken_from_until_it_expires(ends: float | None, left: int) -> None:
    assert pot("p", 10, ends, spent=1, escrowed=5).available(NOW) == left


def test_nothing_is_available_below_a_lowered_limit_and_no_other_pot_makes_up_for_it() -> None:
    lowered = pot("p", 10, spent=8, escrowed=5)
    assert lowered.available(NOW) == 0
    assert pots.available([lowered, pot("q", 2)], NOW) == 2
    assert pots.ceiling(10, 0, 13) == 13
    assert pots.ceiling(10, 4, 13) == 14


def test_the_first_to_expire_comes_first_and_the_main_pot_last() -> None:
    names = [
        each.id for each in pots.spending_order([pot("main", 1), pot("b", 1, 7.0), pot("a", 1, 7.0), pot("c", 1, 5.0)])
    ]
    assert names == ["c", "a", "b", "main"]


def test_allocate_refuses_what_has_no_room() -> None:
    found = [pot("a", 3), pot("b", 3)]
    assert pots.allocate(found, 0, lambda each: each.granted) == []
    assert pots.allocate(found, 4, lambda each: each.granted) == [(found[0], 3), (found[1], 1)]
    with pytest.raises(ValueError, match="1 nanos too much"):
        pots.allocate(found, 7, lambda each: each.granted)


def test_the_first_pot_of_a_budget_holds_its_limit_within_what_can_be_counted() -> None:
    budget = Meter("key:k:total", "a", "key", "k", "total", Nanos(10**30))
    assert pots.new_pot(budget, None).granted == pots.MOST
    assert pots.new_pot(budget, 7).granted == 7
    assert pots.new_pot(meters.wallet("a"), None).granted == 0
