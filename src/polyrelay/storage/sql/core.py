"""SQLAlchemy's statements within a transaction, for administration and reports. Requests do without SQLAlchemy."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column
from sqlalchemy import Dialect as SqlDialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from polyrelay.storage.sql.transaction import Dialect, Row, Tx


async def fetch(tx: Tx, statement: ClauseElement) -> Sequence[Row]:
    """All rows of a query, or of a statement with RETURNING."""
    sql, args = render(statement, tx.dialect)
    return await tx.fetch(sql, *args)


async def execute(tx: Tx, statement: ClauseElement) -> int:
    """Run one statement; how many rows it inserted, updated or deleted."""
    sql, args = render(statement, tx.dialect)
    return await tx.execute(sql, *args)


def render(statement: ClauseElement, dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
    """The text of `statement` with `$1, $2, ...` for values, and the values.

    Raises:
        TypeError: a column has a default that Python makes. Constant ones are filled in.
    """
    compiled = statement.compile(dialect=_dialect(dialect), compile_kwargs={"render_postcompile": True})
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"not a statement with values: {compiled}")
    values = {**compiled.construct_params(), **{column.key: _default(column) for column in _defaulted(compiled)}}
    return str(compiled), tuple(values[name] for name in compiled.positiontup or ())


def _defaulted(compiled: SQLCompiler) -> Sequence[Column[Any]]:
    """The columns that the statement sets although it does not name them."""
    if compiled.isinsert:
        return compiled.insert_prefetch
    return compiled.update_prefetch if compiled.isupdate else ()


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    if not default.is_scalar:
        raise TypeError(f"the default of {column} is not a constant")
    return default.arg


@cache
def _dialect(name: Dialect) -> SqlDialect:
    if name == "sqlite":
        return sqlite.dialect(paramstyle="numeric_dollar")
    made: SqlDialect = asyncpg.dialect()  # type: ignore[no-untyped-call]
    return made
