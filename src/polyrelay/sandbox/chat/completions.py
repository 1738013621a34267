"""An answer as JSON: one `chat.completion`, or the chunks of a stream (WIRE 4.1)."""

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import msgspec

from polyrelay.sandbox.chat.answers import Answer, Choice, ToolCall
from polyrelay.sandbox.chat.request import ChatRequest
from polyrelay.sandbox.frames import Chunks
from polyrelay.sandbox.script import Script

FINGERPRINT = "sandbox"
"""Says `system_fingerprint` of every answer, so that none is mistaken for a model's."""

_encode = msgspec.json.encode
_Delta = tuple[dict[str, Any], int]


def completion(answer: Answer, request: ChatRequest, script: Script) -> bytes:
    """The unary body."""
    whole: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_whole_choice(choice, logprobs=bool(request.logprobs)) for choice in answer.choices],
        "usage": answer.usage,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    if script.usage == "none":
        del whole["usage"]
    return _encode(whole)


def chunks(answer: Answer, request: ChatRequest, script: Script) -> Chunks:
    """The stream's payloads, choices interleaved, without `[DONE]`."""
    frame = _Frame(answer, request, script)
    rounds = zip_longest(*(_deltas(choice, logprobs=bool(request.logprobs)) for choice in answer.choices))
    content, spent = [], 0
    for index, given in chain.from_iterable(enumerate(turn) for turn in rounds):
        if given is not None:
            spent += given[1]
            content.append(frame.choice(index, given[0], None, spent))
    ending = [frame.choice(choice.index, {"delta": {}}, choice.finish, spent) for choice in answer.choices]
    if script.usage == "last":
        ending[-1] = frame.closing(answer.choices[-1])
    elif request.wants_usage and script.usage != "none":
        ending.append(frame.usage())
    return Chunks(content, ending)


class _Frame:
    """Writes the chunks of one answer."""

    def __init__(self, answer: Answer, request: ChatRequest, script: Script) -> None:
        self._answer = answer
        self._head = {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": answer.created,
            "model": answer.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        }
        self._every = script.usage == "every"
        self._null = request.wants_usage and script.usage in ("asked", "last")

    def choice(self, index: int, delta: dict[str, Any], finish: str | None, spent: int) -> bytes:
        choice = {"index": index, **delta}
        choice.setdefault("logprobs", None)
        choice["finish_reason"] = finish
        return self._chunk([choice], self._so_far(spent) if self._every else None, named=self._every or self._null)

    def closing(self, choice: Choice) -> bytes:
        """The last choice's finish with the usage in the same chunk, as some vendors do."""
        last = {"index": choice.index, "delta": {}, "logprobs": None, "finish_reason": choice.finish}
        return self._chunk([last], self._answer.usage, named=True)

    def usage(self) -> bytes:
        return self._chunk([], self._answer.usage, named=True)

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None, *, named: bool) -> bytes:
        chunk: dict[str, Any] = {**self._head, "choices": choices}
        if named:
            chunk["usage"] = usage
        return _encode(chunk)

    def _so_far(self, spent: int) -> dict[str, Any]:
        prompt = self._answer.usage["prompt_tokens"]
        return {"prompt_tokens": prompt, "completion_tokens": spent, "total_tokens": prompt + spent}


def _deltas(choice: Choice, *, logprobs: bool) -> Iterator[_Delta]:
    """What a choice streams: each delta with the tokens it is worth."""
    calling = bool(choice.calls)
    yield {"delta": {"role": "assistant", "content": None if calling else "", "refusal": None}}, 0
    for piece in choice.reasoning:
        yield {"delta": {"reasoning_content": piece}}, 1
    for piece in choice.pieces:
        delta: dict[str, Any] = {"delta": {"content": piece}}
        if logprobs:
            delta["logprobs"] = {"content": [_logprob(piece)], "refusal": None}
        yield delta, 1
    for position, call in enumerate(choice.calls):
        kind, member = _kind(call)
        opening = {"index": position, "id": call.id, "type": kind, kind: {"name": call.name, member: ""}}
        yield {"delta": {"tool_calls": [opening]}}, 0
        for piece in call.pieces:
            yield {"delta": {"tool_calls": [{"index": position, kind: {member: piece}}]}}, 1


def _whole_choice(choice: Choice, *, logprobs: bool) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls else "".join(choice.pieces),
        "refusal": None,
        "annotations": [],
    }
    if choice.reasoning:
        message["reasoning_content"] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [_whole_call(call) for call in choice.calls]
    listed = {"content": [_logprob(piece) for piece in choice.pieces], "refusal": None} if logprobs else None
    return {"index": choice.index, "message": message, "logprobs": listed, "finish_reason": choice.finish}


def _whole_call(call: ToolCall) -> dict[str, Any]:
    kind, member = _kind(call)
    return {"id": call.id, "type": kind, kind: {"name": call.name, member: "".join(call.pieces)}}


def _kind(call: ToolCall) -> tuple[str, str]:
    return ("custom", "input") if call.custom else ("function", "arguments")


def _logprob(piece: str) -> dict[str, Any]:
    return {"token": piece, "logprob": -0.25, "bytes": list(piece.encode()), "top_logprobs": []}
