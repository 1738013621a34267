"""Time as a port: the layers that decide are handed instants and never ask the machine."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks that must not be mixed up."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; for durations and deadlines."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch, UTC; for expiry and records."""
        ...
