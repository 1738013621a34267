"""The messages of a chat request: roles, content parts, tool calls (seed 001, WIRE 4.1).

Where seed 001 and the newer contract differ, what either allows is accepted: any content part may stand in any role,
and the members of content parts and tool calls are typed but, save a part's `type`, none is demanded. Null equals
absent, unknown members pass.
"""

from typing import Annotated, Literal

import msgspec

MOST_PARTS = 10_000
"""Content parts of one message. Vendors stop at some hundreds of images or pages."""

MOST_CALLS = 1_000
"""Tool calls of one message. Models make a few dozen in parallel."""

ROLES = ("system", "user", "assistant", "tool", "developer", "function")
PART_TYPES = ("text", "image_url", "input_audio", "file", "video_url")
ASSISTANT_PART_TYPES = (*PART_TYPES, "refusal")

Detail = Literal["auto", "low", "high"]
AudioFormat = Literal["wav", "mp3"]


class Shape(msgspec.Struct, gc=False):
    """Base of everything here. No reference cycles can arise from JSON, so the collector need not look."""


class ImageUrl(Shape):
    """A URL or data URL."""

    url: str | None = None
    detail: Detail | None = None


class InputAudio(Shape):
    """Base64 audio; some vendors take a URL as `data` and no format."""

    data: str | None = None
    format: AudioFormat | None = None


class File(Shape):
    """A file by content or by id. Which of the two is the vendor's to demand."""

    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class VideoUrl(Shape):
    """A URL or data URL."""

    url: str | None = None


class _Part(Shape, tag_field="type"):
    """A content part. Seed 001 demands none of its members, so only `type` is required."""


class TextPart(_Part, tag="text"):
    """Plain text."""

    text: str | None = None


class ImagePart(_Part, tag="image_url"):
    """An image."""

    image_url: ImageUrl | None = None


class AudioPart(_Part, tag="input_audio"):
    """Audio."""

    input_audio: InputAudio | None = None


class FilePart(_Part, tag="file"):
    """A file."""

    file: File | None = None


class VideoPart(_Part, tag="video_url"):
    """A video (Qwen-VL, GLM, Doubao, seed 001)."""

    video_url: VideoUrl | None = None


class RefusalPart(_Part, tag="refusal"):
    """An assistant's earlier refusal, played back."""

    refusal: str


Part = TextPart | ImagePart | AudioPart | FilePart | VideoPart
Content = str | Annotated[list[Part], msgspec.Meta(max_length=MOST_PARTS)]
AssistantContent = str | Annotated[list[Part | RefusalPart], msgspec.Meta(max_length=MOST_PARTS)]


class FunctionCall(Shape):
    """A function's name and its arguments as JSON text."""

    name: str | None = None
    arguments: str | None = None


class CustomCall(Shape):
    """A custom tool's name and its free-form input."""

    name: str | None = None
    input: str | None = None


class ToolCall(Shape):
    """One call the assistant made."""

    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class AudioReference(Shape):
    """An earlier audio answer."""

    id: str | None = None


class _Message(Shape, tag_field="role"):
    """What every role may carry."""

    reasoning_content: str | None = None
    tool_calls: Annotated[list[ToolCall], msgspec.Meta(max_length=MOST_CALLS)] | None = None


class _Speaker(_Message):
    """A role that may name its speaker."""

    name: str | None = None


class SystemMessage(_Speaker, kw_only=True, tag="system"):
    """Instructions."""

    content: Content


class DeveloperMessage(_Speaker, kw_only=True, tag="developer"):
    """Instructions, in the newer word."""

    content: Content


class UserMessage(_Speaker, kw_only=True, tag="user"):
    """What the user says."""

    content: Content


class ToolMessage(_Speaker, kw_only=True, tag="tool"):
    """What a tool answered. Seed 001 does not demand that it names the call."""

    content: Content
    tool_call_id: str | None = None


class FunctionMessage(_Message, kw_only=True, tag="function"):
    """What a function answered (deprecated); names the function. Content may be null."""

    name: str
    content: Content | None = None


class AssistantMessage(_Speaker, kw_only=True, tag="assistant"):
    """What the model said. Content may be null or absent only beside something else it said."""

    content: AssistantContent | None = None
    refusal: str | None = None
    audio: AudioReference | None = None
    function_call: FunctionCall | None = None

    def __post_init__(self) -> None:
        """Demand that the message says something."""
        if self.content is None and not (self.tool_calls or self.function_call or self.audio or self.refusal):
            raise ValueError("Object missing required field `content`")


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage | DeveloperMessage | FunctionMessage
