"""`polyrelay secrets`: what client keys and stored upstream credentials depend on."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from polyrelay.cli import options, output
from polyrelay.storage.rings import Kind, Ring
from polyrelay.storage.secrecy import custody, rotation
from polyrelay.storage.secrecy.rotation import Losses
from polyrelay.storage.secrecy.secrets import Needs, ServerSecrets
from polyrelay.storage.sql.database import Database, open_database

T = TypeVar("T")

secrets = typer.Typer(
    no_args_is_help=True, help="Show, check and rotate what client keys and stored credentials depend on."
)


def _with_database(where: options.Store, use: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        database = await open_database(where.url, where.data)
        try:
            return await use(database)
        finally:
            await database.close()

    return asyncio.run(run())


@secrets.command()
def show(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List the secrets by id, with their dates and how much depends on them. Never shows a secret."""
    where = options.store(config, data)

    async def find(database: Database) -> tuple[ServerSecrets, Needs]:
        return await custody.establish(where.data, database), await database.read(custody.count_needs)

    found, needs = _with_database(where, find)
    rows = [
        *_described(Kind.FINGERPRINT, found.fingerprint, needs.fingerprints, str(found.path)),
        *_described(Kind.MASTER, found.master, needs.masters, found.master_place),
    ]
    if as_json:
        output.document(rows)
        return
    columns = ("id", "kind", "state", "since", "used by", "from")
    output.table(columns, [["" if row[column] is None else str(row[column]) for column in columns] for row in rows])


@secrets.command()
def check(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Prove that every client key and every stored credential can be read. Exit code 1 when one cannot."""
    where = options.store(config, data)

    async def prove(database: Database) -> tuple[Needs, list[str]]:
        await custody.establish(where.data, database)
        opening = rotation.vault(where.data)
        failures = await database.read(lambda tx: rotation.unopenable(tx, opening))
        return await database.read(custody.count_needs), [problem for _, problem in failures]

    needs, problems = _with_database(where, prove)
    keys, credentials = sum(needs.fingerprints.values()), sum(needs.masters.values())
    if as_json:
        output.document({"keys": keys, "credentials": credentials, "problems": problems})
    elif problems:
        for problem in problems:
            output.line(problem)
    else:
        output.line(f"All well: {keys} client keys, {credentials} stored credentials.")
    if problems:
        raise typer.Exit(output.Exit.FAILED)


@secrets.command()
def rotate(
    *,
    master: Annotated[bool, typer.Option("--master", help="The master key: encrypt stored credentials anew.")] = False,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="What new client keys are hashed under; keys there are go on working.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only make the new secret, to be copied to other machines first.")
    ] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Put a new secret in the place of one. Safe while relays run, and to be repeated after a crash."""
    if master == fingerprint:
        raise typer.BadParameter("name one of --master and --fingerprint")
    kind = Kind.MASTER if master else Kind.FINGERPRINT
    where = options.store(config, data)

    async def turn(database: Database) -> tuple[str, int]:
        await custody.establish(where.data, database)
        if prepare:
            return rotation.prepare(where.data, kind), 0
        if master:
            return await rotation.rotate_master(where.data, database)
        return rotation.rotate_fingerprint(where.data), 0

    secret_id, moved = _with_database(where, turn)
    state = "prepared" if prepare else "current"
    if as_json:
        output.document({"id": secret_id, "kind": str(kind), "state": state, "encrypted_anew": moved})
        return
    output.line(f"{secret_id} is {state}." + (f" {moved} credentials were encrypted anew." if moved else ""))
    output.note("Back the secrets up again, together with the database.")


@secrets.command()
def prune(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Drop retired secrets that nothing depends on, an hour after they were retired."""
    where = options.store(config, data)

    async def drop(database: Database) -> list[str]:
        await custody.establish(where.data, database)
        return await rotation.prune(where.data, database)

    dropped = _with_database(where, drop)
    if as_json:
        output.document({"dropped": dropped})
    else:
        output.line(f"Dropped {', '.join(dropped)}." if dropped else "Nothing to drop.")


@secrets.command()
def forget(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only list.")] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Give up what cannot be read because its secret is lost: revoke those keys, empty those credentials.

    Lists the keys that must be made and the credentials that must be entered again.
    """
    where = options.store(config, data)

    async def give_up(database: Database) -> Losses:
        losses = await database.read(lambda tx: rotation.find_losses(tx, where.data))
        if yes:
            await database.write(lambda tx: rotation.give_up(tx, losses))
            await custody.establish(where.data, database)
        return losses

    losses = _with_database(where, give_up)
    keys = [{"id": key.id, "account": key.account, "name": key.name, "hint": key.hint} for key in losses.keys]
    credentials = [{"id": row.id, "channel": row.channel, "name": row.name} for row in losses.credentials]
    if as_json:
        output.document({"done": yes, "keys": keys, "credentials": credentials})
        return
    for each in keys:
        output.line(f"make again: client key {each['id']} {each['name']} of account {each['account']} ({each['hint']})")
    for each in credentials:
        output.line(f"enter again: credential {each['id']} {each['name']} of channel {each['channel']}")
    if not keys and not credentials:
        output.line("Everything can be read; nothing to forget.")
    elif not yes:
        output.note("Nothing was changed. To give these up: polyrelay secrets forget --yes")


def _described(kind: Kind, ring: Ring, used: Mapping[str, int], place: str) -> list[dict[str, Any]]:
    return [
        {
            "id": secret_id,
            "kind": str(kind),
            "state": _state(ring, secret_id),
            "since": _date(ring.since.get(secret_id)),
            "used by": used.get(secret_id, 0),
            "from": place,
        }
        for secret_id in ring.keys
    ]


def _state(ring: Ring, secret_id: str) -> str:
    if secret_id == ring.current:
        return "current"
    return "retired" if secret_id in ring.retired else "prepared"


def _date(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat(timespec="seconds")
