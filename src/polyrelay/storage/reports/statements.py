"""Rows for an account's statement and its deductions."""

from collections.abc import Sequence
from datetime import tzinfo

from polyrelay.ledger import statement
from polyrelay.ledger.statement import By, Charged, Deduction, Merging, Move, Statement, Use
from polyrelay.storage.sql.transaction import Row, Tx

PAGE = 500
"""Charges read at a time while they are merged."""

_MOVES_OF = """
account_id = $1 AND kind <> 'charge' AND kind IN ('topup', 'promotion', 'adjustment', 'refund', 'expiry')
"""
"""That they are no charges, of which there are many, is said apart, because an index is over what is none."""

_OPENING = f"""
SELECT coalesce(sum(CASE WHEN credit LIKE 'pot:%' THEN amount ELSE -amount END), 0) AS amount FROM transfers
WHERE {_MOVES_OF} AND at < $2
"""  # noqa: S608 - constants only
_MOVES = f"""
SELECT at, kind, credit, amount, exchange, reason FROM transfers
WHERE {_MOVES_OF} AND at >= $2 AND at < $3 ORDER BY id
"""  # noqa: S608 - constants only
_CHARGED_BEFORE = "SELECT coalesce(sum(amount), 0) AS amount FROM rollups WHERE account_id = $1 AND hour < $2"
_USES = """
SELECT hour, model, sum(requests) AS requests, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    sum(amount) AS amount
FROM rollups WHERE account_id = $1 AND hour >= $2 AND hour < $3 GROUP BY hour, model
"""
_CHARGED = """
SELECT id, at, model, amount, input_tokens, output_tokens, billing_group, source FROM exchanges
WHERE account_id = $1 AND id < $2 AND amount IS NOT NULL ORDER BY id DESC LIMIT $3
"""
_BEHIND_ALL = "py"
"""Above every id of an exchange: they begin with `px_`."""


async def of_month(tx: Tx, account: str, month: str, zone: tzinfo, by: By) -> Statement:
    """The statement of an account for a month such as `2026-11`, in its zone. Raises ValueError: no such month."""
    start, end = statement.month(month, zone)
    first, last = statement.first_hour(start), statement.first_hour(end)
    booked = int((await tx.fetch(_OPENING, account, start))[0]["amount"])
    charged = int((await tx.fetch(_CHARGED_BEFORE, account, first))[0]["amount"])
    moves = [_move(row) for row in await tx.fetch(_MOVES, account, start, end)]
    uses = [_use(row) for row in await tx.fetch(_USES, account, first, last)]
    return statement.make(month, zone, booked - charged, moves, uses, by)


async def deductions(
    tx: Tx, account: str, limit: int, after: str | None = None
) -> tuple[Sequence[Deduction], str | None]:
    """Up to `limit` entries of an account, the newest first, and `after` of the next page; None on the last.

    An entry is never cut: the next page begins behind the first charge of the last entry.
    """
    found: list[Deduction] = []
    merging, behind = Merging(), after or _BEHIND_ALL
    while len(found) <= limit and (rows := await tx.fetch(_CHARGED, account, behind, PAGE)):
        found += [done for row in rows if (done := merging.take(_charged(row))) is not None]
        behind = rows[-1]["id"]
    if len(found) <= limit and (rest := merging.end()) is not None:
        found.append(rest)
    page = found[:limit]
    return page, page[-1].first if len(found) > limit else None


def _move(row: Row) -> Move:
    amount = row["amount"] if row["credit"].startswith("pot:") else -row["amount"]
    return Move(row["at"], row["kind"], amount, row["reason"] or row["exchange"] or "")


def _use(row: Row) -> Use:
    sums = (int(row[name]) for name in ("requests", "input_tokens", "output_tokens", "amount"))
    return Use(row["hour"], row["model"], *sums)


def _charged(row: Row) -> Charged:
    return Charged(
        row["id"],
        row["at"],
        row["model"],
        row["amount"],
        row["input_tokens"],
        row["output_tokens"],
        row["billing_group"],
        row["source"],
    )
