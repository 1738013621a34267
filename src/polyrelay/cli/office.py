"""What the commands about accounts and money share: the office they work in, and how it names its visitors."""

import asyncio
import getpass
import hashlib
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from polyrelay.cli import options, output
from polyrelay.kernel import money
from polyrelay.kernel.money import NotMoney
from polyrelay.service.administration import desk, pages, refusals
from polyrelay.service.administration.desk import Desk, Errand, Made
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import Away, Kind, Office, Record, Session
from polyrelay.state.generation import Generation
from polyrelay.storage.administration.office import SqlOffice
from polyrelay.storage.secrecy import custody
from polyrelay.storage.sql.database import Database, DatabaseAway, opened

T = TypeVar("T")

MOST = 2**53
"""The largest whole number that every JSON reader keeps exactly (RFC 8259 section 6)."""

PAGE = pages.USUAL
ANY_VERSION = "*"
"""Who types a command means the thing as it is now."""

IdempotencyKey = Annotated[
    str | None, typer.Option("--idempotency-key", help="Do it once, however often it is run with this key.")
]
Reason = Annotated[str, typer.Option(help="Why, for the books.")]
Limit = Annotated[int, typer.Option(min=1, max=pages.MOST, help="Rows of a page.")]
After = Annotated[str | None, typer.Option(help="Go on behind the page that named this as `next`.")]


def within(where: options.Store, use: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Run `use` on the database, made on first use. A database that does not answer ends the command."""

    async def run() -> T:
        async with opened(where.url, where.data) as database:
            made = await custody.establish(where.data, database)
            if made.created:
                output.note(f"Made {made.path}. Back it up together with the database.")
            return await use(database)

    try:
        return asyncio.run(run())
    except (Away, DatabaseAway) as error:
        output.complain(str(error))
        raise typer.Exit(output.Exit.FAILED) from error


def read(where: options.Store, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
    """What `work` finds, on one consistent view."""
    return within(where, lambda database: SqlOffice(database).read(work))


def perform(
    where: options.Store,
    work: Callable[[Desk], Coroutine[Any, Any, Made]],
    *,
    words: Sequence[str] = (),
    key: str | None = None,
    repeatable: bool = False,
) -> Any:
    """Carry out a change, written into the audit log; the document of what came of it, None when nothing is left.

    Running relays of this machine follow at their next request. With a `key` it is done once; `words` are all that the
    command says, so that the key cannot be used for another. `repeatable` makes a key when none is given.
    """
    named = key or (secrets.token_hex(16) if repeatable else None)
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    errand = Errand(f"cli:{getpass.getuser()}", "cli", digest, named, ANY_VERSION)

    async def carry_out(database: Database) -> bytes:
        with closing(Generation.open(where.data)) as generation:
            office: Office = SqlOffice(database, lambda: generation.bump("keys"))
            return (await desk.perform(office, errand, work)).body

    body = within(where, carry_out)
    return msgspec.json.decode(body) if body else None


async def account_named(session: Session, name: str) -> Record:
    """The account of that name or id. Raises `Missing`."""
    found = await session.get(Kind.ACCOUNTS, name)
    rows = [found] if found is not None else await session.find(Kind.ACCOUNTS, Page(1).query({"name": name}))
    if not rows:
        raise refusals.missing("account", name)
    return rows[0]


def amount(text: str, *, signed: bool = False) -> int:
    """Nanos of a decimal number on the command line. Raises `typer.BadParameter`."""
    try:
        return money.amount(text, signed=signed)
    except NotMoney as error:
        raise typer.BadParameter(str(error)) from error


def cells(document: dict[str, Any], columns: Sequence[str]) -> list[str]:
    """The values of some members as they stand in a table."""
    return [_cell(document.get(column)) for column in columns]


def page(listing: dict[str, Any], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a page of a list: its `data` as a table, and how to go on; or all of it as JSON."""
    if as_json:
        output.document(listing)
        return
    output.table(columns, [cells(row, columns) for row in listing["data"]])
    if listing["next"] is not None:
        output.note(f"There is more: --after {listing['next']}")


def rows(document: dict[str, Any]) -> list[list[str]]:
    """All members, one a row; members of members by their path."""
    found: list[list[str]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            found += [[f"{name}.{inner}", text] for inner, text in rows(value)]
        else:
            found.append([name, _cell(value)])
    return found


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return "" if value is None else str(value)
