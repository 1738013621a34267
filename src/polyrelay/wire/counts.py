"""Counts of tokens as vendors state them, and sums taken apart into disjoint shares."""

MOST_TOKENS = 10**12
"""More than any answer can hold: a count above it is not a count."""


def read(value: object) -> int | None:
    """A count in JSON; some vendors write 5.0. None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if abs(value) <= MOST_TOKENS and value == int(value) else None


def split(total: int | None, *parts: int | None) -> list[int]:
    """Each part, at most what is left of `total` and at least 0; the rest last. So they always sum to the total."""
    left = max(total or 0, 0)
    taken = []
    for part in parts:
        share = min(max(part or 0, 0), left)
        taken.append(share)
        left -= share
    return [*taken, left]
