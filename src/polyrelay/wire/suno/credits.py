"""What a key may still spend, told as Suno's dialects tell what an account has left of its month (WIRE 2.1 to 2.3)."""

import msgspec

PERIOD = "month"

PLACES = 7
"""Decimals of a hundredth of the currency that are told: nano-units."""


class Credits(msgspec.Struct, frozen=True, gc=False):
    """What is left, and what was used this month, in hundredths of the currency. Only told: nothing is decided by it.

    Clients of the studio API and of tasks take whole numbers alone; they are told those, rounded down.
    """

    left: float
    used: float

    def told(self) -> dict[str, float | str]:
        """As gcui and SunoAI's server tell it."""
        return {
            "credits_left": self.left,
            "period": PERIOD,
            "monthly_limit": round(self.left + self.used, PLACES),
            "monthly_usage": self.used,
        }
