"""What `polyrelay doctor` reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is (`ok`, `warning`, `problem`), and what to do if it is not well."""

    check: str
    state: str
    detail: str
    remedy: str = ""


def some(names: list[str], most: int = 5) -> str:
    """A list for a sentence, cut short when it is long."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
