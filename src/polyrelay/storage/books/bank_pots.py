"""Pots and slices in SQL: read under lock, decided on by `ledger.pots`, written back.

Whoever changes a slice holds the row of its worker first, and whoever changes pots their rows, in the order of ids. On
SQLite the write transaction is the lock. That what was read is still so when it is written back is also what the check
constraint `never_overdrawn` insists on.
"""

import json
from collections.abc import Iterable, Sequence

from polyrelay.ledger.meters import Meter
from polyrelay.ledger.pots import Pot, new_pot
from polyrelay.storage.sql.transaction import Dialect, Row, Tx

_COLUMNS = "p.id, p.meter, p.account_id, p.kind, p.granted, p.overdraft, p.spent, p.escrowed, p.expires_at"

_OF_METERS = f"""
SELECT {_COLUMNS}, coalesce(s.amount, 0) AS slice
FROM pots p LEFT JOIN slices s ON s.pot_id = p.id AND s.worker_id = $1
WHERE p.meter %s AND (p.kind <> 'promotion' OR p.granted > p.spent)
ORDER BY p.id
"""  # noqa: S608 - constants only

_OF_WORKER = f"""
SELECT {_COLUMNS}, s.amount AS slice
FROM slices s JOIN pots p ON p.id = s.pot_id
WHERE s.worker_id = $1
ORDER BY p.id
"""  # noqa: S608 - constants only

_EXPIRED = f"""
SELECT {_COLUMNS}, 0 AS slice
FROM pots p
WHERE p.kind = 'promotion' AND p.expires_at <= $1 AND p.granted > p.spent + p.escrowed
ORDER BY p.id
"""  # noqa: S608 - constants only

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
    among = json.dumps(names) if tx.dialect == "sqlite" else names
    sql = _OF_METERS % _AMONG[tx.dialect] + (_LOCK[tx.dialect] if lock else "")
    return _pots(await tx.fetch(sql, worker, among))


async def of_worker(tx: Tx, worker: str) -> list[Pot]:
    """Every pot the worker has a slice of, locked."""
    return _pots(await tx.fetch(_OF_WORKER + _LOCK[tx.dialect], worker))


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
    """Write down what was moved in pots and the worker's slices; a slice that is used up goes."""
    moved = sorted((pot for pot in pots if pot.touched), key=lambda pot: pot.id)
    if not moved:
        return
    await tx.many(_MOVE, [(pot.id, pot.gained - pot.charged, pot.charged + pot.direct) for pot in moved])
    sliced = [pot for pot in moved if pot.gained or pot.charged]
    kept = [(worker, pot.id, pot.sliced()) for pot in sliced if pot.sliced()]
    gone = [(worker, pot.id) for pot in sliced if not pot.sliced()]
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
