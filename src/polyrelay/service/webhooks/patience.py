"""What follows an attempt: nothing, another one, or giving up. Pure."""

from polyrelay.service.webhooks.ports import Attempt, Result, State
from polyrelay.settings.webhooks import WebhookSettings

GROWTH = 3.0
"""Each delay is so many times the one before: ten attempts span a day, and the first five are within an hour."""

SPREAD = 0.2
"""Part of a delay by which it is longer or shorter, so that receivers which come back are not called all at once."""

GONE = 410
"""An answer that asks to be called no more (RFC 9110, section 15.5.11; the Standard Webhooks specification)."""


def after(attempts: int, attempt: Attempt, now: float, chance: float, settings: WebhookSettings) -> Result:
    """Where a delivery stands after `attempt`, its `attempts`-th, at `now`; `chance` is from -1 to 1."""
    if attempt.error is None:
        return Result(State.DELIVERED)
    if attempt.final or attempt.status == GONE or attempts >= settings.attempts:
        return Result(State.FAILED)
    return Result(State.PENDING, now + delay(attempts, settings) * (1 + SPREAD * chance))


def delay(attempts: int, settings: WebhookSettings) -> float:
    """Seconds between the `attempts`-th attempt and the next one, without its spread."""
    grown: float = settings.first_delay_seconds * GROWTH ** min(attempts - 1, 64)
    return min(grown, settings.longest_delay_seconds)
