"""Reports on the books as documents, for the command line and the control plane: money in decimal strings, times in
RFC 3339. A charge's own document is `administration.charges`; usage added up is `administration.usage`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from polyrelay.kernel import money
from polyrelay.ledger.audit import Findings
from polyrelay.ledger.statement import Deduction, Line, Statement
from polyrelay.service.administration import times
from polyrelay.service.administration.charges import Charge

Document = dict[str, Any]


def audit(found: Findings) -> Document:
    """What an audit looked at and found. `hidden` counts offences of a rule beyond those that are named."""
    return {
        "clean": found.clean,
        "checked": found.checked,
        "offences": [asdict(offence) for offence in found.offences],
        "hidden": found.hidden,
        "books": [
            {
                "book": book.name,
                "debits": money.show(book.debits),
                "credits": money.show(book.credits),
                "balance": money.show(book.credits - book.debits),
            }
            for book in found.books
        ],
        "unposted": [asdict(each) | {"amount": money.show(each.amount)} for each in found.unposted],
        "kept_since": times.text(found.kept_since) if found.kept_since else None,
    }


def statement(found: Statement, account: Mapping[str, str]) -> Document:
    """A month of an account, which has `id`, `name` and `zone`. `opening` and the lines' amounts make `closing`."""
    return {
        "account": dict(account),
        "month": found.month,
        "from": times.text(found.start),
        "until": times.text(found.end),
        "opening": money.show(found.opening),
        "closing": money.show(found.closing),
        "totals": {kind: money.show(total) for kind, total in sorted(found.totals.items())},
        "lines": [_line(line) for line in found.lines],
    }


def _line(line: Line) -> Document:
    return {
        "day": line.day or None,
        "at": times.optional(line.at),
        "kind": line.kind,
        "text": line.text,
        "requests": line.requests,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "amount": money.show(line.amount),
        "balance": money.show(line.balance),
    }


def deductions(page: Sequence[Deduction], following: str | None) -> Document:
    """A page of an account's deductions, the newest first; `next` is `after` of the next page, null on the last."""
    return {"data": [deduction(each) for each in page], "next": following}


def deduction(found: Deduction) -> Document:
    """One entry: `first` and `last` are the ids of the exchanges it begins and ends with."""
    return asdict(found) | {
        "models": list(found.models),
        "amount": money.show(found.amount),
        "since": times.text(found.since),
        "until": times.text(found.until),
    }


def explained(charge: Charge) -> list[tuple[str, str]]:
    """How the lines of a charge become what was charged: labels and values, in the order one works it out."""
    found: list[tuple[str, str]] = [("tariff", f"{charge.tariff or 'none'}, version {charge.tariff_version or 'none'}")]
    due = None
    if charge.lines is not None:
        exact = sum((Decimal(line["amount"]) for line in charge.lines), Decimal(0))
        found += [("multiplier", charge.multiplier or "1"), ("sum of the lines", f"{exact:f}")]
    elif charge.amount is not None:
        found.append(("no lines", "what was used had no price, so the hold was charged"))
    if charge.amount is not None:
        due = money.show(money.amount(charge.amount) + money.amount(charge.write_off))
        found.append(("due, rounded half to even", due))
        found.append(("written off", charge.write_off))
    found.append(("charged", charge.amount or "nothing"))
    found.append(("held before", charge.held))
    found.append(("usage", _source(charge)))
    if charge.indeterminate:
        found.append(("indeterminate", "its worker died before it ended: charged at most its hold"))
    return found


def _source(charge: Charge) -> str:
    """Where its usage is from."""
    if charge.amount is None:
        return "none"
    if charge.estimated:
        return "estimated"
    return "as the upstream states it" if charge.lines is not None else "nothing that has a price was stated"
