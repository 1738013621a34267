"""Posting in SQL: a batch of ended exchanges becomes rows, moves of pots and slices, transfers and roll-ups."""

import logging
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from polyrelay.ledger import posting
from polyrelay.ledger.posting import RollupKey, Settled, Sums
from polyrelay.service.bank import Batch, Row
from polyrelay.storage.books import bank_pots, transfers
from polyrelay.storage.sql import among
from polyrelay.storage.sql.transaction import Tx

logger = logging.getLogger(__name__)

WIDTHS = {
    "customer_group": 64,
    "model": 200,
    "channel": 120,
    "finish": 40,
    "error": 80,
    "label": 128,
    "billing_group": 200,
    "source": 40,
}
"""Characters of the columns whose text clients, upstreams or operators choose: PostgreSQL refuses more."""

_WIDTHS = tuple(WIDTHS.values())
_texts: Callable[[Row], tuple[str | None, ...]] = attrgetter(*WIDTHS)

TOKENS_MOST = 10**15
NANOS_MOST = 10**17
"""Of one exchange: more is an upstream's nonsense, and sums of it would pass 64 bits."""

_MOST = {"input_tokens": TOKENS_MOST, "output_tokens": TOKENS_MOST, "short": NANOS_MOST, "cost": NANOS_MOST}

COLUMNS = (
    "id", "at", "account_id", "project_id", "key_id", "customer_group", "surface", "model", "channel", "status",
    "outcome", "attempts", "seconds", "first_token", "finish", "error", "label", "billing_group", "source",
    "input_tokens", "output_tokens", "usage", "estimated", "indeterminate", "held", "amount", "write_off", "cost",
    "tariff", "tariff_version", "multiplier", "lines", "batch",
)  # fmt: skip

_PLACES = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
_EXCHANGES = f"INSERT INTO exchanges ({', '.join(COLUMNS)}) VALUES ({_PLACES})"  # noqa: S608 - constants only

_POSTED = "SELECT id FROM exchanges WHERE id {among}"

_KEY = "account_id, project_id, key_id, model, channel"
_SUMS = ("requests", "failures", "input_tokens", "output_tokens", "amount", "cost", "write_off", "seconds")


def _adding(table: str, time: str) -> str:
    """SQL that adds sums to those of the same key: see `_rollup`."""
    places = ", ".join(f"${number}" for number in range(1, 15))
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _SUMS)
    return f"""
INSERT INTO {table} ({time}, {_KEY}, {", ".join(_SUMS)}) VALUES ({places})
ON CONFLICT ({time}, {_KEY}) DO UPDATE SET {sums}
"""  # noqa: S608 - constants only


_ROLLUPS = _adding("rollups", "hour")
_DAYS = _adding("days", "day")


async def post(tx: Tx, worker: str, batch: Batch) -> int:
    """Write the batch of a worker whose row is locked; nanos written off. Raises as `book`."""
    return await book(tx, worker, batch_name(worker, batch), batch.rows)


async def book(tx: Tx, worker: str, name: str, given: Sequence[Row]) -> int:
    """Write rows whose charges the worker's slices cover, marked as batch `name`; nanos written off.

    Raises `Conflict`, at the latest when the transaction ends, for an exchange that was posted before.
    """
    rows = [fitting(row) for row in await _unposted(tx, given)]
    if not rows:
        return 0
    now = await tx.now()
    meters = posting.meters_of(rows)
    found = await bank_pots.of_meters(tx, meters, worker) if meters else []
    await bank_pots.learn_others(tx, found, worker)
    result = posting.post(rows, found, now)
    report(name, result.uncovered)
    await tx.many(_EXCHANGES, [_values(each, name) for each in result.settled])
    await bank_pots.write(tx, found, worker)
    await transfers.insert(tx, result.transfers, now, actor=worker, batch=name)
    await tx.many(_ROLLUPS, [_rollup(key, sums) for key, sums in result.rollups.items()])
    await tx.many(_DAYS, [_rollup(key, sums) for key, sums in posting.daily(result.rollups).items()])
    return result.written_off


async def _unposted(tx: Tx, rows: Sequence[Row]) -> Sequence[Row]:
    """Without the indeterminate ones that are in the books: see `Bank.post`."""
    doubtful = [row.id for row in rows if row.indeterminate]
    posted = {found["id"] for found in await among.fetch(tx, _POSTED, doubtful)}
    return [row for row in rows if not (row.indeterminate and row.id in posted)] if posted else rows


def batch_name(worker: str, batch: Batch) -> str:
    """What rows and transfers of a batch are marked with."""
    return f"{worker}:{batch.segment}:{batch.start}"


def report(batch: str, uncovered: int) -> None:
    """Tell the operator when slices did not cover what they were said to."""
    if uncovered:
        logger.error(
            "batch %s: slices lack %d nanos of what was charged; taken from the meters, or else written off",
            batch,
            uncovered,
        )


def fitting(row: Row) -> Row:
    """The row as its columns can hold it: foreign texts cut and without NUL, absurd figures bounded.

    One row that the database refuses would stop the settler for ever.
    """
    if _fits(row):
        return row
    changes: dict[str, Any] = {}
    for name, width in WIDTHS.items():
        text = getattr(row, name)
        if text and (len(text) > width or "\0" in text):
            changes[name] = text.replace("\0", "")[:width]
    changes.update((name, most) for name, most in _MOST.items() if (getattr(row, name) or 0) > most)
    return msgspec.structs.replace(row, **changes)


def _fits(row: Row) -> bool:
    """Whether nothing is to be changed: nearly always."""
    for text, width in zip(_texts(row), _WIDTHS, strict=True):
        if text and (len(text) > width or "\0" in text):
            return False
    return not (
        row.input_tokens > TOKENS_MOST
        or row.output_tokens > TOKENS_MOST
        or row.short > NANOS_MOST
        or (row.cost or 0) > NANOS_MOST
    )


def _values(each: Settled[Row], batch: str) -> Sequence[Any]:
    """In the order of `COLUMNS`."""
    row = each.row
    return (
        row.id, row.at, row.account_id, row.project_id, row.key_id, row.customer_group, row.surface, row.model,
        row.channel, row.status, row.outcome, row.attempts, row.seconds, row.first_token, row.finish, row.error,
        row.label, row.billing_group, row.source, row.input_tokens, row.output_tokens, row.usage,
        int(row.estimated), int(row.indeterminate), row.held, each.amount, each.write_off, row.cost,
        row.tariff, row.tariff_version, row.multiplier, row.lines, batch,
    )  # fmt: skip


def _rollup(key: RollupKey, sums: Sums) -> Sequence[Any]:
    return (
        *key, sums.requests, sums.failures, sums.input_tokens, sums.output_tokens,
        sums.amount, sums.cost, sums.write_off, sums.seconds,
    )  # fmt: skip
