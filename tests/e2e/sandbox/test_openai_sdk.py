import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from .vendor import Vendor

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def client(vendor: Vendor) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{vendor.port}/v1", api_key="any", max_retries=0) as made:
        yield made


def test_unary(client: Any) -> None:
    answer = client.chat.completions.create(model="sandbox", messages=HELLO, reasoning_effort="low")
    assert answer.choices[0].message.content.startswith("This is the polyrelay sandbox")
    assert answer.usage.completion_tokens_details.reasoning_tokens == 8
    assert answer.choices[0].finish_reason == "stop"


def test_stream_says_the_same_as_its_chunks(client: Any) -> None:
    options = {"include_usage": True}
    with client.chat.completions.create(model="sandbox", messages=HELLO, stream=True, stream_options=options) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]).startswith("This is the polyrelay")
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens


def test_tools_and_their_answer(client: Any) -> None:
    answer = client.chat.completions.create(model="sandbox", messages=HELLO, tools=[TOOL], tool_choice="required")
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, answer.choices[0].finish_reason) == ("weather", "tool_calls")
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    turn = [*HELLO, answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "20 degrees"}]
    after = client.chat.completions.create(model="sandbox", messages=turn, tools=[TOOL])
    assert "The tool said: 20 degrees" in after.choices[0].message.content


def test_streamed_tools_by_the_sdks_accumulator(client: Any) -> None:
    with client.chat.completions.stream(model="sandbox:tools=2", messages=HELLO, tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [isinstance(json.loads(call.function.arguments)["city"], str) for call in calls] == [True, True]


def test_two_choices(client: Any) -> None:
    answer = client.chat.completions.create(model="sandbox", messages=HELLO, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    with client.chat.completions.stream(model="sandbox", messages=HELLO, n=2) as stream:
        final = stream.get_final_completion()
    assert {choice.message.content for choice in final.choices} != {None}
    assert len(final.choices) == 2


def test_errors_are_the_sdks(client: Any) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="sandbox:status=429,retry-after=2", messages=HELLO)
    assert caught.value.code == "rate_limit_exceeded"
    stream = client.chat.completions.create(model="sandbox:error=2", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="told to fail"):
        list(stream)
    assert "sandbox" in [model.id for model in client.models.list()]
