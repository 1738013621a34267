"""What the control plane is told of the relay it belongs to."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from polyrelay.service.administration.plane import Plane


@dataclass(frozen=True, slots=True)
class Instance:
    """What the control plane may know of the running relay. `started` is monotonic seconds."""

    version: str
    started: float
    channels: Callable[[], int]
    """How many channels the configuration in force has."""
    plane: Plane | None = None
    """What it administers; without it there is nobody to identify, and so nothing but documentation."""
    unpaid: Callable[[], int] = lambda: 0
    """How many requests this process has served for an explicit price of zero."""

    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started
