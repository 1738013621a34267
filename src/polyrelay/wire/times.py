"""Points in time as JSON APIs write them."""

from datetime import UTC, datetime


def iso(seconds: int) -> str:
    """Whole seconds since the epoch as ISO 8601 in UTC with milliseconds: `2026-01-02T03:04:05.000Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
