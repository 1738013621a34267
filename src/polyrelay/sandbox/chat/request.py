"""A chat completion request as far as the sandbox reads it (WIRE 4.1). Everything else in it is ignored."""

import base64
import binascii
from hashlib import sha256
from typing import Any

import msgspec

_MEDIA = ("image_url", "input_audio", "file", "video_url")


class RequestError(ValueError):
    """The body is not a chat request. The message says what is wrong."""


class Message(msgspec.Struct):
    """One message; `content` as text, as parts, or absent beside tool calls."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[Any] | None = None

    def text(self) -> str:
        """The message's text parts, joined by line feeds."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")
        return self.content or ""

    def media(self) -> list[dict[str, Any]]:
        """The parts that are not text."""
        return [part for part in self.content if part.get("type") in _MEDIA] if isinstance(self.content, list) else []


class StreamOptions(msgspec.Struct):
    """What a stream is asked to carry besides content."""

    include_usage: bool | None = None


class ChatRequest(msgspec.Struct):
    """The fields that shape the sandbox's answer."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with a usage chunk."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def most_tokens(self) -> int | None:
        """The cap on the tokens of each choice, None when there is none."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def stops(self) -> list[str]:
        """The stop sequences, empty ones left out."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [stop for stop in given if stop]


_DECODER = msgspec.json.Decoder(ChatRequest)
_MOST_CHOICES = 128


def decode(body: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        RequestError: it is no JSON, or a field that the sandbox reads has the wrong type.
    """
    try:
        request = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise RequestError(str(error)) from None
    if not request.messages:
        raise RequestError("messages must hold at least one message - at `$.messages`")
    if not 1 <= (request.n or 1) <= _MOST_CHOICES:
        raise RequestError("n must be from 1 to 128 - at `$.n`")
    return request


def acknowledge(part: dict[str, Any]) -> str:
    """Say what arrived in a part that is not text: its kind, size in bytes, and the start of its SHA-256."""
    kind = str(part["type"])
    inner = part.get(kind)
    payload = inner if isinstance(inner, dict) else {"url": inner}
    label = kind.removesuffix("_url").removeprefix("input_")
    carried = payload.get("url") or payload.get("data") or payload.get("file_data")
    if not isinstance(carried, str):
        return f"{label} by reference {str(payload.get('file_id'))[:80]}"
    if carried.startswith(("http://", "https://")):
        return f"{label} at {carried[:80]} (not fetched)"
    encoded = carried.partition(",")[2] if carried.startswith("data:") else carried
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return f"{label} that is not base64, {len(encoded)} characters"
    return f"{label} of {len(raw)} bytes, sha256 {sha256(raw).hexdigest()[:12]}"
