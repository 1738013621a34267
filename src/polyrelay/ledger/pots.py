"""Pots: where the money of a meter lies. A wallet has a main pot and one for each promotion, a budget has one.

    granted + overdraft = spent + escrowed + available        (never less, but after a limit was lowered)

`escrowed` is what workers hold in their slices of the pot; `granted` is what came in and `spent` what went out, each
the sum of transfers (a budget's `granted` is its limit). Amounts are nano-units.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from polyrelay.ledger import escrow
from polyrelay.ledger.meters import Meter

Kind = Literal["wallet", "promotion", "budget"]

MOST = 2**62
"""No pot is granted more, so that sums of two fit 64 bits: four and a half thousand million units."""


@dataclass(slots=True, eq=False)
class Pot:
    """One pot as a transaction found it, and what the transaction does to it. `slice` is the asking worker's.

    `gained` goes from available into the slice (negative: back), `charged` from the slice to spent, `direct` from
    available to spent. `others` are the slices of other workers, where somebody needs to know them, and `swapped` what
    goes from this slice into theirs (negative: from theirs into this one), by worker.
    """

    id: str
    meter: str
    account: str
    kind: str
    granted: int
    overdraft: int
    spent: int
    escrowed: int
    expires_at: float | None = None
    slice: int = 0
    gained: int = 0
    charged: int = 0
    direct: int = 0
    others: dict[str, int] = field(default_factory=dict)
    swapped: dict[str, int] = field(default_factory=dict)

    def expired(self, now: float) -> bool:
        """Whether it has ended at `now` (Unix seconds)."""
        return self.expires_at is not None and self.expires_at <= now

    def left(self) -> int:
        """What is neither spent nor escrowed; below 0 after its limit was lowered."""
        return self.granted + self.overdraft - self.spent - self.escrowed - self.gained - self.direct

    def available(self, now: float) -> int:
        """Nanos that may still be taken at `now` (Unix seconds): none of an expired pot, none below a lowered limit."""
        return 0 if self.expired(now) else max(0, self.left())

    def sliced(self) -> int:
        """What is left in the slice."""
        return self.slice + self.gained - self.charged - sum(self.swapped.values())

    def sliced_of(self, other: str) -> int:
        """What is left in the slice of another worker."""
        return self.others.get(other, 0) + self.swapped.get(other, 0)

    @property
    def touched(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.gained or self.charged or self.direct or self.swapped)


def spending_order(pots: Iterable[Pot]) -> list[Pot]:
    """First to expire first; what never expires comes last."""
    return sorted(pots, key=_order)


def by_meter(pots: Iterable[Pot]) -> dict[str, list[Pot]]:
    """The pots of each meter, in spending order."""
    found: dict[str, list[Pot]] = {}
    for pot in spending_order(pots):
        found.setdefault(pot.meter, []).append(pot)
    return found


def allocate(pots: Iterable[Pot], amount: int, room: Callable[[Pot], int]) -> list[tuple[Pot, int]]:
    """Parts of `amount` for the pots in their order, each at most its `room`, none of them 0.

    Raises `ValueError` when they have no room for all of it.
    """
    parts = []
    for pot in pots:
        part = min(amount, room(pot))
        if part > 0:
            parts.append((pot, part))
            amount -= part
        if amount <= 0:
            return parts
    if amount > 0:
        raise ValueError(f"{amount} nanos too much for these pots")
    return parts


def available(pots: Iterable[Pot], now: float) -> int:
    """What may still be taken of a meter."""
    return sum(pot.available(now) for pot in pots)


def escrowed(pots: Iterable[Pot]) -> int:
    """What all workers hold of a meter."""
    return sum(pot.escrowed + pot.gained - pot.charged for pot in pots)


def take(pots: list[Pot], least: int, most: int, cushion: int, now: float) -> int:
    """Move what `escrow.grant` allows into the slice, from pots in spending order; how much it is."""
    amount = escrow.grant(least, most, cushion, available(pots, now))
    for pot, part in allocate(pots, amount, lambda pot: pot.available(now)):
        pot.gained += part
    return amount


def give_back(pots: list[Pot], amount: int, now: float) -> int:
    """Move up to `amount` from the slice back at `now` (Unix seconds); how much it was.

    What has expired goes first, so that it is spent no more, and then what expires last.
    """
    amount = min(amount, sum(pot.sliced() for pot in pots))
    order = [pot for pot in pots if pot.expired(now)] + [pot for pot in reversed(pots) if not pot.expired(now)]
    for pot, part in allocate(order, amount, Pot.sliced):
        pot.gained -= part
    return amount


def pull_forward(pots: Sequence[Pot], now: float) -> None:
    """Move what is charged to pots of a meter (in spending order) to those that expire before them.

    So all workers together spend first what expires first, whoever holds it. No worker's sum of slices changes by it,
    nor does what is available of the meter. An expired pot pays only for whom has a slice of it.
    """
    for number, early in enumerate(pots):
        if early.expired(now):
            continue
        for late in reversed(pots[number + 1 :]):
            if late.charged:
                _pull(early, late, now)


def new_pot(meter: Meter, limit: int | None) -> Pot:
    """The first pot of a meter. A wallet's begins empty, a budget's with `limit`, else the one its meter names."""
    if meter.scope == "wallet":
        return Pot(meter.id, meter.id, meter.account, "wallet", 0, 0, 0, 0)
    granted = min(MOST, max(0, meter.limit if limit is None else limit))
    return Pot(meter.id, meter.id, meter.account, "budget", granted, 0, 0, 0)


def ceiling(granted: int, overdraft: int, committed: int) -> int:
    """How far a pot may be spent and escrowed: a limit that is lowered below that binds later takes only."""
    return max(granted + overdraft, committed)


def _pull(early: Pot, late: Pot, now: float) -> None:
    """Let `early` pay what is charged to `late`: out of what it has available, then out of slices of other workers,
    who get as much of `late`. A pot below a lowered limit gets nothing back: it would be available to nobody.
    """
    part = min(late.charged, early.available(now)) if late.left() >= 0 else 0
    early.direct += part
    late.charged -= part
    late.gained -= part
    for other in sorted(early.others):
        part = min(late.charged, early.sliced_of(other))
        if part > 0:
            early.charged += part
            early.swapped[other] = early.swapped.get(other, 0) - part
            late.charged -= part
            late.swapped[other] = late.swapped.get(other, 0) + part


def _order(pot: Pot) -> tuple[float, str]:
    return (float("inf") if pot.expires_at is None else pot.expires_at, pot.id)
