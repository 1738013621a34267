"""Which revision of the tables a database has, and which one this release works with."""

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage.sql.transaction import Tx

REVISION = 4
"""The number of the newest file in `migrations/versions`."""

EMPTY = 0
"""The revision of a database without tables."""

FIRST = 1
"""Files of this revision were made before there were migrations, and without Alembic's table."""


async def current(tx: Tx, place: str) -> int:
    """The revision of the tables: Alembic's table tells it on PostgreSQL, `PRAGMA user_version` on SQLite.

    Raises:
        ConfigurationError: a newer polyrelay wrote them, or somebody else; `place` says where.
    """
    if tx.dialect == "sqlite":
        found = int((await tx.fetch("PRAGMA user_version"))[0]["user_version"])
    else:
        found = await _alembic(tx, place)
    refuse_newer(place, found)
    return found


async def _alembic(tx: Tx, place: str) -> int:
    made = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    if not made:
        return EMPTY
    if not any(row["tablename"] == "alembic_version" for row in made):
        raise _foreign(place)
    rows = await tx.fetch("SELECT version_num FROM alembic_version")
    try:
        return int(rows[0]["version_num"])
    except (IndexError, ValueError):
        raise _foreign(place) from None


def _foreign(place: str) -> ConfigurationError:
    return ConfigurationError(f"{place}: has tables that are not polyrelay's. Make a database for it alone.")


def refuse_newer(place: str, found: int) -> None:
    """Raises `ConfigurationError` when `found`, the revision of the database at `place`, is not known here."""
    if found > REVISION:
        raise ConfigurationError(
            f"{place}: written by a newer polyrelay (schema {found}; this one knows {REVISION}). "
            "Install that version, or restore a backup made before the upgrade."
        )
