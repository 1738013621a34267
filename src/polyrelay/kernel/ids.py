"""Names of things, made by the relay and never by a client.

An identifier is a prefix, then 12 hexadecimal digits of milliseconds since the epoch and 16 of entropy, so that ids
sort by the time they were made.
"""

from typing import NewType

ExchangeId = NewType("ExchangeId", str)
KeyId = NewType("KeyId", str)
AccountId = NewType("AccountId", str)

ENTROPY_BYTES = 8
"""Of each id: two made in the same millisecond collide once in 10^19."""

_MILLIS_BYTES = 6
"""Enough until the year 10889."""


def stamped(prefix: str, millis: int, entropy: bytes) -> str:
    """A sortable id: `prefix`, `millis` (ms since the epoch) and ENTROPY_BYTES bytes of `entropy`."""
    return prefix + (millis.to_bytes(_MILLIS_BYTES, "big") + entropy).hex()


def exchange_id(millis: int, entropy: bytes) -> ExchangeId:
    """The id of one exchange: `px_` and 28 characters."""
    return ExchangeId(stamped("px_", millis, entropy))
