"""`polyrelay ledger`: the proof of the books, statements, and putting things right."""

import csv
import sys
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from polyrelay.cli import journals, office, options, output
from polyrelay.cli.accounts import Account
from polyrelay.cli.topup import tell
from polyrelay.config import tariffs
from polyrelay.ledger.audit import Findings
from polyrelay.ledger.statement import By
from polyrelay.service import reports
from polyrelay.service.administration import payments
from polyrelay.service.administration.desk import Desk, Made
from polyrelay.storage.administration.session import SqlSession
from polyrelay.storage.reports import audit as proof
from polyrelay.storage.reports import onlooker, statements
from polyrelay.storage.sql.database import Database
from polyrelay.storage.sql.transaction import Tx

ledger = typer.Typer(no_args_is_help=True, help="Prove the books, print statements, adjust and refund.")
ledger.command("journals")(journals.journals)
ledger.command("give-up")(journals.give_up)

BOOK_COLUMNS = ("book", "debits", "credits", "balance")
UNPOSTED_COLUMNS = ("worker", "state", "exchanges", "amount", "in_flight")
OFFENCE_COLUMNS = ("rule", "subject", "detail")
LINE_COLUMNS = ("day", "kind", "text", "requests", "input_tokens", "output_tokens", "amount", "balance")


@ledger.command()
def audit(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Add everything up again, journals included, while relays run. Exit code 1 when the books are not right."""
    where = options.store(config, data)

    async def prove(database: Database) -> Findings:
        return await database.read(lambda tx: proof.prove(tx, lambda: onlooker.read(where.data)))

    found = reports.audit(office.within(where, prove))
    if as_json:
        output.document(found)
    else:
        _tell_audit(found)
    if not found["clean"]:
        raise typer.Exit(output.Exit.FAILED)


def _tell_audit(found: dict[str, Any]) -> None:
    output.table(BOOK_COLUMNS, [office.cells(book, BOOK_COLUMNS) for book in found["books"]])
    if found["unposted"]:
        output.table(UNPOSTED_COLUMNS, [office.cells(each, UNPOSTED_COLUMNS) for each in found["unposted"]])
    looked = ", ".join(f"{number} {name}" for name, number in found["checked"].items())
    if found["clean"]:
        output.line(f"The books are right: {looked}.")
        return
    output.table(OFFENCE_COLUMNS, [office.cells(each, OFFENCE_COLUMNS) for each in found["offences"]])
    for rule, number in found["hidden"].items():
        output.line(f"{rule}: {number} more")
    output.line(f"The books are NOT right. Looked at {looked}.")


@ledger.command()
def statement(
    account: Account,
    *,
    month: Annotated[str | None, typer.Option(help="Such as 2026-11; default: this month.")] = None,
    by: Annotated[Literal["day", "model"], typer.Option(help="What charges are added up by.")] = "day",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Print a month of an account: what it had, what came in, what was charged, what is left."""
    if as_csv and as_json:
        raise typer.BadParameter("name one of --csv and --json")
    grouping: By = by

    async def find(tx: Tx) -> dict[str, Any]:
        owner = await office.account_named(SqlSession(tx), account)
        zone = tariffs.zone(owner["zone"])
        wanted = month or f"{datetime.fromtimestamp(await tx.now(), zone):%Y-%m}"
        try:
            made = await statements.of_month(tx, owner["id"], wanted, zone, grouping)
        except ValueError as error:
            raise typer.BadParameter(f"{month!r} is not a month such as 2026-11") from error
        return reports.statement(made, {name: owner[name] for name in ("id", "name", "zone")})

    async def ask(database: Database) -> dict[str, Any]:
        return await database.read(find)

    found = office.within(options.store(config, data), ask)
    if as_json:
        output.document(found)
        return
    rows = [office.cells(line, LINE_COLUMNS) for line in found["lines"]]
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([LINE_COLUMNS, *_framed(found, rows)])
    else:
        output.line(f"Account {found['account']['name']} ({found['account']['id']}), {found['month']}")
        output.table(LINE_COLUMNS, _framed(found, rows))


def _framed(found: dict[str, Any], rows: list[list[str]]) -> list[list[str]]:
    """The lines between the balances they lead from and to."""
    blank = [""] * (len(LINE_COLUMNS) - 3)
    return [["", "opening", *blank, found["opening"]], *rows, ["", "closing", *blank, found["closing"]]]


@ledger.command(context_settings={"ignore_unknown_options": True})
def adjust(
    account: Account,
    amount: Annotated[str, typer.Argument(help="A decimal number; negative to take.")],
    *,
    reason: office.Reason,
    idempotency_key: office.IdempotencyKey = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Put a balance right. What is taken is at most what is available."""
    nanos = office.amount(amount, signed=True)

    async def move(at: Desk) -> Made:
        found = await office.account_named(at.session, account)
        return await payments.adjust(at, found["id"], nanos, reason)

    words = ("adjust", account, amount, reason)
    made = office.perform(options.store(config, data), move, words=words, key=idempotency_key, repeatable=True)
    tell(made, as_json=as_json)


@ledger.command()
def refund(
    charge_id: Annotated[str, typer.Argument(help="The id of the exchange, as `charges list` shows it.")],
    amount: Annotated[str, typer.Argument(help="A decimal number; over all refunds at most what was charged.")],
    *,
    reason: office.Reason,
    idempotency_key: office.IdempotencyKey = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Give a charge back, or a part of it."""
    nanos = office.amount(amount)
    words = ("refund", charge_id, amount, reason)
    made = office.perform(
        options.store(config, data),
        lambda at: payments.refund(at, charge_id, nanos, reason),
        words=words,
        key=idempotency_key,
        repeatable=True,
    )
    tell(made, as_json=as_json)
