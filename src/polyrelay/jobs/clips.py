"""The relay's own names for the clips of a song: nobody learns an upstream's, and nothing has to be looked up.

A name is a UUID of version 7 (RFC 9562, section 5.7), because Suno's are UUIDs and clients may insist on that: its
milliseconds are those of the job's id, its random bits the entropy of it followed by the clip's number.
"""

from uuid import UUID

from polyrelay.kernel.ids import ENTROPY_BYTES, ExchangeId

MOST_CLIPS = 1024
"""Of one job: what is left of the random bits. Songs have two."""

_PREFIX = "px_"
_MILLIS_DIGITS = 12
_ENTROPY_BITS = 8 * ENTROPY_BYTES
_NUMBER_BITS = 10
_LOW_BITS = 62
"""Behind the variant; the other twelve random bits come before it."""
_VERSION_7 = 7 << 76
_VARIANT = 2 << _LOW_BITS
_MILLIS_SHIFT = 80
_HIGH_SHIFT = 64


def name(job: ExchangeId, number: int) -> str:
    """The name of clip `number` (from 0) of `job`. Raises ValueError for an id that is none of ours."""
    digits = job.removeprefix(_PREFIX)
    millis, entropy = int(digits[:_MILLIS_DIGITS], 16), int(digits[_MILLIS_DIGITS:], 16)
    random = entropy << _NUMBER_BITS | number
    high, low = random >> _LOW_BITS, random & ((1 << _LOW_BITS) - 1)
    return str(UUID(int=millis << _MILLIS_SHIFT | _VERSION_7 | high << _HIGH_SHIFT | _VARIANT | low))


def parse(text: str) -> tuple[ExchangeId, int] | None:
    """The job and the number that a name stands for; None when it is no name of ours."""
    try:
        value = UUID(text).int
    except ValueError:
        return None
    millis = value >> _MILLIS_SHIFT
    high = value >> _HIGH_SHIFT & 0xFFF
    random = high << _LOW_BITS | value & ((1 << _LOW_BITS) - 1)
    entropy, number = random >> _NUMBER_BITS, random & (MOST_CLIPS - 1)
    job = ExchangeId(f"{_PREFIX}{millis:012x}{entropy:0{_ENTROPY_BITS // 4}x}")
    return (job, number) if name(job, number) == str(UUID(int=value)) else None
