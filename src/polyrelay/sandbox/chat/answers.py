"""The answer to a chat request, following from the request, its script and the seed alone."""

from dataclasses import dataclass
from typing import Any

import msgspec

from polyrelay.sandbox.chat import prose, schema
from polyrelay.sandbox.chat.request import ChatRequest
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.script import Script

_REASONING_PIECES = {"none": 0, "minimal": 4, "low": 8, "medium": 16, "high": 32, "xhigh": 48, "max": 64}
_MESSAGE_TOKENS = 3
_ATTACHMENT_TOKENS = 85
"""What OpenAI counts for a low-detail image; here for every part that is not text."""
_CACHE_FROM, _CACHE_STEP = 1024, 128
"""OpenAI caches prompts from 1024 tokens on, in steps of 128."""
_ARGUMENT_PIECE = 8


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool; `pieces` joined are its arguments (a function) or its input (a custom tool)."""

    id: str
    name: str
    pieces: tuple[str, ...]
    custom: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the `n` choices; each piece of reasoning, text and arguments is one token."""

    index: int
    reasoning: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    finish: str

    @property
    def tokens(self) -> int:
        """The completion tokens of this choice, reasoning included."""
        return len(self.reasoning) + len(self.pieces) + sum(len(call.pieces) for call in self.calls)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, before it becomes JSON or frames. `created` is seconds since the epoch."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: dict[str, Any]


def answer(request: ChatRequest, script: Script, key: bytes) -> Answer:
    """Make the answer; `key` is the seed and the body, and stands for all chance."""
    dice = Dice(key)
    completion_id, created = f"chatcmpl-sandbox{dice.hex(20)}", 1_700_000_000 + dice.below(50_000_000)
    choices = tuple(_choice(request, script, Dice(key + b"#%d" % index), index) for index in range(request.n or 1))
    return Answer(completion_id, created, request.model, choices, _usage(request, script, choices))


def _choice(request: ChatRequest, script: Script, dice: Dice, index: int) -> Choice:
    most = request.most_tokens
    thoughts = script.reasoning
    if thoughts is None:
        thoughts = _REASONING_PIECES.get(request.reasoning_effort or "none", 16)
    reasoning = tuple(prose.filler(dice, thoughts))[:most]
    left = None if most is None else most - len(reasoning)
    tools = _wanted_tools(request, script)
    if tools:
        calls = tuple(_call(tool, dice) for tool in tools)
        return Choice(index, reasoning, (), calls, script.finish or "tool_calls")
    pieces = _pieces(request, script, dice, index)
    finish = "stop" if left is None or len(pieces) <= left else "length"
    return Choice(index, reasoning, tuple(pieces[:left]), (), script.finish or finish)


def _pieces(request: ChatRequest, script: Script, dice: Dice, index: int) -> list[str]:
    text = prose.reply_text(request, dice, index)
    pieces = prose.pieces_of(text)
    if script.tokens is not None:
        pieces = (pieces + prose.filler(dice, max(0, script.tokens - len(pieces))))[: script.tokens]
    text = "".join(pieces)
    ends = [text.find(stop) for stop in request.stops() if stop in text]
    if ends:
        pieces = prose.pieces_of(text[: min(ends)])
    return prose.shaped(pieces, script.piece, stamp=script.stamp)


def _wanted_tools(request: ChatRequest, script: Script) -> list[dict[str, Any]]:
    """The tools to call: as many as the script says, the one that is forced, or one when the user says "call"."""
    tools, choice, last = request.tools or [], request.tool_choice, request.messages[-1]
    if not tools or choice == "none" or script.tools == 0:
        return []
    if isinstance(choice, dict):
        named = (choice.get(str(choice.get("type"))) or {}).get("name")
        tools = [tool for tool in tools if _definition(tool).get("name") == named] or tools
    forced = choice == "required" or isinstance(choice, dict)
    asked = last.role == "user" and "call" in last.text().lower()
    if script.tools is None and not (forced or asked):
        return []
    return [tools[position % len(tools)] for position in range(script.tools or 1)]


def _definition(tool: dict[str, Any]) -> dict[str, Any]:
    found = tool.get("custom" if tool.get("type") == "custom" else "function")
    return found if isinstance(found, dict) else {}


def _call(tool: dict[str, Any], dice: Dice) -> ToolCall:
    definition, custom = _definition(tool), tool.get("type") == "custom"
    identity = f"call_sandbox{dice.hex(16)}"
    value = schema.example(definition.get("parameters") or {"type": "object"}, dice)
    text = "sandbox input" if custom else msgspec.json.encode(value).decode()
    pieces = [text[at : at + _ARGUMENT_PIECE] for at in range(0, len(text), _ARGUMENT_PIECE)]
    return ToolCall(identity, str(definition.get("name", "unnamed")), tuple(pieces), custom)


def _usage(request: ChatRequest, script: Script, choices: tuple[Choice, ...]) -> dict[str, Any]:
    prompt = _prompt_tokens(request) if script.prompt is None else script.prompt
    cached = prompt // _CACHE_STEP * _CACHE_STEP if prompt >= _CACHE_FROM else 0
    if script.cached is not None:
        cached = min(script.cached, prompt)
    completion = sum(choice.tokens for choice in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(len(choice.reasoning) for choice in choices),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _prompt_tokens(request: ChatRequest) -> int:
    text = sum(len(message.text().encode()) for message in request.messages)
    media = sum(len(message.media()) for message in request.messages)
    tools = len(msgspec.json.encode(request.tools)) if request.tools else 0
    return (
        -(-(text + tools) // prose.TOKEN_BYTES) + _MESSAGE_TOKENS * len(request.messages) + _ATTACHMENT_TOKENS * media
    )
