"""Deliveries, artefacts and their bytes in memory: the twins of the SQL stores and of the places."""

import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import Artefact, State
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.ports import Absent, Draft
from polyrelay.service.webhooks import ports
from polyrelay.service.webhooks.ports import Attempt, Claim, Delivery, Result, chosen
from polyrelay.storage.delivery import outbox
from polyrelay.storage.delivery.outbox import Stores, nothing_stored

PIECE_BYTES = 64 * 1024


@dataclass
class KeptDelivery:
    """A row and its log."""

    delivery: Delivery
    next_at: float | None
    state: ports.State = ports.State.PENDING
    finished_at: float | None = None
    attempts: dict[int, Attempt] = field(default_factory=dict)


@dataclass
class KeptArtefact:
    """A row."""

    artefact: Artefact
    next_at: float | None
    error: str | None = None


@dataclass
class MemoryArtefactStore:
    """Implements `ArtefactStore` for one process."""

    clock: Clock
    rows: dict[str, KeptArtefact] = field(default_factory=dict)

    async def claim(self, limit: int, lease: float) -> list[Artefact]:
        """See the port."""
        now = self.clock.wall()
        due = sorted((at, name) for name, row in self.rows.items() if (at := row.next_at) is not None and at <= now)
        for _, name in due[:limit]:
            row = self.rows[name]
            row.next_at = now + lease
            row.artefact = msgspec.structs.replace(row.artefact, attempts=row.artefact.attempts + 1)
        return [self.rows[name].artefact for _, name in due[:limit]]

    async def conclude(self, artefact: Artefact, next_at: float | None, error: str | None) -> None:
        """See the port."""
        row = self.rows.get(artefact.id)
        if row is None or row.artefact.state is not State.WANTED or row.artefact.attempts != artefact.attempts:
            return
        self.rows[artefact.id] = KeptArtefact(artefact, next_at, error)

    async def stored(self, jobs: Collection[ExchangeId]) -> list[Artefact]:
        """See the port."""
        found = [row.artefact for row in self.rows.values() if row.artefact.job in jobs]
        return [each for each in found if each.state is State.STORED]

    async def find(self, name: str) -> Artefact | None:
        """See the port."""
        return self.rows[name].artefact if name in self.rows else None

    async def expired(self, limit: int) -> list[ExchangeId]:
        """See the port."""
        now = self.clock.wall()
        rows = (row.artefact for row in self.rows.values())
        over = sorted((at, each.job) for each in rows if (at := each.expires_at) is not None and at < now)
        return list(dict.fromkeys(job for _, job in over))[:limit]

    async def forget(self, jobs: Collection[ExchangeId]) -> None:
        """See the port."""
        self.rows = {name: row for name, row in self.rows.items() if row.artefact.job not in jobs}

    def thrown_away(self, job: ExchangeId) -> None:
        """See `outbox.thrown_away`."""
        rows = [row for row in self.rows.values() if row.artefact.job == job and row.artefact.state is not State.FAILED]
        until = max([self.clock.wall(), *[row.next_at for row in rows if row.next_at is not None]])
        for row in rows:
            row.artefact = msgspec.structs.replace(row.artefact, state=State.FAILED, expires_at=until)
            row.next_at = None

    def waits(self, job: ExchangeId) -> bool:
        """Whether something of a job is still to be fetched."""
        return any(row.next_at is not None for row in self.rows.values() if row.artefact.job == job)


@dataclass
class MemoryDeliveryStore:
    """Implements `DeliveryStore` for one process."""

    clock: Clock
    artefacts: MemoryArtefactStore
    stores: Stores = nothing_stored
    rows: dict[str, KeptDelivery] = field(default_factory=dict)

    def ended(self, job: Job, event: Event) -> None:
        """See `outbox.ended`."""
        now = self.clock.wall()
        if (url := outbox.caller(job, event)) is not None:
            name = outbox.delivery_id(job.id)
            self.rows[name] = KeptDelivery(Delivery(name, job.id, job.payer.account, job.payer.key, url, 0), now)
        for number, medium in enumerate(outbox.wanted(job, event, self.stores)):
            name = artefacts.identify(job.id, number)
            made = Artefact(id=name, job=job.id, account=job.payer.account, slot=medium.slot, state=State.WANTED)
            self.artefacts.rows[name] = KeptArtefact(made, now)

    async def claim(self, claim: Claim) -> list[Delivery]:
        """See the port."""
        now = self.clock.wall()
        due = sorted(
            (at, name)
            for name, row in self.rows.items()
            if (at := row.next_at) is not None and at <= now and not self.artefacts.waits(row.delivery.job)
        )
        taken = chosen([(name, self.rows[name].delivery.account) for _, name in due], claim)
        for name in taken:
            row = self.rows[name]
            row.next_at = now + claim.lease
            row.delivery = msgspec.structs.replace(row.delivery, attempts=row.delivery.attempts + 1)
        return [self.rows[name].delivery for name in taken]

    async def conclude(self, delivery: Delivery, attempt: Attempt, result: Result) -> None:
        """See the port."""
        row = self.rows.get(delivery.id)
        if row is None:
            return
        row.attempts.setdefault(delivery.attempts, attempt)
        if row.state is ports.State.PENDING and row.delivery.attempts == delivery.attempts:
            row.state, row.next_at = result.state, result.next_at
            row.finished_at = None if result.state is ports.State.PENDING else self.clock.wall()

    async def prune(self, seconds: float) -> int:
        """See the port."""
        before = self.clock.wall() - seconds
        over = [name for name, row in self.rows.items() if row.finished_at is not None and row.finished_at < before]
        for name in over:
            del self.rows[name]
        return len(over)


@dataclass
class MemoryPlace:
    """Implements `Place` for one process."""

    name: str = "memory"
    things: dict[tuple[ExchangeId, str], bytes] = field(default_factory=dict)

    @asynccontextmanager
    async def draft(self, job: ExchangeId) -> AsyncIterator[Draft]:
        """See the port."""
        yield _MemoryDraft(self, job)

    async def read(self, job: ExchangeId, digest: str, start: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        whole = self.things.get((job, digest))
        if whole is None:
            raise Absent(f"{digest} of job {job} is not kept")
        for first in range(start, start + length, PIECE_BYTES):
            yield whole[first : min(first + PIECE_BYTES, start + length)]

    async def delete(self, job: ExchangeId) -> None:
        """See the port."""
        self.things = {key: data for key, data in self.things.items() if key[0] != job}

    async def tidy(self, seconds: float) -> None:
        """See the port: no draft outlives its process."""


class _MemoryDraft:
    """Implements `Draft`."""

    def __init__(self, place: MemoryPlace, job: ExchangeId) -> None:
        self._place = place
        self._job = job
        self._data = bytearray()

    async def write(self, data: bytes) -> None:
        """See the port."""
        self._data += data

    async def keep(self) -> tuple[int, str]:
        """See the port."""
        digest = hashlib.sha256(self._data).hexdigest()
        self._place.things[self._job, digest] = bytes(self._data)
        return len(self._data), digest
