"""Sizes of slices: how much of a pot a worker takes at once.

A worker that takes more than it needs asks the bank less often; one that takes less leaves more for its siblings. Far
from the limit it takes a cushion, near it exactly the hold.
"""

JOBS = "jobs"
"""Who has the slices that open jobs hold: no process, but a row among the workers that is always live. Its slices of a
meter are the sum of what the open jobs hold of it (see `audit_jobs`)."""

SHARE = 8
"""A cushion is at most this part of what is left after the need, so that eight workers can take one in turn and the
last of them still finds a third of it."""


def grant(least: int, most: int, cushion: int, available: int) -> int:
    """Nanos to hand out of `available`: 0 when `least` does not fit, else up to `most`, and a cushion from the rest."""
    if available < least or available <= 0:
        return 0
    amount = min(most, available)
    return amount + min(cushion, (available - amount) // SHARE)


def tight(amount: int, left: int) -> bool:
    """Whether a pot with `left` nanos after `amount` was taken is so near its limit that idle slices must go back."""
    return left < SHARE * amount
