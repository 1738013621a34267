"""The books in memory: the twin of `SqlBank`, for tests and trials. It keeps the bank's promises, not its data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from polyrelay.kernel.clock import Clock
from polyrelay.ledger import meters, posting, transfer
from polyrelay.ledger import pots as purse
from polyrelay.ledger.escrow import JOBS
from polyrelay.ledger.meters import Meter
from polyrelay.ledger.posting import RollupKey, Settled, Sums
from polyrelay.ledger.pots import Pot
from polyrelay.ledger.transfer import Transfer
from polyrelay.service.bank import Batch, Enrolment, Posted, Row, Standing, Taken, Want
from polyrelay.storage.books.bank import CLOSED, LIVE, SUSPENSE, TICK_SECONDS, is_due, lapse, lost, return_to, take_from
from polyrelay.storage.books.bank_post import batch_name, fitting, report


class BooksBroken(AssertionError):
    """What a constraint of the schema forbids: a defect of the relay."""


@dataclass(slots=True)
class _Worker:
    standing: Standing
    lease_until: float


@dataclass
class MemoryBank:
    """Implements `Bank` for one process. Every account exists. `clock` is the database's."""

    clock: Clock
    pots: dict[str, Pot] = field(default_factory=dict)
    ceilings: dict[str, int] = field(default_factory=dict)
    slices_of: dict[str, dict[str, int]] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    exchanges: dict[str, Settled[Row]] = field(default_factory=dict)
    rollups: dict[RollupKey, Sums] = field(default_factory=dict)
    days: dict[RollupKey, Sums] = field(default_factory=dict)
    limits: dict[tuple[str, str], int] = field(default_factory=dict)
    """Amounts of budgets in table `budgets`, by owner and period."""
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _recalls: dict[str, float] = field(default_factory=dict)

    # ── the operator ──

    def topup(self, account: str, amount: int) -> None:
        """Put money into the wallet."""
        pot = self._main(meters.wallet(account))
        self.transfers.append(transfer.topup(pot.id, account, amount))
        self._limit(pot, pot.granted + amount, pot.overdraft)

    def promote(self, account: str, amount: int, expires_at: float) -> str:
        """Give credit that ends; the id of its pot."""
        pot = Pot(
            f"promotion:{len(self.pots)}", meters.wallet(account).id, account, "promotion", 0, 0, 0, 0, expires_at
        )
        self.pots[pot.id] = pot
        self.transfers.append(transfer.promotion(pot.id, account, amount))
        self._limit(pot, amount, 0)
        return pot.id

    def set_overdraft(self, account: str, overdraft: int) -> None:
        """How far the wallet may go below zero."""
        pot = self._main(meters.wallet(account))
        self._limit(pot, pot.granted, overdraft)

    def set_limit(self, meter: str, limit: int) -> None:
        """The new amount of a budget; without effect on one that was never used."""
        if meter in self.pots:
            self._limit(self.pots[meter], limit, self.pots[meter].overdraft)

    # ── the port ──

    async def enrol(self, enrolment: Enrolment, lease: float) -> None:
        """See the port."""
        known = self._workers.get(enrolment.worker)
        if known is None:
            standing = Standing(enrolment.worker, enrolment.machine, enrolment.journal, LIVE, 0, 0)
            known = self._workers[enrolment.worker] = _Worker(standing, 0.0)
        if known.standing.state == LIVE:
            known.lease_until = self.clock.wall() + lease

    async def renew(self, worker: str, lease: float) -> None:
        """See the port."""
        known = self._worker(worker)
        if known.standing.state == CLOSED:
            raise lost(worker)
        _stand(known, state=LIVE)
        known.lease_until = self.clock.wall() + lease

    async def take(self, worker: str, wants: Sequence[Want]) -> list[Taken]:
        """See the port."""
        if not wants:
            return []
        if self._worker(worker).standing.state != LIVE:
            raise lost(worker)
        found = self.open_for([want.meter for want in wants], worker)
        taken = take_from(found, wants, self.clock.wall())
        self.write(found, worker)
        return taken

    async def give_back(self, worker: str, amounts: Sequence[tuple[str, int]]) -> None:
        """See the port."""
        if not amounts:
            return
        self._worker(worker)
        found = self.found([meter for meter, _ in amounts], worker)
        return_to(found, amounts, worker, self.clock.wall())
        self.write(found, worker)

    async def slices(self, worker: str) -> dict[str, int]:
        """See the port."""
        sums: dict[str, int] = {}
        for pot, amount in self.slices_of.get(worker, {}).items():
            meter = self.pots[pot].meter
            sums[meter] = sums.get(meter, 0) + amount
        return sums

    async def recall(self, meters: Sequence[str]) -> None:
        """See the port."""
        if meters:
            now = max([self.clock.wall(), *[at + TICK_SECONDS for at in self._recalls.values()]])
            self._recalls.update(dict.fromkeys(meters, now))

    async def recalled(self, since: float) -> tuple[float, list[str]]:
        """See the port."""
        found = {meter: at for meter, at in self._recalls.items() if at > since}
        return max([since, *found.values()]), sorted(found)

    async def post(self, worker: str, batch: Batch, *, close: bool = False) -> Posted:
        """See the port. Raises as `SqlBank.post` does, but `BooksBroken` for `Conflict`."""
        known = self._worker(worker)
        written_off, stand = 0, (known.standing.segment, known.standing.position)
        if is_due(known.standing, batch):
            written_off, stand = self._post(worker, batch), (batch.segment, batch.end)
            _stand(known, segment=batch.segment, position=batch.end)
        if close and stand == (batch.segment, batch.end):
            self._close(known)
        return Posted(*stand, written_off)

    async def advance(self, worker: str, segment: int) -> None:
        """See the port."""
        known = self._workers.get(worker)
        if known is not None and known.standing.segment < segment and known.standing.state != CLOSED:
            _stand(known, segment=segment, position=0)

    async def standing(self, worker: str) -> Standing | None:
        """See the port."""
        known = self._workers.get(worker)
        return known.standing if known is not None else None

    async def orphans(self) -> list[Standing]:
        """See the port."""
        now = self.clock.wall()
        return [
            known.standing
            for _, known in sorted(self._workers.items())
            if known.standing.state != CLOSED and known.lease_until <= now
        ]

    async def suspend(self, worker: str) -> None:
        """See the port."""
        known = self._workers.get(worker)
        if known is not None and known.standing.state == LIVE and known.lease_until <= self.clock.wall():
            _stand(known, state=SUSPENSE)

    async def expire(self) -> int:
        """See the port."""
        now = self.clock.wall()
        found = [
            replace(pot)
            for pot in self.pots.values()
            if pot.expires_at is not None and pot.expires_at <= now and pot.granted > pot.spent + pot.escrowed
        ]
        moves = lapse(found)
        self.write(found, "")
        self.transfers.extend(moves)
        over = {pot.id: pot.meter for pot in self.pots.values() if pot.kind == "promotion" and pot.expired(now)}
        live = [worker for worker in self._workers if worker != JOBS and self.live(worker)]
        await self.recall(
            sorted({over[pot] for worker in live for pot in self.slices_of.get(worker, {}) if pot in over})
        )
        return sum(move.amount for move in moves)

    # ── for the twin of the jobs' store ──

    def live(self, worker: str) -> bool:
        """Whether the worker's lease lasts."""
        known = self._workers.get(worker)
        return known is not None and known.standing.state == LIVE and known.lease_until > self.clock.wall()

    def open_for(self, wanted: Sequence[Meter], worker: str) -> list[Pot]:
        """As `found`; a meter without its first pot gets it."""
        for meter in wanted:
            self._main(meter)
        return self.found([meter.id for meter in wanted], worker)

    def found(self, of_meters: Iterable[str], worker: str) -> list[Pot]:
        """The pots of these meters, with the worker's slices: to be changed and written."""
        wanted, mine = set(of_meters), self.slices_of.get(worker, {})
        found = [
            replace(pot, slice=mine.get(pot.id, 0), others={}, swapped={})
            for pot in self.pots.values()
            if pot.meter in wanted
        ]
        for pot in found:
            pot.others.update(
                (other, slices[pot.id])
                for other, slices in self.slices_of.items()
                if other != worker and pot.id in slices
            )
        return found

    def write(self, found: Iterable[Pot], worker: str) -> None:
        """Keep what was moved. Raises `BooksBroken`."""
        for pot in found:
            escrowed, spent = pot.escrowed + pot.gained - pot.charged, pot.spent + pot.charged + pot.direct
            slices = {worker: pot.sliced(), **{other: pot.sliced_of(other) for other in pot.swapped}}
            if min(escrowed, spent, *slices.values()) < 0 or escrowed + spent > self.ceilings[pot.id]:
                raise BooksBroken(f"{pot.id}: {spent} spent and {escrowed} escrowed of {self.ceilings[pot.id]}")
            self.pots[pot.id].escrowed, self.pots[pot.id].spent = escrowed, spent
            for owner, amount in slices.items():
                self.slices_of.setdefault(owner, {})[pot.id] = amount
                if not amount:
                    del self.slices_of[owner][pot.id]

    def book(self, worker: str, name: str, given: Sequence[Row]) -> int:
        """Post rows as batch `name`; nanos written off. Raises `BooksBroken`."""
        rows = [fitting(row) for row in given if not (row.indeterminate and row.id in self.exchanges)]
        names = [row.id for row in rows]
        if len(set(names)) < len(names) or not self.exchanges.keys().isdisjoint(names):
            raise BooksBroken(f"an exchange of {names} is posted twice")
        found = self.found(posting.meters_of(rows), worker)
        result = posting.post(rows, found, self.clock.wall())
        report(name, result.uncovered)
        self.write(found, worker)
        self.exchanges.update((each.row.id, each) for each in result.settled)
        self.transfers.extend(result.transfers)
        for key, sums in result.rollups.items():
            self.rollups.setdefault(key, Sums()).add(sums)
        for key, sums in posting.daily(result.rollups).items():
            self.days.setdefault(key, Sums()).add(sums)
        return result.written_off

    # ── inside ──

    def _worker(self, worker: str) -> _Worker:
        if worker not in self._workers:
            raise lost(worker)
        return self._workers[worker]

    def _main(self, meter: Meter) -> Pot:
        if meter.id not in self.pots:
            pot = self.pots[meter.id] = purse.new_pot(meter, self.limits.get((meter.owner, meter.period)))
            self.ceilings[pot.id] = pot.granted
        return self.pots[meter.id]

    def _limit(self, pot: Pot, granted: int, overdraft: int) -> None:
        pot.granted, pot.overdraft = granted, overdraft
        self.ceilings[pot.id] = purse.ceiling(granted, overdraft, pot.spent + pot.escrowed)

    def _post(self, worker: str, batch: Batch) -> int:
        return self.book(worker, batch_name(worker, batch), batch.rows)

    def _close(self, known: _Worker) -> None:
        worker = known.standing.worker
        for pot, amount in self.slices_of.pop(worker, {}).items():
            self.pots[pot].escrowed -= amount
        _stand(known, state=CLOSED)


def _stand(known: _Worker, **changes: object) -> None:
    known.standing = msgspec.structs.replace(known.standing, **changes)
