"""Money that an operator moves: balanced transfers, each made once for its idempotency key, with actor and reason."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from polyrelay.kernel import money
from polyrelay.ledger import transfer
from polyrelay.service.administration import accounts, pages, refusals, times
from polyrelay.service.administration.accounts import Balance
from polyrelay.service.administration.desk import Desk, Made, created, shown
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Kind, Movement, Purpose, Record, Session


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of money from the book `debit` to the book `credit`; `amount` a decimal string above 0."""

    id: str
    at: str
    kind: str
    debit: str
    credit: str
    amount: str
    account: str | None
    exchange: str | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transfer, and what the account has after it."""

    transfer: Transfer
    balance: Balance


async def topup(desk: Desk, account: str, amount: int, reason: str) -> Made:
    """Money paid in; `amount` in nanos."""
    return await _move(desk, lambda purpose: desk.session.topup(account, amount, purpose), reason)


async def promote(desk: Desk, account: str, amount: int, expires_at: float, reason: str) -> Made:
    """Credit given away until `expires_at` (Unix seconds)."""
    return await _move(desk, lambda purpose: desk.session.promote(account, amount, expires_at, purpose), reason)


async def adjust(desk: Desk, account: str, amount: int, reason: str) -> Made:
    """Put something right; a negative amount takes what is there, never more."""
    return await _move(desk, lambda purpose: desk.session.adjust(account, amount, purpose), reason)


async def refund(desk: Desk, exchange: str, amount: int, reason: str) -> Made:
    """Give back up to what was charged for an exchange."""
    return await _move(desk, lambda purpose: desk.session.refund(exchange, amount, purpose), reason)


async def set_overdraft(desk: Desk, account: str, overdraft: int) -> Made:
    """How far below zero the wallet may go, in nanos. Lowered, it binds from the next request on."""
    await accounts.find(desk.session, account)
    before = await accounts.balance_document(desk.session, account)
    try:
        await desk.session.set_overdraft(account, overdraft)
    except transfer.TransferRefused as error:
        raise _refused(error) from error
    after = await accounts.balance_document(desk.session, account)
    await desk.audit("overdraft.set", "account", account, before, after)
    return shown(after)


async def listed(
    session: Session, page: Page, account: str | None, kind: str | None, exchange: str | None
) -> pages.Listing[Transfer]:
    """Transfers, the newest first. See `pages.sparse` for those of one kind and all accounts."""
    where = {"account_id": account, "kind": kind, "exchange": exchange}
    query = page.query(where, newest_first=True)
    served = {} if account is None and exchange is None else query.where
    return await pages.sparse(session, Kind.TRANSFERS, query, page, served, _of_row)


async def one(session: Session, transfer_id: str) -> Made:
    """A transfer. Raises `Missing`."""
    row = await session.get(Kind.TRANSFERS, transfer_id)
    if row is None:
        raise refusals.missing("transfer", transfer_id)
    return shown(_of_row(row))


async def _move(desk: Desk, move: Callable[[Purpose], Coroutine[Any, Any, Movement]], reason: str) -> Made:
    key = desk.errand.key
    if key is None:
        raise refusals.Malformed(
            "Moving money needs an Idempotency-Key, so that it is done once.",
            code="idempotency_key_required",
            flaws=(refusals.Flaw("is missing", header="Idempotency-Key"),),
        )
    try:
        moved = await move(Purpose(desk.errand.actor, reason, f"{desk.errand.actor}:{key}"))
    except transfer.TransferRefused as error:
        raise _refused(error) from error
    account = moved.account or ""
    receipt = Receipt(_document(moved), await accounts.balance_document(desk.session, account))
    await desk.audit(f"money.{moved.kind}", "account", account, None, receipt)
    return created(receipt, f"/transfers/{moved.id}")


def _refused(error: transfer.TransferRefused) -> refusals.Refused:
    match error:
        case transfer.UnknownPayer():
            return refusals.invalid(str(error), "account")
        case transfer.NotCharged():
            return refusals.invalid(str(error), "exchange")
        case transfer.KeyReused():
            return refusals.Invalid(str(error), code="idempotency_key_reused")
        case _:
            return refusals.Conflicting(str(error), code="not_transferable")


def _document(moved: Movement) -> Transfer:
    return Transfer(
        id=moved.id,
        at=times.text(moved.at),
        kind=moved.kind,
        debit=moved.debit,
        credit=moved.credit,
        amount=money.show(moved.amount),
        account=moved.account,
        exchange=moved.exchange,
        actor=moved.actor,
        reason=moved.reason,
    )


def _of_row(row: Record) -> Transfer:
    return Transfer(
        id=row["id"],
        at=times.text(row["at"]),
        kind=row["kind"],
        debit=row["debit"],
        credit=row["credit"],
        amount=money.show(row["amount"]),
        account=row["account_id"],
        exchange=row["exchange"],
        actor=row["actor"],
        reason=row["reason"],
    )
