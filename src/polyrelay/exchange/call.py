"""What admission, routing and estimation need to know of a request, whatever its protocol.

Values made for every request are msgspec structs: frozen like a dataclass, and made ten times as fast.
"""

import msgspec

from polyrelay.exchange.usage import ImageCount


class BillingGroup(msgspec.Struct, frozen=True, gc=False):
    """AiToEarn's accounting extras (WIRE 1.2, 1.3): kept for the books, never sent upstream."""

    group_id: str | None = None
    source: str | None = None


class References(msgspec.Struct, frozen=True, gc=False):
    """Media parts of a request, inline or named by URL or id: how many of each kind.

    `inline_bytes` is the media among the body's bytes, in base64 or as files of a form: they are not text, and their
    tokens are those of the parts.
    """

    images: int = 0
    audio: int = 0
    files: int = 0
    videos: int = 0
    inline_bytes: int = 0


class Demand(msgspec.Struct, frozen=True, gc=False):
    """Upper bounds of what a request asks for in other units than tokens (see `usage.Usage` for each).

    An image whose size or quality is None or `auto` may turn out to be any.
    """

    seconds: int = 0
    characters: int = 0
    images: tuple[ImageCount, ...] = ()
    tasks: int = 0
    megapixel_steps: int = 0


NO_REFERENCES = References()
NO_DEMAND = Demand()


class Call(msgspec.Struct, frozen=True, gc=False):
    """A validated request in the relay's own words.

    `model` as the client named it; `stream` whether it asked for SSE; `input_bytes` the body's size in bytes;
    `max_output` the client's cap on output tokens, None when it named none; `choices` is `n`. `capped` says whether an
    upstream can be told how much output the funds allow: of an image or a song one gets all or nothing.
    """

    model: str
    stream: bool
    input_bytes: int
    max_output: int | None = None
    choices: int = 1
    billing: BillingGroup | None = None
    references: References = NO_REFERENCES
    demand: Demand = NO_DEMAND
    capped: bool = True
