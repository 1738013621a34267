"""Rows whose key is one of many: one parameter, whatever their number."""

import json
from collections.abc import Sequence
from typing import Any

from polyrelay.storage.sql.transaction import Row, Tx

MOST = 500
"""Keys of one statement; more make more statements."""


async def fetch(tx: Tx, sql: str, keys: Sequence[str], *args: Any) -> list[Row]:
    """Rows of `sql`, in which `{among}` stands behind a column that is to be one of `keys`. They are its $1."""
    condition = "IN (SELECT value FROM json_each($1))" if tx.dialect == "sqlite" else "= ANY($1::text[])"
    found: list[Row] = []
    for start in range(0, len(keys), MOST):
        part = list(keys[start : start + MOST])
        found += await tx.fetch(
            sql.format(among=condition), json.dumps(part) if tx.dialect == "sqlite" else part, *args
        )
    return found
