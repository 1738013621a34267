"""Limits as accounts, projects, keys and groups state them."""

from dataclasses import dataclass
from typing import Any

from polyrelay.service.administration.ports import Record

COLUMNS = ("requests_per_minute", "requests_per_day", "tokens_per_minute", "concurrency")


@dataclass(frozen=True, slots=True)
class Limits:
    """null takes the configured default, 0 is unlimited."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


def of(row: Record) -> Limits:
    """Those of a row."""
    return Limits(**{name: row[name] for name in COLUMNS})


def flattened(changes: dict[str, Any]) -> dict[str, Any]:
    """Fields of a request with `limits` as columns of their own; limits that are not named stay as they are."""
    rest = {name: value for name, value in changes.items() if name != "limits"}
    return rest | dict(changes.get("limits") or {})
