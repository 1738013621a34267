"""What the relay reads in an answer, streamed or whole: text for its length, finish, usage, error.

A streamed chunk is decoded whole in C into the few members named here. Measured on a 300-byte chunk that takes 0.5 µs,
while four substring searches for the interesting members take 1.3 µs; so every chunk is parsed properly.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from polyrelay.wire.openai_chat.usage import Stated
from polyrelay.wire.openai_chat.usage import read as read_usage


class _FunctionPiece(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolPiece(msgspec.Struct, gc=False):
    function: _FunctionPiece | None = None
    custom: dict[str, Any] | None = None


class _AudioPiece(msgspec.Struct, gc=False):
    transcript: str | None = None


class Said(msgspec.Struct, gc=False):
    """A message or a delta: the members that hold generated text (WIRE 4.1, 4.4)."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolPiece] | None = None
    function_call: _FunctionPiece | None = None
    audio: _AudioPiece | None = None


class Choice(msgspec.Struct, gc=False):
    """One choice; a stream fills `delta`, a whole answer `message`."""

    index: int = 0
    finish_reason: str | None = None
    delta: Said | None = None
    message: Said | None = None


class Reply(msgspec.Struct, gc=False):
    """A chunk or an answer. `usage` is UNSET where the member is absent; `error` is None there.

    `choices` is None when the object has no such array: it is not a chat completion.
    """

    choices: list[Choice] | None = None
    usage: Stated | UnsetType | None = UNSET
    error: Any = None


_DECODER = msgspec.json.Decoder(Reply)
_LABELS = frozenset({"role", "id", "type", "index", "signature", "format"})
"""Members of a message whose strings are not generated text."""


def read(data: bytes) -> Reply | None:
    """The reply in `data`; None when that is not a JSON object. Members of a wrong type are read as far as they go."""
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError:
        return _tolerant(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def text_bytes(said: Said) -> int:
    """UTF-8 bytes of generated text, tool arguments and reasoning included."""
    text = said.content
    if text is not None and said.tool_calls is None and said.reasoning_content is None and said.reasoning is None:
        return _length(text) + _length(said.refusal)
    count = sum(map(_length, (text, said.reasoning_content, said.reasoning, said.refusal)))
    for tool in said.tool_calls or ():
        count += _function_bytes(tool.function) + _strings_bytes(tool.custom)
    return count + _function_bytes(said.function_call) + (_length(said.audio.transcript) if said.audio else 0)


def says_something(data: bytes) -> bool:
    """Whether a choice carries anything but a role: a non-empty member, a finish, or a shape that is not known.

    True for an object without `choices` too: what is not recognised must be let through, not waited out.
    """
    reply = msgspec.json.decode(data)
    choices = reply.get("choices")
    if not isinstance(choices, list):
        return choices is not None or not reply.get("usage")
    return any(_choice_says(choice) for choice in choices)


def _choice_says(choice: object) -> bool:
    if not isinstance(choice, dict):
        return True
    said = choice.get("delta", choice.get("message"))
    if choice.get("finish_reason") is not None or not isinstance(said, dict):
        return True
    return any(name != "role" and value not in (None, "", [], {}) for name, value in said.items())


def _tolerant(data: bytes) -> Reply | None:
    try:
        reply = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(reply, dict):
        return None
    choices = reply.get("choices")
    return Reply(
        [_choice(choice) for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else None,
        read_usage(reply["usage"]) if "usage" in reply else UNSET,
        reply.get("error"),
    )


def _choice(choice: dict[str, Any]) -> Choice:
    index, finish = choice.get("index"), choice.get("finish_reason")
    said = choice.get("delta", choice.get("message"))
    return Choice(
        index if isinstance(index, int) else 0,
        finish if isinstance(finish, str) else None,
        Said("".join(_strings(said))) if isinstance(said, dict) else None,
    )


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for name, item in value.items() if name not in _LABELS for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return []


def _strings_bytes(value: object) -> int:
    return sum(map(_length, _strings(value)))


def _function_bytes(function: _FunctionPiece | None) -> int:
    return 0 if function is None else _length(function.name) + _length(function.arguments)


def _length(text: str | None) -> int:
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
