"""`polyrelay webhooks`: whom the relay called, and what receivers check its calls with."""

from typing import Annotated, Any

import msgspec
import typer

from polyrelay.cli import office, options, output
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.administration import refusals
from polyrelay.service.administration import webhooks as use_cases
from polyrelay.service.administration.pages import Listing, Page
from polyrelay.service.administration.ports import Kind, Session
from polyrelay.service.administration.webhooks import Delivery, Filter
from polyrelay.service.webhooks import page
from polyrelay.storage.delivery import outbox
from polyrelay.storage.secrecy.derived import DerivedSecrets
from polyrelay.storage.sql.database import Database

webhooks = typer.Typer(no_args_is_help=True, help="List calls to customers' addresses, and show their secrets.")

COLUMNS = ("id", "job", "state", "attempts", "url", "next_at", "finished_at")
LOG_COLUMNS = ("number", "at", "status", "seconds", "error")

Job = Annotated[str | None, typer.Argument(help="Only of this job (px_...), with a line for each attempt.")]
State = Annotated[str | None, typer.Option(help="Only pending, delivered or failed ones.")]


@webhooks.command("list")
def list_deliveries(
    job: Job = None,
    *,
    account: Annotated[str | None, typer.Option(help="Only of this account, by its name or id.")] = None,
    state: State = None,
    limit: office.Limit = office.PAGE,
    after: office.After = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List deliveries, the newest first; of one job, every attempt."""
    where = options.store(config, data)
    if job is not None:
        _tell(office.read(where, lambda session: _of_job(session, job)), as_json=as_json)
        return

    async def find(session: Session) -> Listing[Delivery]:
        owner = None if account is None else (await office.account_named(session, account))["id"]
        return await use_cases.listed(session, Page(limit, after), Filter(None, owner, None, state))

    listing = msgspec.to_builtins(office.read(where, find))
    office.page(listing, COLUMNS, as_json=as_json)


@webhooks.command()
def secret(
    key: Annotated[str, typer.Argument(help="The id of the key, key_...")],
    *,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show what calls for the jobs of a key are signed with. It is a secret: give it to the key's owner alone.

    The owner can ask for it too: GET /v1/webhooks/secret with the key.
    """
    where = options.store(config, data)
    enabled = options.settings(config).webhooks.enabled

    async def find(database: Database) -> dict[str, Any]:
        found = await DerivedSecrets(where.data, database).of(key)
        if found is None:
            raise refusals.missing("key that is not revoked", key)
        return page.document(found, enabled=enabled)

    document = office.within(where, find)
    if as_json:
        output.document(document)
    else:
        output.line(document["secret"])


async def _of_job(session: Session, job: str) -> Delivery:
    row = await session.get(Kind.DELIVERIES, outbox.delivery_id(ExchangeId(job)))
    if row is None:
        raise refusals.missing("webhook of job", job)
    return await use_cases.explained(session, row)


def _tell(delivery: Delivery, *, as_json: bool) -> None:
    document: dict[str, Any] = msgspec.to_builtins(delivery)
    if as_json:
        output.document(document)
        return
    output.table(COLUMNS, [office.cells(document, COLUMNS)])
    output.table(LOG_COLUMNS, [office.cells(attempt, LOG_COLUMNS) for attempt in document["log"]])
