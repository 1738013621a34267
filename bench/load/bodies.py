"""Request bodies, and the model names that tell the upstreams what to do."""

import json

UNARY = "unary"
_TURN = "Tell me in plain words how a relay passes a stream of tokens on without holding any of them back. "


def paced(pace_ms: int, events: int) -> str:
    """The model that streams `events` deltas, one each `pace_ms`."""
    return f"pace-{pace_ms}x{events}"


def chat(model: str, *, about_bytes: int = 1000, stream: bool = False) -> bytes:
    """A chat request of about that many bytes, in plain text, which every contender accepts."""
    text = (_TURN * (about_bytes // len(_TURN) + 1))[: max(about_bytes - 180, 16)]
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": text}],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if stream:
        body["stream"] = True
    return json.dumps(body).encode()


def speech(model: str) -> bytes:
    """A request for speech."""
    return json.dumps({"model": model, "input": _TURN, "voice": "alloy", "response_format": "mp3"}).encode()


def completion() -> bytes:
    """The fixed answer of the unary upstream, about 1 KB."""
    answer = {
        "id": "chatcmpl-bench0000000000000000000000",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "unary",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": (_TURN * 8)[:620], "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 190,
            "completion_tokens": 124,
            "total_tokens": 314,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "system_fingerprint": "fp_bench",
    }
    return json.dumps(answer, separators=(",", ":")).encode()
