"""How long an upstream may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Four deadlines in seconds, each counted separately, from when a request is sent."""

    connect: float = 5.0
    """The OpenAI SDK uses 5 s as well."""

    first_byte: float = 120.0
    """Reasoning models think for a minute or two."""

    idle: float = 60.0

    total: float = 900.0
    """The OpenAI SDK gives up after 600 s by default; longer streams exist."""


@dataclass(frozen=True, slots=True)
class TimeoutSettings:
    """Four deadlines in seconds, each counted separately. 0 is not allowed: an upstream without deadlines leaks.

    Absent: those of the vendor, which are 5, 120, 60 and 900 unless said otherwise; waiting for a place does not count.
    """

    connect: float | None = None
    """TCP and TLS."""

    first_byte: float | None = None
    """From sending to the first body byte; after it the next channel. `sdwebui` has 1800, `whisper_asr` 1200, `reactor`
    600."""

    idle: float | None = None
    """Between two pieces of an answer that has begun."""

    total: float | None = None
    """The whole attempt. `sdwebui` has 2100, `whisper_asr` 1500."""

    def over(self, usual: Timeouts) -> Timeouts:
        """`usual`, but for what is set."""
        return Timeouts(
            usual.connect if self.connect is None else self.connect,
            usual.first_byte if self.first_byte is None else self.first_byte,
            usual.idle if self.idle is None else self.idle,
            usual.total if self.total is None else self.total,
        )
