"""How long an upstream may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Four deadlines in seconds, each counted separately. 0 is not allowed: an upstream without deadlines leaks."""

    connect: float = 5.0
    """TCP and TLS. The OpenAI SDK uses 5 s as well."""

    first_byte: float = 120.0
    """From sending to the first body byte. Reasoning models think for a minute or two; after it the next channel."""

    idle: float = 60.0
    """Between two pieces of an answer that has begun."""

    total: float = 900.0
    """The whole attempt. The OpenAI SDK gives up after 600 s by default; longer streams exist."""
