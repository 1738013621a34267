"""`polyrelay topup`: money into an account."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

from polyrelay.cli import office, options, output
from polyrelay.cli.accounts import Account
from polyrelay.config import tariffs
from polyrelay.service.administration import payments
from polyrelay.service.administration.desk import Desk, Made

LAST_DAY = date(9998, 12, 31)
"""So that its end is a date in every time zone."""


def topup(
    account: Account,
    amount: Annotated[str, typer.Argument(help="A decimal number, in the instance's currency.")],
    *,
    promotion: Annotated[bool, typer.Option("--promotion", help="Credit that is given, not paid; needs --expires.")] = (
        False
    ),
    expires: Annotated[
        str | None, typer.Option(help="Until the end of this day (2026-12-31) by the account's clock.")
    ] = None,
    reason: office.Reason = "",
    idempotency_key: office.IdempotencyKey = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Put money into an account, or give it promotion credit, which is spent before money that lasts longer."""
    nanos = office.amount(amount)
    if promotion != (expires is not None):
        raise typer.BadParameter("--promotion and --expires go together")
    day = None if expires is None else _day(expires)

    async def pay(at: Desk) -> Made:
        found = await office.account_named(at.session, account)
        if day is None:
            return await payments.topup(at, found["id"], nanos, reason)
        return await payments.promote(at, found["id"], nanos, _end(day, found["zone"]), reason)

    words = ("topup", account, amount, str(day), reason)
    made = office.perform(options.store(config, data), pay, words=words, key=idempotency_key, repeatable=True)
    tell(made, as_json=as_json)


def tell(receipt: dict[str, Any], *, as_json: bool) -> None:
    """Say what was moved, and what the account has now."""
    if as_json:
        output.document(receipt)
        return
    moved, balance = receipt["transfer"], receipt["balance"]
    sign = "-" if moved["debit"].startswith("pot:") else ""
    output.line(f"{moved['id']}: {moved['kind']} of {sign}{moved['amount']} for account {moved['account']}.")
    output.line(f"It has {balance['own']} now, of which {balance['available']} is available.")


def _day(text: str) -> date:
    try:
        return min(date.fromisoformat(text), LAST_DAY)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-12-31") from error


def _end(day: date, zone: str) -> float:
    """When the day ends by a clock in `zone`, Unix seconds."""
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=tariffs.zone(zone)).timestamp()
