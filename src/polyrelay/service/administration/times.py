"""Instants at the edge: RFC 3339 text outside, Unix seconds inside."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(seconds: float) -> str:
    """`2026-11-22T13:47:40.123Z`."""
    instant = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional(seconds: float | None) -> str | None:
    """As `text`, for what may be absent."""
    return None if seconds is None else text(seconds)


def parse(value: str) -> float:
    """Unix seconds of an RFC 3339 instant. Raises ValueError: not one, or without its offset."""
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("an instant needs an offset, as in 2026-12-01T00:00:00Z")
    try:
        return found.astimezone(UTC).timestamp()
    except OverflowError:
        raise ValueError("must be before the year 10000") from None
