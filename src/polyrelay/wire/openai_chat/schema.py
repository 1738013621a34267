"""The request contract of chat completions, checked in one typed decode in C (seed 001 united with WIRE 4.1).

Where the two differ, what either allows is accepted, with these decisions:

* `n` is 1..128 (WIRE 4.1) and token caps are 1..2^63-1: money is reserved by them, so both have an end.
* An integer is written without fraction or exponent: `1.0` is refused, as OpenAI refuses it. A boolean is no number.
* `stop` is a string or an array of strings of any length: seed 001 sets none, and vendors differ.
* A tool's `type` is open, because vendors have their own; `function` and `custom` demand the member of that name.
* `service_tier` is closed: a tier decides the price, so an unknown one cannot be reserved.

Null equals absent. Unknown members pass at every level.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from polyrelay.wire.openai_chat import messages
from polyrelay.wire.openai_chat.messages import Message, Shape, TextPart

TokenCap = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Level = Literal["low", "medium", "high"]
Modality = Literal["text", "audio"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]
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


class Function(Shape):
    """A function the model may call. `parameters` is a JSON Schema."""

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
    function: Function | None = None
    custom: CustomTool | None = None

    def __post_init__(self) -> None:
        """Demand the member the type names."""
        if self.function is None and self.type in {None, "function"}:
            raise ValueError("Object missing required field `function`")
        if self.custom is None and self.type == "custom":
            raise ValueError("Object missing required field `custom`")


class Named(Shape):
    """Something referred to by name."""

    name: str


class AllowedTools(Shape):
    """A subset of the tools."""

    mode: AllowedToolsMode
    tools: list[AnyObject]


class ToolChoice(Shape):
    """The one tool, or the subset, the model must use."""

    type: str | None = None
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None

    def __post_init__(self) -> None:
        """Demand the member the type names."""
        kind = self.type or "function"
        if kind in {"function", "custom", "allowed_tools"} and getattr(self, kind) is None:
            raise ValueError(f"Object missing required field `{kind}`")


class ResponseFormat(Shape):
    """How the answer is to be shaped. `json_schema` is a free object in seed 001 and stays one."""

    type: ResponseFormatType
    json_schema: AnyObject | None = None

    def __post_init__(self) -> None:
        """Demand the schema where one is announced."""
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("Object missing required field `json_schema`")


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
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: TokenCap | None = None
    max_completion_tokens: TokenCap | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    tools: list[Tool] | None = None
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
    service_tier: ServiceTier | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
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
        "service_tier": get_args(ServiceTier),
        "web_search_options.search_context_size": get_args(Level),
        "web_search_options.user_location.type": ("approximate",),
        "source": get_args(Source),
    }
)
"""The values of every enumeration, by field path without positions."""

_PLAIN = msgspec.json.Decoder(ChatForm)
_BILLED = msgspec.json.Decoder(BilledChatForm)
PLAIN_FIELDS = frozenset(ChatForm.__struct_encode_fields__)
BILLED_FIELDS = frozenset(BilledChatForm.__struct_encode_fields__)
"""Top-level names the contract knows."""


def decode(text: bytes) -> ChatForm:
    """The request in `text`. Raises `msgspec.ValidationError` where the contract is not kept."""
    return _PLAIN.decode(text)


def decode_billed(text: bytes) -> BilledChatForm:
    """The request in `text` with its billing extras. Raises `msgspec.ValidationError`."""
    return _BILLED.decode(text)
