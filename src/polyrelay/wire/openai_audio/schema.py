"""The request contract of speech, checked in one typed decode in C (WIRE 4.2).

Voices are open: vendors have their own, and OpenAI's custom ones are objects. Null equals absent. Unknown members pass.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

LONGEST_INPUT = 4096
"""Characters of the text, and of the instructions."""

Coding = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
StreamFormat = Literal["sse", "audio"]
Text = Annotated[str, Meta(max_length=LONGEST_INPUT)]
Name = Annotated[str, Meta(min_length=1)]


class CustomVoice(msgspec.Struct, gc=False):
    """A voice that was made before."""

    id: Name


class SpeechForm(msgspec.Struct, gc=False):
    """A text to be spoken."""

    model: Name
    input: Annotated[str, Meta(min_length=1, max_length=LONGEST_INPUT)]
    voice: str | CustomVoice
    instructions: Text | None = None
    response_format: Coding | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    stream_format: StreamFormat | None = None


SUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"response_format": get_args(Coding), "stream_format": get_args(StreamFormat)}
)
"""The values of every enumeration, by field."""

DECODER = msgspec.json.Decoder(SpeechForm)
FIELDS = frozenset(SpeechForm.__struct_encode_fields__)
"""Names the contract knows."""
