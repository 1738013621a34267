"""The books in SQLite or PostgreSQL, as workers use them: the port `service.bank.Bank`."""

import logging
from collections.abc import Sequence

from polyrelay.kernel.ids import KeyId
from polyrelay.ledger import pots, transfer
from polyrelay.ledger.escrow import JOBS
from polyrelay.ledger.pots import Pot
from polyrelay.service.bank import BankAway, Batch, Enrolment, LeaseLost, Posted, Standing, Taken, Want
from polyrelay.storage.access import keys
from polyrelay.storage.books import bank_post, bank_pots, transfers
from polyrelay.storage.sql.transaction import Database, DatabaseAway, DatabaseFault, Dialect, Row, T, Tx, Work

logger = logging.getLogger(__name__)

RECALLS_KEPT_SECONDS = 3600.0
"""Workers ask what was recalled some times a second; one that did not for an hour has lost its lease."""

TICK_SECONDS = 1e-6
"""Between two recalls, so that no reader takes one for another."""

EXPIRY_ACTOR = "expiry"

LIVE, SUSPENSE, CLOSED = "live", "suspense", "closed"
"""States of a worker."""

_ENROL = """
INSERT INTO workers (id, machine, journal, pid, state, segment, position, lease_until, started_at)
VALUES ($1, $2, $3, $4, 'live', 0, 0, $5, $6)
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until WHERE workers.state = 'live'
"""
_RENEW = "UPDATE workers SET lease_until = $2, state = 'live' WHERE id = $1 AND state <> 'closed'"
_SUSPEND = "UPDATE workers SET state = 'suspense' WHERE id = $1 AND state = 'live' AND lease_until <= $2"
_ADVANCE = "UPDATE workers SET segment = $2, position = 0 WHERE id = $1 AND segment < $2 AND state <> 'closed'"
_STAND = "UPDATE workers SET segment = $2, position = $3 WHERE id = $1"
_CLOSE = "UPDATE workers SET state = 'closed' WHERE id = $1"
_STANDING = "SELECT id, machine, journal, state, segment, position FROM workers WHERE id = $1"
_ORPHANS = """
SELECT id, machine, journal, state, segment, position FROM workers
WHERE state <> 'closed' AND lease_until <= $1 ORDER BY id
"""
_LOCKED: dict[Dialect, str] = {"sqlite": _STANDING, "postgresql": _STANDING + " FOR NO KEY UPDATE"}
"""Not against keys: another worker that holds the pots may give this one its first slice of one (see `pots`)."""
_SLICES = """
SELECT p.meter AS meter, sum(s.amount) AS amount FROM slices s JOIN pots p ON p.id = s.pot_id
WHERE s.worker_id = $1 GROUP BY p.meter
"""
_RECALL = """
INSERT INTO recalls (meter, asked_at) VALUES ($1, $2) ON CONFLICT (meter) DO UPDATE SET asked_at = excluded.asked_at
"""


_HELD_EXPIRED = f"""
SELECT DISTINCT p.meter AS meter FROM slices s JOIN pots p ON p.id = s.pot_id JOIN workers w ON w.id = s.worker_id
WHERE p.kind = 'promotion' AND p.expires_at <= $1 AND w.state = 'live' AND w.id <> '{JOBS}'
"""  # noqa: S608 - constants only


class OutOfOrder(DatabaseFault):
    """A batch begins beyond what is posted, so one between them is missing: a defect, never to be guessed over."""


class SqlBank:
    """Implements `Bank`. Every method raises `BankAway` when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enrol(self, enrolment: Enrolment, lease: float) -> None:
        """See the port. Again is no error."""

        async def work(tx: Tx) -> None:
            now = await tx.now()
            values = (enrolment.worker, enrolment.machine, enrolment.journal, enrolment.pid, now + lease, now)
            await tx.execute(_ENROL, *values)

        await self._write(work)

    async def renew(self, worker: str, lease: float) -> None:
        """See the port."""

        async def work(tx: Tx) -> None:
            if not await tx.execute(_RENEW, worker, await tx.now() + lease):
                raise lost(worker)

        await self._write(work)

    async def take(self, worker: str, wants: Sequence[Want]) -> list[Taken]:
        """See the port. Wants of one meter are met in their order."""

        async def work(tx: Tx) -> list[Taken]:
            if (await _locked(tx, worker)).state != LIVE:
                raise lost(worker)
            now = await tx.now()
            found = await bank_pots.open_for(tx, [want.meter for want in wants], worker, now)
            taken = take_from(found, wants, now)
            await bank_pots.write(tx, found, worker)
            return taken

        return await self._write(work) if wants else []

    async def give_back(self, worker: str, amounts: Sequence[tuple[str, int]]) -> None:
        """See the port. More than there is returns what there is."""

        async def work(tx: Tx) -> None:
            await _locked(tx, worker)
            found = await bank_pots.of_meters(tx, [meter for meter, _ in amounts], worker)
            return_to(found, amounts, worker, await tx.now())
            await bank_pots.write(tx, found, worker)

        if amounts:
            await self._write(work)

    async def slices(self, worker: str) -> dict[str, int]:
        """See the port."""

        async def work(tx: Tx) -> dict[str, int]:
            return {row["meter"]: int(row["amount"]) for row in await tx.fetch(_SLICES, worker)}

        return await self._read(work)

    async def recall(self, meters: Sequence[str]) -> None:
        """See the port."""

        async def work(tx: Tx) -> None:
            if tx.dialect == "postgresql":
                # One after the other, or a reader could see the later one first and never ask for the earlier.
                await tx.execute("LOCK TABLE recalls IN SHARE ROW EXCLUSIVE MODE")
            latest = (await tx.fetch("SELECT max(asked_at) AS at FROM recalls"))[0]["at"] or 0.0
            now = max(await tx.now(), latest + TICK_SECONDS)
            await tx.execute("DELETE FROM recalls WHERE asked_at < $1", now - RECALLS_KEPT_SECONDS)
            await tx.many(_RECALL, [(meter, now) for meter in sorted(set(meters))])

        if meters:
            await self._write(work)

    async def recalled(self, since: float) -> tuple[float, list[str]]:
        """See the port."""

        async def work(tx: Tx) -> tuple[float, list[str]]:
            rows = await tx.fetch("SELECT meter, asked_at FROM recalls WHERE asked_at > $1 ORDER BY meter", since)
            return max([since, *[row["asked_at"] for row in rows]]), [row["meter"] for row in rows]

        return await self._read(work)

    async def post(self, worker: str, batch: Batch, *, close: bool = False) -> Posted:
        """See the port.

        Raises:
            LeaseLost: there is no such worker, or it is closed and the batch was not posted before.
            OutOfOrder: the batch begins beyond what is posted.
            Conflict: one of its exchanges was posted before, from elsewhere.
        """

        async def work(tx: Tx) -> Posted:
            standing = await _locked(tx, worker)
            written_off, stand = 0, (standing.segment, standing.position)
            if is_due(standing, batch):
                written_off, stand = await bank_post.post(tx, worker, batch), (batch.segment, batch.end)
                await tx.execute(_STAND, worker, *stand)
                await keys.mark_used(tx, {KeyId(row.key_id): row.at for row in batch.rows})
            if close and stand == (batch.segment, batch.end):
                await _close(tx, worker)
            return Posted(*stand, written_off)

        return await self._write(work)

    async def advance(self, worker: str, segment: int) -> None:
        """See the port. Without effect when the bank stands in that segment, or beyond."""

        async def work(tx: Tx) -> None:
            await tx.execute(_ADVANCE, worker, segment)

        await self._write(work)

    async def standing(self, worker: str) -> Standing | None:
        """See the port."""

        async def work(tx: Tx) -> Standing | None:
            rows = await tx.fetch(_STANDING, worker)
            return _standing(rows[0]) if rows else None

        return await self._read(work)

    async def orphans(self) -> list[Standing]:
        """See the port."""

        async def work(tx: Tx) -> list[Standing]:
            return [_standing(row) for row in await tx.fetch(_ORPHANS, await tx.now())]

        return await self._read(work)

    async def suspend(self, worker: str) -> None:
        """See the port. Without effect on a worker that renewed its lease meanwhile."""

        async def work(tx: Tx) -> None:
            await tx.execute(_SUSPEND, worker, await tx.now())

        await self._write(work)

    async def expire(self) -> int:
        """See the port."""

        async def work(tx: Tx) -> tuple[int, list[str]]:
            now = await tx.now()
            found = await bank_pots.expired(tx, now)
            moves = lapse(found)
            await bank_pots.write(tx, found)
            await transfers.insert(tx, moves, now, actor=EXPIRY_ACTOR)
            held = [row["meter"] for row in await tx.fetch(_HELD_EXPIRED, now)]
            return sum(move.amount for move in moves), held

        taken, held = await self._write(work)
        await self.recall(held)
        return taken

    async def _write(self, work: Work[T]) -> T:
        try:
            return await self._database.write(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error

    async def _read(self, work: Work[T]) -> T:
        try:
            return await self._database.read(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error


# ── decisions both adapters share ────────────────────────────────────────────────────────────────────────────────


def take_from(found: Sequence[Pot], wants: Sequence[Want], now: float) -> list[Taken]:
    """Move what is wanted into the slices of `found`."""
    grouped = pots.by_meter(found)
    taken = []
    for want in wants:
        of_meter = grouped.get(want.meter.id, [])
        amount = pots.take(of_meter, want.least, want.most, want.cushion, now)
        taken.append(Taken(want.meter.id, amount, pots.available(of_meter, now), pots.escrowed(of_meter)))
    return taken


def return_to(found: Sequence[Pot], amounts: Sequence[tuple[str, int]], worker: str, now: float) -> None:
    """Move amounts out of the slices of `found`, as far as they reach, at `now` (Unix seconds)."""
    grouped = pots.by_meter(found)
    for meter, amount in amounts:
        returned = pots.give_back(grouped.get(meter, []), amount, now)
        if returned < amount:
            logger.error("worker %s gives back %d nanos of %s, and holds %d", worker, amount, meter, returned)


def lapse(found: Sequence[Pot]) -> list[transfer.Transfer]:
    """Spend what expired pots have left."""
    for pot in found:
        pot.direct = pot.granted - pot.spent - pot.escrowed
    return [transfer.expiry(pot.id, pot.account, pot.direct) for pot in found]


def is_due(standing: Standing, batch: Batch) -> bool:
    """Whether the batch is the next one; not when it was posted before. Raises as `SqlBank.post` does."""
    start, stand = (batch.segment, batch.start), (standing.segment, standing.position)
    if start > stand:
        raise OutOfOrder(f"worker {standing.worker}: a batch begins at {start}, but posted is only up to {stand}")
    if start < stand:
        return False
    if standing.state == CLOSED and batch.end > batch.start:
        raise lost(standing.worker)
    return standing.state != CLOSED


def lost(worker: str) -> LeaseLost:
    """What to raise for a worker that is not live."""
    return LeaseLost(f"worker {worker} is not live any more")


async def _locked(tx: Tx, worker: str) -> Standing:
    """The worker, locked: nobody else changes its position or what it has of a meter. Raises `LeaseLost` for none."""
    rows = await tx.fetch(_LOCKED[tx.dialect], worker)
    if not rows:
        raise lost(worker)
    return _standing(rows[0])


def _standing(row: Row) -> Standing:
    return Standing(row["id"], row["machine"], row["journal"], row["state"], row["segment"], row["position"])


async def _close(tx: Tx, worker: str) -> None:
    found = await bank_pots.of_worker(tx, worker)
    for pot in found:
        pot.gained = -pot.slice
    await bank_pots.write(tx, found, worker)
    await tx.execute(_CLOSE, worker)
