"""The request contract of chat completions, checked in one typed decode in C (seed 001 united with WIRE 4.1).

Where the two differ, what either allows is accepted, with these decisions:

* `n` is 1..2^31 and token caps are 0..2^63-1: seed 001 names no end, the arithmetic of reservations has one.
* An integer is written without fraction or exponent: `1.0` is refused, as OpenAI refuses it. A boolean is no number.
* Arrays and maps have an end far above what vendors take, so that checking a body stays short.
* A tool's `type` is open, because vendors have their own, and no member of a tool or a choice of one is demanded.
* `response_format` demands neither `type` nor a schema; `service_tier` is any string.

Null equals absent. Unknown members pass at every level.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from polyrelay.wire.openai_chat import messages
from polyrelay.wire.openai_chat.messages import Message, Shape, TextPart

MOST_CHOICES = 2**31
"""Largest `n`, so that it fits any upstream's integer."""

MOST_MESSAGES = 100_000
MOST_TOOLS = 4_096
MOST_STOPS = 1_000
MOST_METADATA = 1_000
MOST_BIASES = 10_000
"""Elements and members: tens of times what any vendor takes (OpenAI: 128 functions, 4 stops, 16 metadata, 1,024
biases), small enough that decoding what is kept takes well under 0.1 s."""

TokenCap = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Level = Literal["low", "medium", "high"]
Modality = Literal["text", "audio"]
ResponseFormatType = Literal["text", "json_object", "json_schema"]
ToolMode = Literal["none", "auto", "required"]
FunctionMode = Literal["none", "auto"]
AllowedToolsMode = Literal["auto", "required"]
Source = Literal["ai_chat", "plugin"]

BILLING_GROUP_CHARACTERS = 256
"""Longest `billingGroupId`. The id is the caller's choice and is stored with every charge (WIRE 1.3)."""


class AnyObject(Shape):
    """An object whose members are the vendor's business."""


class StreamOptions(Shape):
    """What a stream carries besides its text."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ToolFunction(Shape):
    """A function the model may call. `parameters` is a JSON Schema."""

    name: str | None = None
    description: str | None = None
    parameters: AnyObject | None = None
    strict: bool | None = None


class Function(Shape):
    """A function in the deprecated `functions`."""

    name: str
    description: str | None = None
    parameters: AnyObject | None = None
    strict: bool | None = None


class CustomTool(Shape):
    """A tool with free-form input."""

    name: str
    description: str | None = None
    format: AnyObject | None = None


class Tool(Shape):
    """A function unless `type` says otherwise."""

    type: str | None = None
    function: ToolFunction | None = None
    custom: CustomTool | None = None


class Named(Shape):
    """Something referred to by name."""

    name: str


class Reference(Shape):
    """Something that may be referred to by name."""

    name: str | None = None


class AllowedTools(Shape):
    """A subset of the tools."""

    mode: AllowedToolsMode
    tools: Annotated[list[AnyObject], Meta(max_length=MOST_TOOLS)]


class ToolChoice(Shape):
    """The one tool, or the subset, the model must use."""

    type: str | None = None
    function: Reference | None = None
    custom: Reference | None = None
    allowed_tools: AllowedTools | None = None


class ResponseFormat(Shape):
    """How the answer is to be shaped. `json_schema` is a free object in seed 001 and stays one."""

    type: ResponseFormatType | None = None
    json_schema: AnyObject | None = None


class Audio(Shape):
    """The voice and coding of a spoken answer. Names are free in seed 001; newer voices may be objects."""

    voice: str | AnyObject | None = None
    format: str | None = None


class Prediction(Shape):
    """Text the answer is expected to repeat."""

    type: Literal["content"]
    content: str | list[TextPart]


class UserLocation(Shape):
    """Roughly where the user is."""

    type: Literal["approximate"] | None = None
    approximate: AnyObject | None = None


class WebSearchOptions(Shape):
    """How the model may search."""

    search_context_size: Level | None = None
    user_location: UserLocation | None = None


class ChatForm(Shape):
    """A chat completion request."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MOST_CHOICES)] | None = None
    max_tokens: TokenCap | None = None
    max_completion_tokens: TokenCap | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    stop: str | Annotated[list[str], Meta(max_length=MOST_STOPS)] | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=MOST_BIASES)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    tools: Annotated[list[Tool], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: ToolMode | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Function], Meta(min_length=1, max_length=128)] | None = None
    function_call: FunctionMode | Named | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Level | None = None
    modalities: list[Modality] | None = None
    audio: Audio | None = None
    prediction: Prediction | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=MOST_METADATA)] | None = None
    web_search_options: WebSearchOptions | None = None
    moderation: AnyObject | None = None


class BilledChatForm(ChatForm, rename={"billing_group": "billingGroupId"}):
    """A chat completion request with AiToEarn's accounting extras (seed 000, WIRE 1.2)."""

    billing_group: Annotated[str, Meta(min_length=1, max_length=BILLING_GROUP_CHARACTERS)] | None = None
    source: Source | None = None


SUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "messages.role": messages.ROLES,
        "messages.content.type": messages.PART_TYPES,
        "messages.content.image_url.detail": get_args(messages.Detail),
        "messages.content.input_audio.format": get_args(messages.AudioFormat),
        "tool_choice": get_args(ToolMode),
        "tool_choice.allowed_tools.mode": get_args(AllowedToolsMode),
        "function_call": get_args(FunctionMode),
        "response_format.type": get_args(ResponseFormatType),
        "reasoning_effort": get_args(ReasoningEffort),
        "verbosity": get_args(Level),
        "modalities": get_args(Modality),
        "prediction.type": ("content",),
        "prediction.content.type": ("text",),
        "web_search_options.search_context_size": get_args(Level),
        "web_search_options.user_location.type": ("approximate",),
        "source": get_args(Source),
    }
)
"""The values of every enumeration, by field path without positions."""

PLAIN = msgspec.json.Decoder(ChatForm)
BILLED = msgspec.json.Decoder(BilledChatForm)
PLAIN_FIELDS = frozenset(ChatForm.__struct_encode_fields__)
BILLED_FIELDS = frozenset(BilledChatForm.__struct_encode_fields__)
"""Top-level names the contract knows."""
