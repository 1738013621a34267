"""What a reader of a format finds in a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """The text that a file of the sandbox carries, None for a file of somebody else's, and its length in seconds."""

    text: str | None
    seconds: float
