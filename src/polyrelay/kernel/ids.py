"""Names of things, made by the relay and never by a client.

An identifier is a prefix, then 10 characters of milliseconds since the epoch and 10 of entropy,
in Crockford base32 (no i, l, o, u), so that ids sort by the time they were made.
"""

from typing import NewType

ExchangeId = NewType("ExchangeId", str)
KeyId = NewType("KeyId", str)
AccountId = NewType("AccountId", str)

ENTROPY_BYTES = 7
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


def stamped(prefix: str, millis: int, entropy: bytes) -> str:
    """A sortable id: `prefix`, `millis` (ms since the epoch) and ENTROPY_BYTES bytes of `entropy`."""
    bits = (millis & ((1 << 50) - 1)) << 50 | int.from_bytes(entropy, "big") >> 6
    pairs = _PAIRS
    return prefix + "".join([pairs[bits >> shift & 1023] for shift in range(90, -1, -10)])


def exchange_id(millis: int, entropy: bytes) -> ExchangeId:
    """The id of one exchange: `px_` and 20 characters."""
    return ExchangeId(stamped("px_", millis, entropy))
