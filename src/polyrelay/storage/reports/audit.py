"""The audit in SQL: sums that must agree are subtracted in the database, and what remains is judged by `ledger.audit`.

All of it is one read transaction, so that running relays neither wait nor are seen half-way. Journals are read within
it: what is appended meanwhile is behind the position the transaction sees, and counts as not posted.
"""

from collections.abc import Callable, Iterator, Sequence

from polyrelay.ledger import audit
from polyrelay.ledger.audit import Bill, Findings, Flow, Offence, PotSums, Stand, Transcribed
from polyrelay.storage.reports import audit_jobs, retention, workers
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Row, Tx

Journals = Callable[[], tuple[Sequence[Transcribed], Sequence[Offence]]]
"""Reads the journals of this machine; offences are those that could not be read."""

PAGE = 2000
"""Exchanges whose lines are read at a time: a few megabytes."""

_FLOWS = """
SELECT kind, debit, credit, account_id, count(*) AS number, sum(amount) AS total, min(amount) AS smallest
FROM transfers GROUP BY kind, debit, credit, account_id ORDER BY kind, debit, credit
"""
_POTS = """
SELECT p.id, p.account_id, p.kind, p.granted, p.overdraft, p.spent, p.escrowed, p.ceiling,
    coalesce(s.amount, 0) AS sliced
FROM pots p LEFT JOIN (SELECT pot_id, sum(amount) AS amount FROM slices GROUP BY pot_id) s ON s.pot_id = p.id
ORDER BY p.id
"""
_SLICES = """
SELECT s.worker_id, s.pot_id, s.amount, w.state FROM slices s LEFT JOIN workers w ON w.id = s.worker_id
WHERE w.state IS NULL OR w.state = 'closed' OR s.amount < 0 ORDER BY s.worker_id, s.pot_id
"""
_BILLS = """
SELECT id, held, amount, write_off, indeterminate, multiplier, lines FROM exchanges
WHERE id > $1 ORDER BY id LIMIT $2
"""
_BATCHES = """
SELECT batch, account_id, sum(charged) AS charged, sum(written_off) AS written_off FROM (
    SELECT batch, account_id, coalesce(amount, 0) AS charged, write_off AS written_off, CAST(NULL AS DOUBLE PRECISION)
        AS posted_at FROM exchanges
    UNION ALL
    SELECT batch, account_id, -amount, 0, at FROM transfers WHERE kind = 'charge' AND credit <> 'budgets'
    UNION ALL
    SELECT batch, account_id, 0, -amount, at FROM transfers WHERE kind = 'write_off'
) AS moves
GROUP BY batch, account_id
HAVING (sum(charged) <> 0 OR sum(written_off) <> 0) AND (min(posted_at) IS NULL OR min(posted_at) >= $1)
ORDER BY batch, account_id
"""
_COSTS = """
SELECT batch, sum(cost) AS cost FROM (
    SELECT batch, coalesce(cost, 0) AS cost, CAST(NULL AS DOUBLE PRECISION) AS posted_at FROM exchanges
    UNION ALL
    SELECT batch, -amount, at FROM transfers WHERE kind = 'cost'
) AS moves
GROUP BY batch HAVING sum(cost) <> 0 AND (min(posted_at) IS NULL OR min(posted_at) >= $1) ORDER BY batch
"""
_ACCOUNTS = """
SELECT account_id, sum(charged) AS charged, sum(written_off) AS written_off FROM (
    SELECT account_id, amount AS charged, write_off AS written_off FROM rollups
    UNION ALL
    SELECT account_id, -amount, 0 FROM transfers WHERE kind = 'charge' AND credit <> 'budgets'
    UNION ALL
    SELECT account_id, 0, -amount FROM transfers WHERE kind = 'write_off'
) AS moves
GROUP BY account_id HAVING sum(charged) <> 0 OR sum(written_off) <> 0 ORDER BY account_id
"""
_WHOSE = "account_id, project_id, key_id, model, channel"
_SUMS = ("requests", "failures", "input_tokens", "output_tokens", "amount", "cost", "write_off")
_HOUR = {"sqlite": "CAST(at / 3600 AS INTEGER)", "postgresql": "CAST(floor(at / 3600) AS BIGINT)"}


def _differences(time: str, sums: str, parts: str) -> str:
    """SQL for what is not 0 of `sums` and their `parts`, whose figures are negative; $1 is `SECONDS_SLACK`."""
    keys = f"{time}, {_WHOSE}"
    return f"""
SELECT {keys}, {", ".join(f"sum({name}) AS {name}" for name in _SUMS)},
    sum(seconds) AS seconds, sum(abs(seconds)) AS magnitude
FROM (SELECT {keys}, {", ".join(_SUMS)}, seconds FROM {sums} UNION ALL {parts}) AS sums
GROUP BY {keys}
HAVING {" OR ".join(f"sum({name}) <> 0" for name in _SUMS)} OR abs(sum(seconds)) > $1 * (1 + sum(abs(seconds)))
ORDER BY {keys}
"""  # noqa: S608 - constants only


_HOURS = _differences(
    "hour",
    "rollups WHERE hour >= $2",
    """SELECT {hour}, account_id, coalesce(project_id, ''), key_id, model, coalesce(channel, ''),
        -1, -(CASE WHEN status >= 400 THEN 1 ELSE 0 END), -input_tokens, -output_tokens,
        -coalesce(amount, 0), -coalesce(cost, 0), -write_off, -seconds
    FROM exchanges WHERE at >= $3""",
)
_DAYS = _differences(
    "day",
    "days",
    f"SELECT hour / 24, {_WHOSE}, {', '.join(f'-{name}' for name in _SUMS)}, -seconds FROM rollups",  # noqa: S608
)
_REFUNDS = """
SELECT t.exchange, sum(t.amount) AS refunded, max(e.amount) AS charged FROM transfers t
LEFT JOIN exchanges e ON e.id = t.exchange
WHERE t.kind = 'refund' AND (e.id IS NOT NULL OR t.exchange >= $1) GROUP BY t.exchange
"""
_STANDS = "SELECT id, state, segment, position FROM workers"
_POSTED = "SELECT id FROM exchanges WHERE id {among}"


async def prove(tx: Tx, journals: Journals) -> Findings:
    """Look at everything. `journals` blocks for as long as it reads files."""
    findings = Findings(kept_since=await retention.kept_since(tx))
    await _transfers_and_pots(tx, findings)
    for row in await tx.fetch(_SLICES):
        findings.take(audit.slice_of(row["worker_id"], row["pot_id"], row["amount"], row["state"]))
    await _charges(tx, findings)
    await _sums(tx, findings)
    await _rollups(tx, findings)
    await audit_jobs.prove(tx, findings)
    await _journals(tx, findings, journals)
    return findings


async def _transfers_and_pots(tx: Tx, findings: Findings) -> None:
    flows = [_flow(row) for row in await tx.fetch(_FLOWS)]
    pots = await tx.fetch(_POTS)
    findings.count("transfers", sum(flow.number for flow in flows))
    findings.count("pots", len(pots))
    findings.books = audit.books(flows)
    findings.take(audit.transfers(flows, {row["id"]: (row["account_id"], row["kind"]) for row in pots}))
    credited, debited = dict[str, int](), dict[str, int]()
    for flow in flows:
        credited[flow.credit] = credited.get(flow.credit, 0) + flow.total
        debited[flow.debit] = debited.get(flow.debit, 0) + flow.total
    for row in pots:
        book = f"pot:{row['id']}"
        findings.take(audit.pot(_pot(row, credited.get(book, 0), debited.get(book, 0))))


async def _charges(tx: Tx, findings: Findings) -> None:
    findings.count("exchanges", 0)
    after = ""
    while rows := await tx.fetch(_BILLS, after, PAGE):
        for row in rows:
            findings.take(audit.charge(_bill(row)))
        findings.count("exchanges", len(rows))
        after = rows[-1]["id"]


async def _sums(tx: Tx, findings: Findings) -> None:
    since = findings.kept_since
    for row in await tx.fetch(_BATCHES, since):
        off = audit.batch(row["batch"], row["account_id"], int(row["charged"]), int(row["written_off"]), 0)
        findings.take(off)
    for row in await tx.fetch(_COSTS, since):
        findings.take(audit.batch(row["batch"], None, 0, 0, int(row["cost"])))
    for row in await tx.fetch(_ACCOUNTS):
        findings.take(audit.account(str(row["account_id"]), int(row["charged"]), int(row["written_off"])))
    for row in await tx.fetch(_REFUNDS, retention.first_id(since)):
        findings.take(audit.refund(row["exchange"], int(row["refunded"]), row["charged"]))


async def _rollups(tx: Tx, findings: Findings) -> None:
    first = int(findings.kept_since // retention.HOUR_SECONDS)
    sql = _HOURS.format(hour=_HOUR[tx.dialect])
    for row in await tx.fetch(sql, audit.SECONDS_SLACK, first, findings.kept_since):
        findings.take(_rollup(row, "hour", "exchanges"))
    for row in await tx.fetch(_DAYS, audit.SECONDS_SLACK):
        findings.take(_rollup(row, "day", "hours"))
    for table in ("rollups", "days"):
        counted = await tx.fetch(f"SELECT count(*) AS number FROM {table}")  # noqa: S608 - constants only
        findings.count(table, counted[0]["number"])


def _rollup(row: Row, time: str, parts: str) -> Iterator[Offence]:
    subject = " ".join(str(row[name]) or "-" for name in (time, *_WHOSE.split(", ")))
    differences = {name: int(row[name]) for name in _SUMS}
    return audit.rollup(f"{time} {subject}", differences, row["seconds"], row["magnitude"], parts)


async def _journals(tx: Tx, findings: Findings, journals: Journals) -> None:
    stands = {row["id"]: Stand(row["state"], row["segment"], row["position"]) for row in await tx.fetch(_STANDS)}
    found, offences = journals()
    findings.take(offences)
    findings.count("journals", len(found))
    here = {each.worker for each in found} | {offence.subject for offence in offences}
    for left in await workers.not_closed(tx):
        if left.lease <= 0 and left.standing.worker not in here:
            findings.take([audit.missing(left.standing.worker, left.standing.machine, left.escrowed)])
    for each in found:
        stand = stands.get(each.worker, audit.UNKNOWN)
        posted = {row["id"] for row in await among.fetch(tx, _POSTED, [end.exchange for end in each.ends])}
        findings.take(audit.journal(each, stand, posted.__contains__, findings.kept_since))
        findings.unposted.append(audit.unposted(each, stand))


def _flow(row: Row) -> Flow:
    return Flow(
        row["kind"],
        row["debit"],
        row["credit"],
        row["account_id"],
        row["number"],
        int(row["total"]),
        row["smallest"],
    )


def _pot(row: Row, credited: int, debited: int) -> PotSums:
    return PotSums(
        row["id"],
        row["kind"],
        row["granted"],
        row["overdraft"],
        row["spent"],
        row["escrowed"],
        row["ceiling"],
        credited,
        debited,
        int(row["sliced"]),
    )


def _bill(row: Row) -> Bill:
    return Bill(
        row["id"],
        row["held"],
        row["amount"],
        row["write_off"],
        bool(row["indeterminate"]),
        row["multiplier"],
        row["lines"],
    )
