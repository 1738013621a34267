"""Pots and slices in SQL: read under lock, decided on by `ledger.pots`, written back.

Whoever changes what a worker has of a meter holds the row of that worker first, and whoever changes pots, or a slice of
one, the rows of all pots of the meter, in the order of ids. So a worker that holds these may swap slices with others:
that changes of which pots they are, not what they come to. Of the worker `jobs`, which many act for, nobody holds the
row: the pots alone are locked. On SQLite the write transaction is the lock. That what was read is still so when it is
written back is also what the check constraint `never_overdrawn` insists on.
"""

import json
from collections.abc import Iterable, Sequence

from polyrelay.ledger.escrow import JOBS
from polyrelay.ledger.meters import Meter
from polyrelay.ledger.pots import Pot, by_meter, new_pot
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Dialect, Row, Tx

_COLUMNS = "p.id, p.meter, p.account_id, p.kind, p.granted, p.overdraft, p.spent, p.escrowed, p.expires_at"

_OF_METERS = f"""
SELECT {_COLUMNS}, coalesce(s.amount, 0) AS slice
FROM pots p LEFT JOIN slices s ON s.pot_id = p.id AND s.worker_id = $1
WHERE p.meter %s AND (p.kind <> 'promotion' OR %s)
ORDER BY p.id
"""  # noqa: S608 - constants only

_METERS_OF_WORKER = "SELECT DISTINCT p.meter FROM slices s JOIN pots p ON p.id = s.pot_id WHERE s.worker_id = $1"
_OTHERS = "SELECT pot_id, worker_id, amount FROM slices WHERE pot_id {among} AND worker_id <> $2"

_EXPIRED = f"""
SELECT {_COLUMNS}, 0 AS slice
FROM pots p
WHERE p.kind = 'promotion' AND p.expires_at <= $1 AND p.granted > p.spent + p.escrowed
ORDER BY p.id
"""  # noqa: S608 - constants only

_LEFT = "p.granted > p.spent OR p.escrowed > 0"
_WAS_LEFT = "EXISTS (SELECT 1 FROM pots q WHERE q.id = p.id AND (q.granted > q.spent OR q.escrowed > 0))"
"""As the statement's snapshot has it: a pot that is used up while its lock is waited for is still told."""

_LOCK: dict[Dialect, str] = {"sqlite": "", "postgresql": "FOR UPDATE OF p"}
_AMONG: dict[Dialect, str] = {"sqlite": "IN (SELECT value FROM json_each($2))", "postgresql": "= ANY($2::text[])"}

_INSERT = """
INSERT INTO pots (id, meter, account_id, kind, granted, overdraft, spent, escrowed, ceiling, expires_at, created_at)
SELECT CAST($1 AS VARCHAR), CAST($2 AS VARCHAR), id, CAST($4 AS VARCHAR), CAST($5 AS BIGINT), 0, 0, 0,
       CAST($5 AS BIGINT), CAST($6 AS DOUBLE PRECISION), CAST($7 AS DOUBLE PRECISION)
FROM accounts WHERE id = $3
ON CONFLICT (id) DO NOTHING
"""

_MOVE = "UPDATE pots SET escrowed = escrowed + $2, spent = spent + $3 WHERE id = $1"
_KEEP_SLICE = """
INSERT INTO slices (worker_id, pot_id, amount) VALUES ($1, $2, $3)
ON CONFLICT (worker_id, pot_id) DO UPDATE SET amount = excluded.amount
"""
_DROP_SLICE = "DELETE FROM slices WHERE worker_id = $1 AND pot_id = $2"


async def of_meters(tx: Tx, meters: Iterable[str], worker: str = "", *, lock: bool = True) -> list[Pot]:
    """The pots of these meters with the worker's slices, locked to write. Promotions that are used up are left out."""
    names = sorted(set(meters))
    values = json.dumps(names) if tx.dialect == "sqlite" else names
    sql = _OF_METERS % (_AMONG[tx.dialect], _LEFT)
    if not lock or tx.dialect == "sqlite":
        return _pots(await tx.fetch(sql, worker, values))
    locking = _OF_METERS % (_AMONG[tx.dialect], _WAS_LEFT) + _LOCK[tx.dialect]
    found = _pots(await tx.fetch(locking, worker, values))
    if worker == JOBS or len({pot.meter for pot in found}) < len(found):
        # Whom a lock was waited for may have changed or swapped slices, which that statement sees as they were before.
        found = _pots(await tx.fetch(sql + _LOCK[tx.dialect], worker, values))
    return found


async def learn_others(tx: Tx, pots: Iterable[Pot], worker: str) -> None:
    """Note the slices of other workers in `pots`, which are locked, where the worker may have to swap its own."""
    shared: dict[str, Pot] = {}
    for of_meter in by_meter(pots).values():
        if any(pot.escrowed > pot.slice for pot in of_meter[:-1]):
            shared.update((pot.id, pot) for pot in of_meter)
    for row in await among.fetch(tx, _OTHERS, sorted(shared), worker):
        shared[row["pot_id"]].others[row["worker_id"]] = row["amount"]


async def of_worker(tx: Tx, worker: str) -> list[Pot]:
    """Every pot of the meters the worker has slices of, locked; which meters these are changes under its own lock."""
    meters = [row["meter"] for row in await tx.fetch(_METERS_OF_WORKER, worker)]
    return await of_meters(tx, meters, worker) if meters else []


async def expired(tx: Tx, now: float) -> list[Pot]:
    """Promotions past their end with something left that is not escrowed, locked."""
    return _pots(await tx.fetch(_EXPIRED + _LOCK[tx.dialect], now))


async def open_for(tx: Tx, meters: Sequence[Meter], worker: str, now: float) -> list[Pot]:
    """As `of_meters`; a meter without its first pot gets it, when its account exists."""
    found = await of_meters(tx, [meter.id for meter in meters], worker)
    known = {pot.id for pot in found}
    missing = {meter.id: meter for meter in meters if meter.id not in known}
    if not missing:
        return found
    limits = await _limits(tx, [meter.owner for meter in missing.values()])
    for meter in sorted(missing.values(), key=lambda meter: meter.id):
        await insert(tx, new_pot(meter, limits.get((meter.owner, meter.period))), now)
    return [pot for pot in found if pot.meter not in missing] + await of_meters(tx, missing, worker)


async def insert(tx: Tx, pot: Pot, now: float) -> bool:
    """A new pot; False when it exists, or its account does not."""
    values = (pot.id, pot.meter, pot.account, pot.kind, pot.granted, pot.expires_at, now)
    return bool(await tx.execute(_INSERT, *values))


async def write(tx: Tx, pots: Iterable[Pot], worker: str = "") -> None:
    """Write down what was moved in pots, the worker's slices and those it swapped; a slice that is used up goes."""
    moved = sorted((pot for pot in pots if pot.touched), key=lambda pot: pot.id)
    if not moved:
        return
    await tx.many(_MOVE, [(pot.id, pot.gained - pot.charged, pot.charged + pot.direct) for pot in moved])
    sliced = [(worker, pot.id, pot.sliced()) for pot in moved if pot.gained or pot.charged or pot.swapped]
    sliced += [(other, pot.id, pot.sliced_of(other)) for pot in moved for other in pot.swapped]
    kept = [each for each in sliced if each[2]]
    gone = [(owner, pot) for owner, pot, amount in sliced if not amount]
    if kept:
        await tx.many(_KEEP_SLICE, kept)
    if gone:
        await tx.many(_DROP_SLICE, gone)


async def _limits(tx: Tx, owners: Iterable[str]) -> dict[tuple[str, str], int]:
    """Amounts of budgets by owner and period, as they are now."""
    names = sorted(set(owners))
    places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    rows = await tx.fetch(f"SELECT owner, period, amount FROM budgets WHERE owner IN ({places})", *names)  # noqa: S608
    return {(row["owner"], row["period"]): row["amount"] for row in rows}


def _pots(rows: Sequence[Row]) -> list[Pot]:
    return [
        Pot(
            id=row["id"],
            meter=row["meter"],
            account=row["account_id"],
            kind=row["kind"],
            granted=row["granted"],
            overdraft=row["overdraft"],
            spent=row["spent"],
            escrowed=row["escrowed"],
            expires_at=row["expires_at"],
            slice=row["slice"],
        )
        for row in rows
    ]
