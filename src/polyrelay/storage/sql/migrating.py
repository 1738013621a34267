"""Makes and upgrades the tables: Alembic renders the SQL, the relay executes it in one transaction.

Alembic's own way of executing needs a synchronous driver for each database, or greenlets around an asynchronous one.
"""

import io
import logging
import threading
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config

from polyrelay.storage import migrations
from polyrelay.storage.sql import revision
from polyrelay.storage.sql.transaction import Database, Dialect, Tx

_log = logging.getLogger(__name__)

ADVISORY_LOCK = 0x706F6C7972656C61
"""Who migrates holds it on PostgreSQL (`pg_advisory_xact_lock`): the letters `polyrela` as a number."""

_rendering = threading.Lock()
"""Alembic keeps what it is doing in globals."""


async def upgrade(database: Database) -> None:
    """Bring the tables to `revision.REVISION`. Of several processes at once, one does it and the others find it done.

    Raises `ConfigurationError` as `revision.current` does, and as `Database.write`; the database is then as it was.
    """
    while (found := await _found(database)) != revision.REVISION:
        if await _step(database, found):
            did = "made" if found == revision.EMPTY else f"upgraded from revision {found} to"
            _log.info("%s: tables %s revision %d", database.place, did, revision.REVISION)


async def _found(database: Database) -> int:
    return await database.read(lambda tx: revision.current(tx, database.place))


async def _step(database: Database, start: int) -> bool:
    """Upgrade from `start`; False when the database is not there any more, because another process was faster."""
    statements = render(database.dialect, start)

    async def work(tx: Tx) -> bool:
        if tx.dialect == "postgresql":
            await tx.fetch("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
        if await revision.current(tx, database.place) != start:
            return False
        for statement in statements:
            await tx.execute(statement)
        if tx.dialect == "sqlite":
            await tx.execute(f"PRAGMA user_version = {revision.REVISION}")
        return True

    return await database.write(work)


class _Statements(io.StringIO):
    """Alembic writes each statement in one call."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def write(self, text: str, /) -> int:
        """Keep a statement; comments between them are of no use here."""
        if not text.lstrip().startswith("--"):
            self.texts.append(text.strip())
        return len(text)


@cache
def render(dialect: Dialect, start: int = revision.EMPTY, end: int = revision.REVISION) -> tuple[str, ...]:
    """The statements that lead from one revision to another, Alembic's own table included."""
    statements = _Statements()
    config = Config(output_buffer=statements)
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["dialect"] = dialect
    with _rendering:
        if start == revision.FIRST and dialect == "sqlite":
            command.stamp(config, _name(start), sql=True)
        command.upgrade(config, f"{_name(start)}:{_name(end)}" if start else _name(end), sql=True)
    return tuple(statements.texts)


def _name(number: int) -> str:
    return f"{number:04}"
