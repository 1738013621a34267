"""What may be a name: it is shown in terminals, logs and invoices."""

from collections.abc import Mapping
from typing import Any

from polyrelay.service.administration import refusals


def check(fields: Mapping[str, Any]) -> None:
    """Raises `Invalid` for a `name` with control characters, line ends or overrides of direction."""
    if not str(fields.get("name") or "").isprintable():
        raise refusals.invalid("must be printable text on one line", "name")
