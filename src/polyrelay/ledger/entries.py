"""What a worker writes into its journal: enough to finish the books of its exchanges without it.

    Payer    once per payer and segment: who pays, and from which meters
    Pinned   once per quote and segment: the tariff a hold pinned, as `metering` writes it down
    Held     before an upstream is called
    Sent     when the first bytes of a stream go to the client, before they do
    Settled  before the last bytes leave; `Voided` when nothing is charged

`Held` and what follows name payers and quotes by their number; a number never changes its meaning within a journal,
and each segment states those it uses. Entries are MessagePack arrays, told apart by their first element.
"""

from collections.abc import Iterator

import msgspec

from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage


class _Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An array on disk."""


class Payer(_Entry, frozen=True, gc=False, tag=1):
    """`meters` are the ids of every meter of the exchange, the wallet first."""

    number: int
    account: str
    project: str | None
    key: str
    group: str
    meters: tuple[str, ...]


class Pinned(_Entry, frozen=True, gc=False, tag=2):
    """`tariff` is the document `metering.write.tariff` makes; `multiplier` that of the customer group (a factor);
    `window` the time-of-day window that was in force.
    """

    number: int
    tariff: bytes
    multiplier: int
    window: str | None


class Held(_Entry, frozen=True, gc=False, tag=3):
    """`amount` is set aside in each meter of the payer. `at` is Unix seconds, `input_bytes` the prompt's text."""

    exchange: str
    at: float
    payer: int
    quote: int
    amount: int
    input_bytes: int
    surface: str
    model: str


class Sent(_Entry, frozen=True, gc=False, tag=4):
    """Bytes of an answer are about to reach the client."""

    exchange: str
    channel: str | None


class Facts(_Entry, frozen=True, gc=False):
    """What the usage record tells beside money. Seconds; `first_token` since the request arrived."""

    surface: str
    model: str
    channel: str | None
    provider: str | None
    status: int
    outcome: Outcome
    attempts: int
    seconds: float
    first_token: float | None
    finish: str | None
    error: str | None
    label: str | None
    billing_group: str | None
    source: str | None


class Settled(_Entry, frozen=True, gc=False, tag=5):
    """`amount` is what every meter pays from its slice; `short` what the hold and the slice did not cover, to be taken
    from the meters when posted, or else written off. `held` is what was set aside.
    """

    exchange: str
    at: float
    payer: int
    quote: int
    held: int
    amount: int
    short: int
    usage: Usage
    facts: Facts


class Voided(_Entry, frozen=True, gc=False, tag=6):
    """Nothing was delivered, nothing is charged."""

    exchange: str
    at: float
    payer: int
    facts: Facts


Entry = Payer | Pinned | Held | Sent | Settled | Voided

encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode

FRAME_ROOM = 16
"""At least what the journal adds to an entry, in bytes."""

SETTLE_ROOM = 6144
"""Bytes a hold reserves in the journal for its `Sent` and its `Settled` or `Voided`: their texts are all bounded."""


class UnreadableEntry(ValueError):
    """A frame is whole, and its content is none of ours: another version wrote it."""


def decode(payload: bytes) -> Entry:
    """The entry of one frame. Raises `UnreadableEntry`."""
    try:
        entry: Entry = _decode(payload)
    except msgspec.MsgspecError as error:
        raise UnreadableEntry(f"not a journal entry: {error}") from error
    return entry


def read(frames: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, Entry]]:
    """Entries with the offset at which each ends."""
    for end, payload in frames:
        yield end, decode(payload)
