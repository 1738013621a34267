"""The money an operator moves: each function is one balanced transfer within a transaction that the caller opens.

A move with an idempotency key is made once: again with the same key and content it returns the first transfer. The
kinds, and the books they move money between, are those of `ledger.transfer`; so are the errors.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from polyrelay.kernel import ids, money
from polyrelay.ledger import meters, pots, transfer
from polyrelay.ledger.pots import MOST, Pot
from polyrelay.ledger.transfer import KeyReused, Kind, NotCharged, TooMuch, Transfer, TransferRefused, UnknownPayer
from polyrelay.storage.books import bank_pots
from polyrelay.storage.sql.transaction import Dialect, Tx

_INSERT = """
INSERT INTO transfers
    (id, at, kind, debit, credit, amount, account_id, exchange, batch, actor, reason, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_CLAIM = _INSERT + "ON CONFLICT (idempotency_key) DO NOTHING"
_FIRST = """
SELECT id, at, kind, debit, credit, amount, account_id, exchange, actor, reason FROM transfers
WHERE idempotency_key = $1
"""
_CHARGED: dict[Dialect, str] = {
    "sqlite": "SELECT account_id, amount FROM exchanges WHERE id = $1",
    "postgresql": "SELECT account_id, amount FROM exchanges WHERE id = $1 FOR UPDATE",
}
_REFUNDED = "SELECT coalesce(sum(amount), 0) AS amount FROM transfers WHERE exchange = $1 AND kind = 'refund'"
_SPEND = "UPDATE pots SET spent = spent + $2 WHERE id = $1"
_LIMIT = "UPDATE pots SET granted = $2, overdraft = $3, ceiling = $4 WHERE id = $1"


class Note(msgspec.Struct, frozen=True):
    """Who moves the money, why, and under which idempotency key."""

    actor: str
    reason: str = ""
    key: str | None = None


class Moved(msgspec.Struct, frozen=True):
    """A transfer as it is in the books."""

    id: str
    at: float
    kind: str
    debit: str
    credit: str
    amount: int
    account_id: str | None
    exchange: str | None
    actor: str
    reason: str


class Promise(msgspec.Struct, frozen=True):
    """A promotion: nanos left, those escrowed included, and when they end (Unix seconds)."""

    pot: str
    left: int
    expires_at: float | None


class Balance(msgspec.Struct, frozen=True):
    """An account's money in nanos. `available` may be taken now, the overdraft included; `escrowed` is with workers.

    `own` is what the customer has: everything granted and not spent, negative when the overdraft is used.
    """

    account: str
    available: int
    escrowed: int
    own: int
    overdraft: int
    promotions: Sequence[Promise]


async def topup(tx: Tx, account: str, amount: int, note: Note) -> Moved:
    """Put paid money into the wallet. Raises `UnknownPayer`, `TooMuch`, `KeyReused`."""
    return await _grant(tx, transfer.topup(_wallet(account), account, amount), note)


async def promote(tx: Tx, account: str, amount: int, expires_at: float, note: Note) -> Moved:
    """Give credit that ends at `expires_at` (Unix seconds) and is spent before everything that ends later.

    Raises as `topup` does, and `TransferRefused` when it would have ended by now.
    """
    now = await tx.now()
    pot = f"promotion:{_id(now)}"
    moved, first = await _claim(tx, transfer.promotion(pot, account, amount), note, now)
    if not first:
        rows = await tx.fetch("SELECT expires_at FROM pots WHERE id = $1", moved.credit.removeprefix("pot:"))
        if rows[0]["expires_at"] != expires_at:
            raise _reused(note)
        return moved
    if expires_at <= now:
        raise TransferRefused("a promotion must end in the future")
    made = Pot(pot, _wallet(account), account, "promotion", amount, 0, 0, 0, expires_at)
    if not await bank_pots.insert(tx, made, now):
        raise _unknown(account)
    return moved


async def adjust(tx: Tx, account: str, amount: int, note: Note) -> Moved:
    """Put something right in the wallet's main pot. A negative amount takes what is available there, never more.

    Raises as `topup` does.
    """
    move = transfer.adjustment(_wallet(account), account, amount)
    if amount >= 0:
        return await _grant(tx, move, note)
    now = await tx.now()
    moved, first = await _claim(tx, move, note, now)
    if first:
        pot = await _main(tx, account, now)
        if pot.available(now) < -amount:
            raise TooMuch(f"only {money.show(pot.available(now))} can be taken from {pot.id}")
        await tx.execute(_SPEND, pot.id, -amount)
    return moved


async def refund(tx: Tx, exchange: str, amount: int, note: Note) -> Moved:
    """Give back up to what was charged for an exchange, over all its refunds, to the wallet's main pot.

    Raises `NotCharged`, and as `topup` does.
    """
    # The exchange's row is the lock that refunds of it wait for.
    rows = await tx.fetch(_CHARGED[tx.dialect], exchange)
    if not rows or not rows[0]["amount"]:
        raise NotCharged(f"nothing was charged for {exchange!r}")
    account, charged = rows[0]["account_id"], rows[0]["amount"]
    before = int((await tx.fetch(_REFUNDED, exchange))[0]["amount"])
    now = await tx.now()
    moved, first = await _claim(tx, transfer.refund(_wallet(account), account, amount, exchange), note, now)
    if first:
        if before + amount > charged:
            raise TooMuch(
                f"{money.show(charged)} was charged for {exchange}, and {money.show(before)} of it given back before"
            )
        await _raise(tx, account, amount, now)
    return moved


async def set_overdraft(tx: Tx, account: str, overdraft: int) -> None:
    """How far (nanos) the wallet may go below zero. Lowered, it binds later takes. Raises `UnknownPayer`, `TooMuch`."""
    pot = await _main(tx, account, await tx.now())
    await _limit(tx, pot, pot.granted, overdraft)


async def set_limit(tx: Tx, meter: str, limit: int) -> None:
    """The new amount of a budget, in the period of `meter`. Without effect when nothing was taken in it yet.

    Lowered below what is spent and escrowed, it binds later takes. Raises `TooMuch`.
    """
    for pot in await bank_pots.of_meters(tx, [meter]):
        if pot.kind == "budget":
            await _limit(tx, pot, limit, pot.overdraft)


async def balance(tx: Tx, account: str) -> Balance:
    """What an account has. Of an unknown one, nothing."""
    now = await tx.now()
    found = pots.spending_order(await bank_pots.of_meters(tx, [_wallet(account)], lock=False))
    promotions = [
        Promise(pot.id, _own(pot, now), pot.expires_at) for pot in found if pot.kind == "promotion" and _own(pot, now)
    ]
    return Balance(
        account=account,
        available=pots.available(found, now),
        escrowed=pots.escrowed(found),
        own=sum(_own(pot, now) for pot in found),
        overdraft=sum(pot.overdraft for pot in found),
        promotions=promotions,
    )


async def insert(tx: Tx, moves: Sequence[Transfer], at: float, *, actor: str, batch: str | None = None) -> None:
    """Write transfers that nobody asks for twice: those of a batch, which is posted once."""
    if moves:
        await tx.many(_INSERT, [_values(_id(at), at, move, Note(actor), batch) for move in moves])


async def _grant(tx: Tx, move: Transfer, note: Note) -> Moved:
    now = await tx.now()
    moved, first = await _claim(tx, move, note, now)
    if first and move.account is not None:
        await _raise(tx, move.account, move.amount, now)
    return moved


async def _claim(tx: Tx, move: Transfer, note: Note, now: float) -> tuple[Moved, bool]:
    """The transfer under the note's key, and whether it was written just now. Whoever comes second waits here."""
    if not 0 < move.amount <= MOST:
        raise TransferRefused(f"{money.show(move.amount)} is no amount to move")
    made = _id(now)
    if await tx.execute(_CLAIM, *_values(made, now, move, note, None)):
        return Moved(made, now, *_content(move), note.actor, note.reason), True
    row = (await tx.fetch(_FIRST, note.key))[0]
    first = Moved(*[row[name] for name in Moved.__struct_fields__])
    same = move.kind is Kind.PROMOTION or first.credit == move.credit
    sides = (first.kind, first.debit, first.amount, first.account_id, first.exchange)
    if not same or sides != (move.kind.value, move.debit, move.amount, move.account, move.exchange):
        raise _reused(note)
    return first, False


async def _main(tx: Tx, account: str, now: float) -> Pot:
    """The wallet's main pot, locked, made when missing."""
    found = await bank_pots.open_for(tx, [meters.wallet(account)], "", now)
    pot = next((pot for pot in found if pot.id == _wallet(account)), None)
    if pot is None:
        raise _unknown(account)
    return pot


async def _raise(tx: Tx, account: str, amount: int, now: float) -> None:
    pot = await _main(tx, account, now)
    await _limit(tx, pot, pot.granted + amount, pot.overdraft)


async def _limit(tx: Tx, pot: Pot, granted: int, overdraft: int) -> None:
    if not (0 <= granted <= MOST and 0 <= overdraft <= MOST):
        raise TooMuch(f"a limit of {pot.id} must be between 0 and {money.show(MOST)}")
    await tx.execute(_LIMIT, pot.id, granted, overdraft, pots.ceiling(granted, overdraft, pot.spent + pot.escrowed))


def _own(pot: Pot, now: float) -> int:
    over = pot.expires_at is not None and pot.expires_at <= now
    return pot.escrowed if over else pot.granted - pot.spent


def _content(move: Transfer) -> tuple[str, str, str, int, str | None, str | None]:
    return (move.kind.value, move.debit, move.credit, move.amount, move.account, move.exchange)


def _values(made: str, at: float, move: Transfer, note: Note, batch: str | None) -> tuple[Any, ...]:
    return (made, at, *_content(move), batch, note.actor, note.reason, note.key)


def _wallet(account: str) -> str:
    return meters.wallet(account).id


def _id(now: float) -> str:
    return ids.stamped("tr_", int(now * 1000), secrets.token_bytes(ids.ENTROPY_BYTES))


def _unknown(account: str) -> UnknownPayer:
    return UnknownPayer(f"no account has the id {account!r}")


def _reused(note: Note) -> KeyReused:
    return KeyReused(f"the idempotency key {note.key!r} was used for another transfer")
