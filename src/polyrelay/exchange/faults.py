"""What can go wrong on the upstream's side of one attempt."""

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """The kinds that routing tells apart."""

    CONNECT = "connect"
    """No connection: DNS, TCP, TLS or proxy, or the connect deadline."""
    FIRST_BYTE = "first_byte"
    """Connected, but no body byte within the deadline."""
    IDLE = "idle"
    """A begun answer stalled."""
    TOTAL = "total"
    """The attempt took longer than allowed."""
    CUT = "cut"
    """The connection broke, or the body was shorter than announced."""
    STATUS = "status"
    """An HTTP status that is the upstream's trouble: 5xx, 429, 408, 404, or our credential refused (401, 402, 403)."""
    EMPTY = "empty"
    """A 200 without a meaningful byte."""
    GARBLED = "garbled"
    """An answer that is not what the protocol says: wrong media type, bad JSON, an oversized frame, a redirect."""
    ERROR_FIRST = "error_first"
    """A 200 whose first meaningful frame is an error."""
    OVERSIZE = "oversize"
    """More bytes than a bound allows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One attempt's failure. `detail` is for the operator's log only and never reaches a client.

    `status` is the upstream's HTTP status where there was one; `retry_after` is seconds as the upstream asked.
    """

    kind: FaultKind
    detail: str = ""
    status: int | None = None
    retry_after: float | None = None
