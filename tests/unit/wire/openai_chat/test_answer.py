import json
from typing import Any

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_chat.answer import observe, tail_usage
from polyrelay.wire.spoken import Seen

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
SEEN = Usage(input_text=3, output_text=2)


def answer(*messages: dict[str, Any], finish: str | None = "stop", **members: Any) -> bytes:
    choices = [{"index": i, "message": m, "finish_reason": finish} for i, m in enumerate(messages)]
    return json.dumps({"id": "a", "choices": choices, **members}).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            answer({"role": "assistant", "content": "é"}, usage=USAGE),
            Seen(usage=SEEN, finish="stop", content_bytes=2),
        ),
        (answer({"content": "a"}, {"content": "b", "refusal": "c"}), Seen(finish="stop", content_bytes=3)),
        (
            answer({"content": None, "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "{}"}}]}),
            Seen(finish="stop", content_bytes=3),
        ),
        (answer({"content": ""}), Seen(finish="stop")),
        (answer({"role": "assistant", "content": ""}, finish=None), Seen(empty=True)),
        (answer(), Seen(empty=True)),
        (answer(usage=USAGE), Seen(empty=True, usage=SEEN)),
        (b'{"code":500,"msg":"busy"}', Seen(empty=True)),
        (b'{"error":{"message":"x"}}', Seen(error=True, empty=True)),
        (b'{"error":null,"choices":[{"message":{"content":"x"}}]}', Seen(content_bytes=1)),
        (b"", Seen(empty=True)),
        (b" \n", Seen(empty=True)),
        (b"<html>", Seen(garbled=True)),
        (b"[]", Seen(garbled=True)),
        (b'{"choices":[', Seen(garbled=True)),
        (answer({"content": "x"}, usage={"prompt_tokens": "3"}), Seen(finish="stop", content_bytes=1)),
        (answer({"content": [{"type": "text", "text": "abc"}]}), Seen(finish="stop", content_bytes=3)),
    ],
)
def test_an_answer_is_observed(body: bytes, expected: Seen) -> None:
    assert observe(body) == expected


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (b'es":1},"usage":{"prompt_tokens":3,"completion_tokens":2},"x":[1]} ', SEEN),
        (b'"usage" : {"prompt_tokens":3,"completion_tokens":2}}', SEEN),
        (b'"usage":{"prompt_tokens":3,"completion_tokens":2},"x_groq":{"usage":{"prompt_tokens":9}}}', SEEN),
        (b'"x_groq":{"usage":{"prompt_tokens":9}}}', None),
        (b'"usage":{"prompt_tokens":3,"completion_tokens":2}', None),
        (b'"usage":null}', None),
        (b'\\"usage":{"prompt_tokens":3}}', None),
        (b'he said \\"usage\\":{"prompt_tokens":3}}', None),
        (b'"usage"}', None),
        (b"", None),
        (b'"usage":' * 1000, None),
    ],
)
def test_usage_is_found_at_the_end_of_a_large_answer(tail: bytes, expected: Usage | None) -> None:
    assert tail_usage(tail) == expected
