"""`polyrelay ledger journals` and `give-up`: workers that are gone, and the money set aside for them."""

import getpass
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from polyrelay.cli import office, options, output
from polyrelay.config import tariffs
from polyrelay.kernel import money
from polyrelay.service.administration import refusals
from polyrelay.service.administration.desk import Desk, Errand
from polyrelay.service.bank import Batch
from polyrelay.service.posting import Transcript
from polyrelay.service.salvage import Salvage, salvage
from polyrelay.storage.administration.session import SqlSession
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.journaling.journals import JournalFolder, LeftBehind
from polyrelay.storage.reports import workers
from polyrelay.storage.reports.workers import OpenWorker
from polyrelay.storage.sql.database import Database
from polyrelay.storage.sql.transaction import Dialect, T, Tx, Work

COLUMNS = ("worker", "state", "machine", "lease_seconds", "escrowed", "journal", "path")

State = Literal["live", "here", "missing", "damaged"]
"""Of a journal in this data folder: held by a process, whole, absent, or not whole."""

Worker = Annotated[str, typer.Argument(help="The id of the worker, as `ledger journals` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a worker's journal here; `salvaged` is None while a process holds it."""

    state: State
    salvaged: Salvage | None = None


def journals(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List workers that are not closed, what is set aside for them, and what there is of their journals here."""
    where = options.store(config, data)

    async def ask(database: Database) -> list[OpenWorker]:
        return await database.read(workers.not_closed)

    rows = [_shown(worker, look(where.data, worker)) for worker in office.within(where, ask)]
    if as_json:
        output.document(rows)
    else:
        output.table(COLUMNS, [office.cells(row, COLUMNS) for row in rows])


def give_up(
    worker: Worker,
    *,
    reason: office.Reason,
    yes: Yes = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Close a worker whose journal is lost: charge what can still be read of it, and free the rest of its money.

    What the lost part had charged is charged to nobody. Files are kept, renamed to *.damaged.
    """
    where = options.store(config, data)
    if not yes:
        typer.confirm(f"Give up worker {worker}, and whatever its journal had that cannot be read?", abort=True)

    async def carry_out(database: Database) -> dict[str, Any]:
        found = {each.standing.worker: each for each in await database.read(workers.not_closed)}
        if worker not in found:
            raise refusals.missing("worker that is not closed", worker)
        return await _give_up(database, where.data, found[worker], reason)

    done = office.within(where, carry_out)
    if as_json:
        output.document(done)
        return
    output.line(f"Closed {worker}: {done['exchanges']} exchanges posted, {done['freed']} of wallets freed.")
    for path in done["kept"]:
        output.line(f"Kept {path}")


def look(data: Path, worker: OpenWorker) -> Found:
    """What there is of a journal in the data folder. Raises `JournalError`: its files cannot be opened."""
    left = JournalFolder(data, "off").adopt(worker.standing.worker)
    if left is None:
        return Found("live")
    try:
        return _examined(left, worker)
    finally:
        left.close()


def lost(data: Path, found: Iterable[OpenWorker]) -> list[tuple[OpenWorker, State]]:
    """Workers past their lease whose journal is missing or damaged here: nothing but `give-up` ends them."""
    looked: list[tuple[OpenWorker, State]] = [
        (worker, look(data, worker).state) for worker in found if worker.lease <= 0
    ]
    return [each for each in looked if each[1] in {"missing", "damaged"}]


def _examined(left: LeftBehind, worker: OpenWorker) -> Found:
    salvaged = salvage(left.segments(), worker.standing, Transcript(tariffs.zone))
    if not left:
        return Found("missing", salvaged)
    return Found("here" if salvaged.damage is None else "damaged", salvaged)


async def _give_up(database: Database, data: Path, worker: OpenWorker, reason: str) -> dict[str, Any]:
    """The journal stays ours until the books have it, so that no relay reads it meanwhile. Raises `Conflicting`."""
    left = JournalFolder(data, "off").adopt(worker.standing.worker)
    if left is None or worker.lease > 0:
        raise refusals.Conflicting(f"{worker.standing.worker} is live; only a worker past its lease is given up.")
    try:
        found = _examined(left, worker)
        if found.state == "here" or found.salvaged is None:
            raise refusals.Conflicting("Its journal is whole: the next start of the relay brings it into the books.")
        done = await _close(database, worker, found.state, found.salvaged, reason)
        return done | {"kept": [str(path) for path in left.set_aside()]}
    finally:
        left.close()


async def _close(
    database: Database, worker: OpenWorker, state: State, salvaged: Salvage, reason: str
) -> dict[str, Any]:
    """Rows, slices, the worker's end and the audit log's entry, in one transaction."""
    before = worker.standing
    batch = Batch(before.segment, before.position, salvaged.end, salvaged.rows)
    errand = Errand(f"cli:{getpass.getuser()}", "cli")
    freed = worker.escrowed - sum(row.amount or 0 for row in salvaged.rows)
    done = {
        "worker": before.worker,
        "journal": state,
        "damage": salvaged.damage,
        "exchanges": len(salvaged.rows),
        "freed": money.show(max(0, freed)),
        "reason": reason,
    }

    async def work(tx: Tx) -> dict[str, Any]:
        current = {each.standing: each for each in await workers.not_closed(tx)}.get(before)
        if current is None or current.lease > 0:
            raise refusals.Conflicting(f"{before.worker} has changed meanwhile; look again.")
        await SqlBank(_Within(tx)).post(before.worker, batch, close=True)
        await Desk(SqlSession(tx), errand).audit("worker.give_up", "worker", before.worker, before, done)
        return done

    return await database.write(work)


def _shown(worker: OpenWorker, found: Found) -> dict[str, Any]:
    return {
        "worker": worker.standing.worker,
        "state": worker.standing.state,
        "machine": worker.standing.machine,
        "lease_seconds": round(worker.lease),
        "escrowed": money.show(worker.escrowed),
        "journal": found.state,
        "path": worker.standing.journal,
    }


class _Within:
    """A transaction under way, as a database: what the bank does becomes a part of it."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.place = ""

    @property
    def dialect(self) -> Dialect:
        return self._tx.dialect

    async def write(self, work: Work[T], /) -> T:
        return await work(self._tx)

    async def read(self, work: Work[T], /) -> T:
        return await work(self._tx)

    async def close(self) -> None:
        """The transaction belongs to whoever began it."""
