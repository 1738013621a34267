"""Jobs in memory: the twin of `SqlJobStore`, over the twin of the books."""

import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from polyrelay.jobs import lifecycle
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.kernel.ids import ExchangeId
from polyrelay.ledger.escrow import JOBS
from polyrelay.ledger.meters import Meter
from polyrelay.service.bank import LeaseLost, Row
from polyrelay.service.jobs.ports import Crowded, Scope, Wanted
from polyrelay.storage.books.bank import return_to
from polyrelay.storage.books.memory_bank import BooksBroken, MemoryBank
from polyrelay.storage.delivery.memory import MemoryDeliveryStore
from polyrelay.storage.jobs import holds


@dataclass
class MemoryJobStore:
    """Implements `JobStore` for one process."""

    bank: MemoryBank
    jobs: dict[ExchangeId, Job] = field(default_factory=dict)
    deliveries: MemoryDeliveryStore | None = None
    """Learns of every end."""

    async def create(self, job: Job, meters: Sequence[Meter], most_open: int) -> None:
        """See the port."""
        if job.id in self.jobs:
            raise BooksBroken(f"job {job.id} is made twice")
        if not self.bank.live(job.keeper):
            raise LeaseLost(f"worker {job.keeper} is not live")
        found = self.bank.open_for(meters, JOBS)
        holds.set_aside(found, meters, job.held, self.bank.clock.wall())
        mine = [each for each in self.jobs.values() if each.payer.account == job.payer.account]
        if most_open and sum(not each.state.over for each in mine) >= most_open:
            raise Crowded(f"account {job.payer.account} has {most_open} open jobs")
        self.bank.write(found, JOBS)
        self.jobs[job.id] = job

    async def accept(self, job: Job) -> bool:
        """See the port."""
        return self._replace(job, (State.SUBMITTING,))

    async def note(self, keeper: str, jobs: Sequence[Job]) -> None:
        """See the port."""
        for job in jobs:
            known = self.jobs.get(job.id)
            if known is not None and known.keeper == keeper:
                self._replace(job, (State.ACCEPTED, State.RUNNING))

    async def end(self, job: Job, event: Event, row: Row) -> bool:
        """See the port."""
        if not self._is_in(job, lifecycle.origins(event)):
            return False
        self.bank.book(JOBS, holds.batch(row), [row])
        if rest := holds.left_of(job.held, row):
            found = self.bank.found(job.payer.meters, JOBS)
            return_to(found, [(meter, rest) for meter in job.payer.meters], JOBS, self.bank.clock.wall())
            self.bank.write(found, JOBS)
        if self.deliveries is not None:
            self.deliveries.ended(job, event)
        return self._replace(job, lifecycle.origins(event))

    async def unwatch(self, job: Job) -> bool:
        """See the port."""
        known = self.jobs.get(job.id)
        if known is None or not known.watched or known.state not in lifecycle.origins(Event.LATE):
            return False
        self.jobs[job.id] = msgspec.structs.replace(known, late_at=job.late_at, watched=False)
        return True

    async def claim(self, keeper: str, limit: int) -> list[Job]:
        """See the port."""
        if not self.bank.live(keeper):
            return []
        orphaned = [job for job in self.jobs.values() if job.watched and not self.bank.live(job.keeper)]
        taken = [msgspec.structs.replace(job, keeper=keeper) for job in sorted(orphaned, key=_id)[:limit]]
        self.jobs.update((job.id, job) for job in taken)
        return taken

    async def kept(self, keeper: str) -> set[ExchangeId]:
        """See the port."""
        return {job.id for job in self.jobs.values() if job.keeper == keeper and job.watched}

    async def load(self, ids: Collection[ExchangeId]) -> list[Job]:
        """See the port."""
        return [self.jobs[name] for name in ids if name in self.jobs]

    async def find(self, scope: Scope, ids: Collection[ExchangeId]) -> list[Job]:
        """See the port."""
        return [job for job in await self.load(ids) if holds.is_shown(job, scope)]

    async def page(self, scope: Scope, wanted: Wanted) -> list[Job]:
        """See the port."""
        found = sorted(self._shown(scope, wanted.kinds), key=_id, reverse=not wanted.oldest_first)
        if wanted.before is not None:
            behind = operator.gt if wanted.oldest_first else operator.lt
            found = [job for job in found if behind(job.id, wanted.before)]
        return found[wanted.offset : wanted.offset + wanted.limit]

    async def count(self, scope: Scope, kinds: Collection[Kind]) -> int:
        """See the port."""
        return len(self._shown(scope, kinds))

    async def hide(self, job: ExchangeId) -> None:
        """See the port."""
        known = self.jobs.get(job)
        if known is not None and known.state.over and not known.hidden:
            self.jobs[job] = msgspec.structs.replace(known, hidden=True)
            if self.deliveries is not None:
                self.deliveries.artefacts.thrown_away(job)

    def _shown(self, scope: Scope, kinds: Collection[Kind]) -> list[Job]:
        return [job for job in self.jobs.values() if holds.is_shown(job, scope) and (not kinds or job.kind in kinds)]

    def _replace(self, job: Job, states: Collection[State]) -> bool:
        """Keep what may change of `job`, if it is in one of `states`."""
        if not self._is_in(job, states):
            return False
        self.jobs[job.id] = msgspec.structs.replace(job, keeper=self.jobs[job.id].keeper)
        return True

    def _is_in(self, job: Job, states: Collection[State]) -> bool:
        known = self.jobs.get(job.id)
        return known is not None and known.state in states


def _id(job: Job) -> str:
    return job.id
