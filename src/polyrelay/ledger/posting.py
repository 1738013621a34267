"""Posting: what a batch of ended exchanges does to pots, books and roll-ups. Pure; the adapters only write it down.

Each exchange takes the same amount from every one of its meters: from the worker's slices what the journal says they
cover, and what it says they do not (`short`) from what all its meters still have, at most what the scarcest of them
has. The rest is written off. Which pots of a meter pay is the order of their expiry, whichever of them the slices are
of. Drawing exchange by exchange in the order of the journal makes the result the same
however the journal is cut into batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import msgspec

from polyrelay.ledger import pots, transfer
from polyrelay.ledger.pots import Pot
from polyrelay.ledger.transfer import Transfer

HOUR_SECONDS = 3600
HOURS_OF_DAY = 24

FAILED = 400
"""HTTP statuses from here on count as failures in roll-ups."""


class Exchange(Protocol):
    """An ended exchange, as `service.bank.Row` has it."""

    @property
    def id(self) -> str: ...  # noqa: D102 - see `Row`
    @property
    def at(self) -> float: ...  # noqa: D102
    @property
    def account_id(self) -> str: ...  # noqa: D102
    @property
    def project_id(self) -> str | None: ...  # noqa: D102
    @property
    def key_id(self) -> str: ...  # noqa: D102
    @property
    def meters(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def channel(self) -> str | None: ...  # noqa: D102
    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102
    @property
    def input_tokens(self) -> int: ...  # noqa: D102
    @property
    def output_tokens(self) -> int: ...  # noqa: D102
    @property
    def amount(self) -> int | None: ...  # noqa: D102
    @property
    def short(self) -> int: ...  # noqa: D102
    @property
    def cost(self) -> int | None: ...  # noqa: D102


E = TypeVar("E", bound=Exchange)


class Settled(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """An exchange and what became of its charge. `amount` was taken from every meter; None when nothing was due."""

    row: E
    amount: int | None
    write_off: int


RollupKey = tuple[int, str, str, str, str, str]
"""Hours since the epoch, account, project, key, model, channel; empty texts for none."""


@dataclass(slots=True)
class Sums:
    """What a roll-up adds up: a count, tokens, nanos, seconds."""

    requests: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    amount: int = 0
    cost: int = 0
    write_off: int = 0
    seconds: float = 0.0

    def add(self, other: "Sums") -> None:
        """Take in what another batch adds to the same roll-up."""
        self.requests += other.requests
        self.failures += other.failures
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.amount += other.amount
        self.cost += other.cost
        self.write_off += other.write_off
        self.seconds += other.seconds


@dataclass(frozen=True, slots=True)
class Posting(Generic[E]):
    """What is to be written. The pots moved are those that were handed in.

    `uncovered` is what the journal called covered and the slices were not: above 0 only after a defect or a lost lease.
    """

    settled: Sequence[Settled[E]]
    transfers: Sequence[Transfer]
    rollups: Mapping[RollupKey, Sums]
    written_off: int
    uncovered: int


@dataclass(slots=True)
class _Purse:
    """What a meter has for this batch."""

    pots: Sequence[Pot] = ()
    sliced: int = 0
    available: int = 0
    charged: int = 0
    direct: int = 0

    def draw(self, covered: int, amount: int) -> None:
        part = min(amount, covered, self.sliced)
        self.sliced -= part
        self.charged += part
        self.available -= amount - part
        self.direct += amount - part


@dataclass(slots=True)
class _Draft(Generic[E]):
    purses: dict[str, _Purse]
    settled: list[Settled[E]] = field(default_factory=list)
    written_off: int = 0
    uncovered: int = 0

    def settle(self, row: E) -> None:
        if row.amount is None:
            self.settled.append(Settled(row, None, 0))
            return
        due = row.amount + row.short
        purses = [self.purses[meter] for meter in row.meters]
        if purses and not row.short and min([purse.sliced for purse in purses]) >= due:
            for purse in purses:
                purse.sliced -= due
                purse.charged += due
            self.settled.append(Settled(row, due, 0))
            return
        amount = min([due, *[min(row.amount, purse.sliced) + purse.available for purse in purses]]) if purses else 0
        self.uncovered += max([0, *[row.amount - purse.sliced for purse in purses]])
        for purse in purses:
            purse.draw(row.amount, amount)
        self.settled.append(Settled(row, amount, due - amount))
        self.written_off += due - amount


def post(rows: Sequence[E], found: Iterable[Pot], now: float) -> Posting[E]:
    """Settle `rows` in their order from `found`, the pots of all their meters, at `now` (Unix seconds)."""
    grouped = pots.by_meter(found)
    draft: _Draft[E] = _Draft({meter: _purse(grouped.get(meter, ()), now) for meter in meters_of(rows)})
    for row in rows:
        draft.settle(row)
    for purse in draft.purses.values():
        _move(purse, now)
    moved = [pot for purse in draft.purses.values() for pot in purse.pots if pot.charged or pot.direct]
    return Posting(
        settled=draft.settled,
        transfers=[*_charges(moved), *_write_offs(draft.settled), *_costs(rows)],
        rollups=rollups(draft.settled),
        written_off=draft.written_off,
        uncovered=draft.uncovered,
    )


def meters_of(rows: Iterable[Exchange]) -> list[str]:
    """Every meter that is charged, once, in a fixed order."""
    payers = {row.meters for row in rows if row.amount is not None}
    return sorted({meter for meters in payers for meter in meters})


def rollups(settled: Iterable[Settled[E]]) -> dict[RollupKey, Sums]:
    """Sums by hour and by who used what, in the order of their keys: two writers take the rows in the same order."""
    found: dict[RollupKey, Sums] = {}
    for each in settled:
        row = each.row
        hour = int(row.at // HOUR_SECONDS)
        key = (hour, row.account_id, row.project_id or "", row.key_id, row.model, row.channel or "")
        sums = found.get(key)
        if sums is None:
            sums = found[key] = Sums()
        sums.requests += 1
        sums.input_tokens += row.input_tokens
        sums.output_tokens += row.output_tokens
        sums.seconds += row.seconds
        if row.status >= FAILED:
            sums.failures += 1
        if each.amount:
            sums.amount += each.amount
        if row.cost:
            sums.cost += row.cost
        if each.write_off:
            sums.write_off += each.write_off
    return dict(sorted(found.items()))


def daily(hourly: Mapping[RollupKey, Sums]) -> dict[RollupKey, Sums]:
    """Hourly sums by day (UTC): keys begin with days since the epoch. In the order of their keys."""
    found: dict[RollupKey, Sums] = {}
    for key, sums in hourly.items():
        found.setdefault((key[0] // HOURS_OF_DAY, *key[1:]), Sums()).add(sums)
    return dict(sorted(found.items()))


def _purse(found: Sequence[Pot], now: float) -> _Purse:
    return _Purse(found, sum(pot.sliced() for pot in found), sum(pot.available(now) for pot in found))


def _move(purse: _Purse, now: float) -> None:
    for pot, part in pots.allocate(purse.pots, purse.charged, Pot.sliced):
        pot.charged += part
    if len(purse.pots) > 1:
        pots.pull_forward(purse.pots, now)
    for pot, part in pots.allocate(purse.pots, purse.direct, lambda pot: pot.available(now)):
        pot.direct += part


def _charges(moved: Iterable[Pot]) -> list[Transfer]:
    return [
        transfer.charge(pot.id, pot.account, pot.charged + pot.direct, budget=pot.kind == "budget") for pot in moved
    ]


def _write_offs(settled: Iterable[Settled[E]]) -> list[Transfer]:
    return [transfer.write_off(each.row.account_id, each.write_off, each.row.id) for each in settled if each.write_off]


def _costs(rows: Iterable[Exchange]) -> list[Transfer]:
    totals: dict[str | None, int] = {}
    for row in rows:
        if row.cost:
            totals[row.channel] = totals.get(row.channel, 0) + row.cost
    return [transfer.cost(channel, total) for channel, total in totals.items()]
