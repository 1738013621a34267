"""What admission, routing and estimation need to know of a request, whatever its protocol.

Values made for every request are msgspec structs: frozen like a dataclass, and made ten times as fast.
"""

import msgspec


class BillingGroup(msgspec.Struct, frozen=True, gc=False):
    """AiToEarn's accounting extras (WIRE 1.2, 1.3): kept for the books, never sent upstream."""

    group_id: str | None = None
    source: str | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    """A validated request in the relay's own words.

    `model` as the client named it; `stream` whether it asked for SSE; `input_bytes` the body's size in bytes;
    `max_output` the client's cap on output tokens, None when it named none; `choices` is `n`.
    """

    model: str
    stream: bool
    input_bytes: int
    max_output: int | None = None
    choices: int = 1
    billing: BillingGroup | None = None
