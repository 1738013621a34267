"""Transfers: every movement of money, as a debit of one book and a credit of another. Append-only, balanced by form.

    kind         debit            credit             what happened
    topup        cash             pot:<id>           a customer paid in
    promotion    promotions       pot:<id>           credit given away, with an end
    adjustment   adjustments      pot:<id>           the operator put something right; the other way round when taken
    refund       refunds          pot:<id>           a charge given back
    expiry       pot:<id>         expired            what was left of a promotion at its end
    charge       pot:<id>         revenue            what a batch of exchanges took from a wallet's pot
    charge       pot:<id>         budgets            ... and from a budget's: counted, no money
    write_off    write_off        revenue            what an exchange cost and no meter could cover
    cost         cost:<channel>   payable:<channel>  what the batch's upstream calls cost the operator

So a pot's `spent` is the sum of the transfers that debit it, and the `granted` of a wallet's pot the sum of those that
credit it. `revenue` is what all exchanges cost their customers, written off or not; `write_off` is what nobody paid.
"""

from enum import StrEnum

import msgspec

from polyrelay.kernel.errors import PolyrelayError


class TransferRefused(PolyrelayError):
    """The transfer cannot be made; the message says why. Nothing was moved."""


class UnknownPayer(TransferRefused):
    """No account has this id."""


class NotCharged(TransferRefused):
    """No exchange has this id, or nothing was charged for it."""


class TooMuch(TransferRefused):
    """More than is available, or than was charged, or than the books can count."""


class KeyReused(TransferRefused):
    """The idempotency key belongs to another transfer."""


class Kind(StrEnum):
    """Values of `transfers.kind`."""

    TOPUP = "topup"
    PROMOTION = "promotion"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"
    EXPIRY = "expiry"
    CHARGE = "charge"
    WRITE_OFF = "write_off"
    COST = "cost"


CASH = "cash"
PROMOTIONS = "promotions"
ADJUSTMENTS = "adjustments"
REFUNDS = "refunds"
EXPIRED = "expired"
REVENUE = "revenue"
BUDGETS = "budgets"
WRITE_OFF = "write_off"

NO_CHANNEL = "-"
"""In the names of books, when an exchange had a cost and no channel is known."""


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """One movement, before it gets an id and a time. `amount` is above 0, in nanos."""

    kind: Kind
    debit: str
    credit: str
    amount: int
    account: str | None = None
    exchange: str | None = None


def pot_book(pot: str) -> str:
    """The book of a pot."""
    return f"pot:{pot}"


def topup(pot: str, account: str, amount: int) -> Transfer:
    """Money paid in."""
    return Transfer(Kind.TOPUP, CASH, pot_book(pot), amount, account)


def promotion(pot: str, account: str, amount: int) -> Transfer:
    """Credit given away."""
    return Transfer(Kind.PROMOTION, PROMOTIONS, pot_book(pot), amount, account)


def adjustment(pot: str, account: str, amount: int) -> Transfer:
    """Into the pot, or out of it when `amount` is negative."""
    if amount < 0:
        return Transfer(Kind.ADJUSTMENT, pot_book(pot), ADJUSTMENTS, -amount, account)
    return Transfer(Kind.ADJUSTMENT, ADJUSTMENTS, pot_book(pot), amount, account)


def refund(pot: str, account: str, amount: int, exchange: str) -> Transfer:
    """A charge given back."""
    return Transfer(Kind.REFUND, REFUNDS, pot_book(pot), amount, account, exchange)


def expiry(pot: str, account: str, amount: int) -> Transfer:
    """What was left of a promotion."""
    return Transfer(Kind.EXPIRY, pot_book(pot), EXPIRED, amount, account)


def charge(pot: str, account: str, amount: int, *, budget: bool) -> Transfer:
    """What exchanges took from a pot."""
    return Transfer(Kind.CHARGE, pot_book(pot), BUDGETS if budget else REVENUE, amount, account)


def write_off(account: str, amount: int, exchange: str) -> Transfer:
    """What no meter could cover."""
    return Transfer(Kind.WRITE_OFF, WRITE_OFF, REVENUE, amount, account, exchange)


def cost(channel: str | None, amount: int) -> Transfer:
    """What an upstream takes."""
    name = channel or NO_CHANNEL
    return Transfer(Kind.COST, f"cost:{name}", f"payable:{name}", amount)
