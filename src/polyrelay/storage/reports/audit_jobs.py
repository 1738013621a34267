"""The audit of jobs in SQL: each beside its exchange, and the holds of open ones beside the slices they are in."""

import msgspec

from polyrelay.jobs import lifecycle
from polyrelay.jobs.lifecycle import OPEN, Move, State
from polyrelay.ledger import audit_jobs
from polyrelay.ledger.audit import Findings
from polyrelay.ledger.audit_jobs import JobStand
from polyrelay.ledger.escrow import JOBS
from polyrelay.storage.sql.transaction import Row, Tx

PAGE = 2000
"""Jobs that are looked at at a time."""

_JOBS = """
SELECT j.id, j.state, j.finished_at, j.held, j.meters, e.id AS exchange, e.amount, e.held AS booked
FROM jobs j LEFT JOIN exchanges e ON e.id = j.id WHERE j.id > $1 ORDER BY j.id LIMIT $2
"""
_SLICES = """
SELECT p.meter, sum(s.amount) AS amount FROM slices s JOIN pots p ON p.id = s.pot_id
WHERE s.worker_id = $1 GROUP BY p.meter
"""
_PAID = frozenset(edge.to for edge in lifecycle.TABLE if edge.money is Move.POST)

_meters = msgspec.json.Decoder(list[str]).decode


async def prove(tx: Tx, findings: Findings) -> None:
    """Look at every job."""
    held: dict[str, int] = {}
    findings.count("jobs", 0)
    after = ""
    while rows := await tx.fetch(_JOBS, after, PAGE):
        for row in rows:
            findings.take(audit_jobs.job(_stand(row), findings.kept_since))
            for meter in _meters(row["meters"]) if State(row["state"]) in OPEN else ():
                held[meter] = held.get(meter, 0) + row["held"]
        findings.count("jobs", len(rows))
        after = rows[-1]["id"]
    sliced = {row["meter"]: int(row["amount"]) for row in await tx.fetch(_SLICES, JOBS)}
    findings.take(audit_jobs.holds(sliced, held))


def _stand(row: Row) -> JobStand:
    state = State(row["state"])
    return JobStand(
        row["id"],
        state.value,
        state in OPEN,
        state in _PAID,
        row["finished_at"],
        row["held"],
        row["exchange"] is not None,
        row["amount"] is not None,
        row["booked"] or 0,
    )
