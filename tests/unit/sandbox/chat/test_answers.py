import base64
import hashlib
import json
from typing import Any

import pytest

from polyrelay.sandbox import script
from polyrelay.sandbox.chat import answers, request
from polyrelay.sandbox.chat.answers import Answer


def ask(options: str = "", **fields: object) -> Answer:
    body = {"model": "sandbox", "messages": [{"role": "user", "content": "hello there"}], **fields}
    asked = request.decode(json.dumps(body).encode())
    return answers.answer(asked, script.for_model(f"sandbox:{options}"), b"0:" + json.dumps(body).encode())


def text(answer: Answer, index: int = 0) -> str:
    return "".join(answer.choices[index].pieces)


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
            "required": ["city"],
        },
    },
}


def test_the_same_question_has_the_same_answer_and_another_one_another() -> None:
    assert ask() == ask()
    assert ask().id != ask(user="someone").id


def test_it_says_that_it_is_a_sandbox_and_what_it_was_told() -> None:
    assert text(ask()).startswith("This is the polyrelay sandbox, not a model. The user said: hello there")


def test_choices_differ() -> None:
    answer = ask(n=3)
    assert len({text(answer, index) for index in range(3)}) == 3
    assert answer.usage["completion_tokens"] == sum(len(choice.pieces) for choice in answer.choices)


def test_tokens_are_exactly_as_scripted() -> None:
    for tokens in (0, 1, 5, 64):
        answer = ask(f"tokens={tokens}")
        assert len(answer.choices[0].pieces) == tokens
        assert answer.usage["completion_tokens"] == tokens


def test_the_cap_ends_with_length() -> None:
    answer = ask(max_tokens=3)
    assert (answer.choices[0].finish, answer.usage["completion_tokens"]) == ("length", 3)
    assert ask(max_tokens=3, max_completion_tokens=4).usage["completion_tokens"] == 4


def test_reasoning_counts_against_the_cap() -> None:
    answer = ask("reasoning=5", max_completion_tokens=7)
    choice = answer.choices[0]
    assert (len(choice.reasoning), len(choice.pieces), choice.finish) == (5, 2, "length")
    assert answer.usage["completion_tokens_details"]["reasoning_tokens"] == 5


def test_reasoning_effort_gives_reasoning() -> None:
    assert len(ask(reasoning_effort="low").choices[0].reasoning) == 8
    assert ask(reasoning_effort="none").choices[0].reasoning == ()


def test_stop_sequences_end_the_text_before_them() -> None:
    assert text(ask(stop="sandbox")) == "This is the polyrelay "
    assert text(ask(stop=["nowhere", ", not"])) == "This is the polyrelay sandbox"


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        {"messages": [{"role": "user", "content": "please call it"}]},
    ],
)
def test_tools_are_called_when_asked(fields: dict[str, Any]) -> None:
    choice = ask(tools=[WEATHER], **fields).choices[0]
    arguments = json.loads("".join(choice.calls[0].pieces))
    assert (choice.finish, choice.calls[0].name, choice.pieces) == ("tool_calls", "weather", ())
    assert isinstance(arguments["city"], str)
    assert 1 <= arguments["days"] <= 5


def test_tools_are_left_alone_otherwise() -> None:
    assert ask(tools=[WEATHER]).choices[0].calls == ()
    assert ask("tools=2", tools=[WEATHER], tool_choice="none").choices[0].calls == ()
    assert ask(tools=[WEATHER], messages=[{"role": "tool", "content": "call: 20 degrees"}]).choices[0].calls == ()


def test_the_script_says_how_many_tools() -> None:
    custom = {"type": "custom", "custom": {"name": "free"}}
    calls = ask("tools=3", tools=[WEATHER, custom]).choices[0].calls
    assert [(call.name, call.custom) for call in calls] == [("weather", False), ("free", True), ("weather", False)]
    assert len({call.id for call in calls}) == 3


def test_structured_output() -> None:
    assert json.loads(text(ask(response_format={"type": "json_object"})))["sandbox"] is True
    shape = {"name": "s", "schema": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}}}
    assert json.loads(text(ask(response_format={"type": "json_schema", "json_schema": shape})))["kind"] in ("a", "b")


def test_media_is_acknowledged_by_size_and_hash() -> None:
    raw = bytes(range(256)) * 3
    encoded = base64.b64encode(raw).decode()
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
        {"type": "input_audio", "input_audio": {"data": encoded, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": encoded}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,???"}},
    ]
    said = text(ask(messages=[{"role": "user", "content": parts}]))
    digest = hashlib.sha256(raw).hexdigest()[:12]
    for kind in ("image", "audio", "file"):
        assert f"Received {kind} of 768 bytes, sha256 {digest}." in said
    assert "file by reference file-1" in said
    assert "video at https://example.com/v.mp4 (not fetched)" in said
    assert "image that is not base64, 3 characters" in said


def test_usage_is_derived_or_as_scripted() -> None:
    assert ask().usage["prompt_tokens"] == 3 + 3
    long = ask(messages=[{"role": "user", "content": "x" * 8000}]).usage
    assert (long["prompt_tokens"], long["prompt_tokens_details"]["cached_tokens"]) == (2003, 1920)
    scripted = ask("prompt=1000,cached=400,tokens=10").usage
    assert (scripted["prompt_tokens"], scripted["completion_tokens"], scripted["total_tokens"]) == (1000, 10, 1010)
    assert scripted["prompt_tokens_details"]["cached_tokens"] == 400


def test_pieces_have_the_scripted_size() -> None:
    assert {len(piece) for piece in ask("tokens=4,piece=100").choices[0].pieces} == {100}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "truncated"),
        (b"{no}", "malformed"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[{"content":"x"}]}', r"messages\[0\]"),
        (b'{"model":1,"messages":[]}', "model"),
        (b'{"model":"m","n":0.5,"messages":[{"role":"user","content":"x"}]}', "n"),
        (b'{"model":"m","n":200,"messages":[{"role":"user","content":"x"}]}', "n must be"),
    ],
)
def test_what_is_no_chat_request_is_refused(body: bytes, where: str) -> None:
    with pytest.raises(request.RequestError, match=where):
        request.decode(body)
