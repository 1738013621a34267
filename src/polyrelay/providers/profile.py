"""What the relay must know of a vendor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from polyrelay.exchange.operation import Operation
from polyrelay.settings.timeouts import Timeouts

Auth = Literal["bearer", "basic", "none"]
"""How a vendor is told its credential: `authorization: Bearer KEY`; HTTP Basic for `user:password`, and as `bearer` for
what has no colon; or not at all.
"""

CHAT: Mapping[Operation, str] = MappingProxyType({Operation.CHAT: "/chat/completions"})
"""Where a vendor of chat completions has them."""

OPENAI: Mapping[Operation, str] = MappingProxyType(
    {
        **CHAT,
        Operation.IMAGE: "/images/generations",
        Operation.IMAGE_EDIT: "/images/edits",
        Operation.IMAGE_VARIATION: "/images/variations",
        Operation.SPEECH: "/audio/speech",
        Operation.TRANSCRIPTION: "/audio/transcriptions",
        Operation.TRANSLATION: "/audio/translations",
    }
)
"""Where a vendor of everything in OpenAI's protocol has it (WIRE 4.1 to 4.3)."""


NOTHING: Mapping[Operation, str] = MappingProxyType({})
"""Of a vendor that only takes jobs on."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A vendor.

    `paths` follow the channel's base URL; what has none cannot be asked of it. `takes_stream_options` says whether
    `stream_options.include_usage` may be asked of it; a vendor that refuses the field reports usage on its own or not
    at all. `cap_field` is the name by which it is told an output cap that the client did not set; `only_cap_field` says
    that it overlooks the other name (`max_tokens` or `max_completion_tokens`) in silence, so that a cap given under
    that name must be repeated. `keyless` says that it may be used without any credential. `dialect` is the one of
    `wire.dialects` in which it is asked for jobs, if it can be.

    What a channel has unless it says otherwise: `timeouts`, `concurrency` (calls at once, 0 for any number), and
    `drains` (whether an answer is read on when its client has left). `probe` is what `doctor` asks for.
    """

    name: str
    title: str
    paths: Mapping[Operation, str] = field(default_factory=lambda: CHAT)
    takes_stream_options: bool = True
    cap_field: str = "max_tokens"
    only_cap_field: bool = False
    auth: Auth = "bearer"
    keyless: bool = False
    timeouts: Timeouts = Timeouts()
    concurrency: int = 0
    drains: bool = False
    probe: str = "/models"
    dialect: str | None = None
