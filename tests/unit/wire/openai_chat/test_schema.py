import json
from typing import Any

import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.openai_chat import request

PART_TYPES = "'text', 'image_url', 'input_audio', 'file', 'video_url'"
USER = {"role": "user", "content": "hi"}
FUNCTION = {"type": "function", "function": {"name": "f"}}
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [USER], **fields}).encode()


def said(**message: Any) -> bytes:
    return body(messages=[message])


def part(**member: Any) -> bytes:
    return said(role="user", content=[member])


def refused(text: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request.read(text)
    assert caught.value.final
    return caught.value


ACCEPTED: dict[str, list[Any]] = {
    "temperature": [0, 0.0, 1, 2, 2.0, 1.5, 2e0],
    "top_p": [0, 0.5, 1],
    "n": [1, 129, 2**31],
    "presence_penalty": [-2, 0, 2, -1.5],
    "frequency_penalty": [-2, 0, 2],
    "stream": [True, False],
    "stream_options": [{}, {"include_usage": True}, {"include_usage": None, "include_obfuscation": False, "x": 1}],
    "stop": ["", "x", [], ["a"], ["a"] * 1000],
    "max_tokens": [0, 1, 2**63 - 1],
    "max_completion_tokens": [0, 1, 100],
    "logit_bias": [{}, {"5": -100, "6": 1.5}, {str(i): 0 for i in range(10_000)}],
    "logprobs": [True],
    "top_logprobs": [0, 20],
    "user": ["", "u"],
    "seed": [0, -5, 2**63],
    "tools": [
        [],
        [FUNCTION],
        [FUNCTION] * 4096,
        [{}],
        [{"type": "function"}, {"type": "custom"}],
        [{"type": "function", "function": {}}],
        [{"function": {"name": "f", "parameters": {"type": "object"}, "strict": None, "description": "d"}}],
        [{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}],
        [{"type": "web_search", "web_search": {"enable": True}}],
    ],
    "tool_choice": [
        "none",
        "auto",
        "required",
        FUNCTION,
        {"function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FUNCTION]}},
        {"type": "web_search"},
        {},
        {"type": "function"},
        {"type": "function", "function": {}},
        {"type": "allowed_tools"},
    ],
    "parallel_tool_calls": [True],
    "functions": [[{"name": "f"}]],
    "function_call": ["none", "auto", {"name": "f"}],
    "response_format": [
        {},
        {"type": "json_schema"},
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {}},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    ],
    "reasoning_effort": ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
    "verbosity": ["low", "medium", "high"],
    "modalities": [[], ["text"], ["text", "audio"]],
    "audio": [{}, {"voice": "alloy", "format": "wav"}, {"voice": {"id": "v"}, "format": "anything"}],
    "prediction": [
        {"type": "content", "content": "x"},
        {"type": "content", "content": [{"type": "text", "text": "x"}]},
    ],
    "service_tier": ["auto", "default", "flex", "scale", "priority", "fast", "gold", ""],
    "store": [True],
    "metadata": [{}, {"a": "b"}, {str(i): "" for i in range(1000)}],
    "web_search_options": [
        {},
        {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {}}},
    ],
    "moderation": [{"model": "x"}],
    "safety_identifier": ["x"],
    "prompt_cache_key": ["x"],
    "enable_thinking": [True, {"anything": [1]}],
}

REFUSED: list[tuple[str, Any, str, str]] = [
    ("model", "", "model", "empty_string"),
    ("model", 1, "model", "invalid_type"),
    ("model", None, "model", "invalid_type"),
    ("messages", [], "messages", "empty_array"),
    ("messages", "x", "messages", "invalid_type"),
    ("messages", None, "messages", "invalid_type"),
    ("messages", [1], "messages[0]", "invalid_type"),
    ("temperature", -0.01, "temperature", "decimal_below_min_value"),
    ("temperature", 2.01, "temperature", "decimal_above_max_value"),
    ("temperature", "1", "temperature", "invalid_type"),
    ("temperature", True, "temperature", "invalid_type"),
    ("top_p", -0.1, "top_p", "decimal_below_min_value"),
    ("top_p", 1.1, "top_p", "decimal_above_max_value"),
    ("n", 0, "n", "integer_below_min_value"),
    ("n", 2**31 + 1, "n", "integer_above_max_value"),
    ("n", 1.0, "n", "invalid_type"),
    ("n", True, "n", "invalid_type"),
    ("presence_penalty", -2.1, "presence_penalty", "decimal_below_min_value"),
    ("presence_penalty", 2.1, "presence_penalty", "decimal_above_max_value"),
    ("frequency_penalty", -3, "frequency_penalty", "decimal_below_min_value"),
    ("frequency_penalty", 3, "frequency_penalty", "decimal_above_max_value"),
    ("stream", "true", "stream", "invalid_type"),
    ("stream", 1, "stream", "invalid_type"),
    ("stream_options", True, "stream_options", "invalid_type"),
    ("stream_options", {"include_usage": 1}, "stream_options.include_usage", "invalid_type"),
    ("stream_options", {"include_obfuscation": "x"}, "stream_options.include_obfuscation", "invalid_type"),
    ("stop", 1, "stop", "invalid_type"),
    ("stop", [1], "stop[0]", "invalid_type"),
    ("max_completion_tokens", -1, "max_completion_tokens", "integer_below_min_value"),
    ("service_tier", 1, "service_tier", "invalid_type"),
    ("stop", ["a"] * 1001, "stop", "array_above_max_length"),
    ("metadata", {str(i): "" for i in range(1001)}, "metadata", "object_above_max_length"),
    ("logit_bias", {str(i): 0 for i in range(10_001)}, "logit_bias", "object_above_max_length"),
    ("tools", [{}] * 4097, "tools", "array_above_max_length"),
    ("messages", [USER] * 100_001, "messages", "array_above_max_length"),
    ("tools", [{"function": 1}], "tools[0].function", "invalid_type"),
    ("tool_choice", {"function": {"name": 1}}, "tool_choice.function.name", "invalid_type"),
    ("response_format", {"type": 1}, "response_format.type", "invalid_type"),
    ("max_tokens", -1, "max_tokens", "integer_below_min_value"),
    ("max_tokens", 2**63, "max_tokens", "integer_above_max_value"),
    ("max_tokens", 10**30, "max_tokens", "integer_above_max_value"),
    ("max_tokens", 1.5, "max_tokens", "invalid_type"),
    ("logit_bias", [], "logit_bias", "invalid_type"),
    ("logit_bias", {"5": "x"}, "logit_bias[...]", "invalid_type"),
    ("logprobs", 1, "logprobs", "invalid_type"),
    ("top_logprobs", -1, "top_logprobs", "integer_below_min_value"),
    ("top_logprobs", 21, "top_logprobs", "integer_above_max_value"),
    ("user", 5, "user", "invalid_type"),
    ("seed", "5", "seed", "invalid_type"),
    ("seed", 1.5, "seed", "invalid_type"),
    ("tools", {}, "tools", "invalid_type"),
    ("tools", [{"function": {"name": 1}}], "tools[0].function.name", "invalid_type"),
    ("tools", [{"function": {"name": "f", "parameters": []}}], "tools[0].function.parameters", "invalid_type"),
    ("tool_choice", "any", "tool_choice", "invalid_value"),
    ("tool_choice", 1, "tool_choice", "invalid_type"),
    (
        "tool_choice",
        {"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": []}},
        "tool_choice.allowed_tools.mode",
        "invalid_value",
    ),
    ("parallel_tool_calls", "x", "parallel_tool_calls", "invalid_type"),
    ("functions", [], "functions", "empty_array"),
    ("functions", [{"name": "f"}] * 129, "functions", "array_above_max_length"),
    ("functions", [{}], "functions[0].name", "missing_required_parameter"),
    ("function_call", "required", "function_call", "invalid_value"),
    ("function_call", {}, "function_call.name", "missing_required_parameter"),
    ("response_format", "text", "response_format", "invalid_type"),
    ("response_format", {"type": "xml"}, "response_format.type", "invalid_value"),
    ("response_format", {"type": "json_schema", "json_schema": 1}, "response_format.json_schema", "invalid_type"),
    ("reasoning_effort", "extreme", "reasoning_effort", "invalid_value"),
    ("reasoning_effort", 1, "reasoning_effort", "invalid_type"),
    ("verbosity", "x", "verbosity", "invalid_value"),
    ("modalities", ["video"], "modalities[0]", "invalid_value"),
    ("modalities", "text", "modalities", "invalid_type"),
    ("audio", "x", "audio", "invalid_type"),
    ("audio", {"voice": 1}, "audio.voice", "invalid_type"),
    ("audio", {"format": 1}, "audio.format", "invalid_type"),
    ("prediction", {"type": "x", "content": ""}, "prediction.type", "invalid_value"),
    ("store", "x", "store", "invalid_type"),
    ("metadata", {"a": 1}, "metadata[...]", "invalid_type"),
    ("web_search_options", {"search_context_size": "x"}, "web_search_options.search_context_size", "invalid_value"),
]


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in ACCEPTED.items() for v in values])
def test_what_the_contract_allows_is_accepted(field: str, value: Any) -> None:
    text = body(**{field: value})
    assert request.read(text).splice(model=None, ask_usage=False) is text


@pytest.mark.parametrize("field", sorted(ACCEPTED))
def test_null_equals_absent(field: str) -> None:
    assert request.read(body(**{field: None})).call.model == "m"


@pytest.mark.parametrize(("field", "value", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_the_contract_forbids_is_refused_by_name(field: str, value: Any, param: str, code: str) -> None:
    refusal = refused(body(**{field: value}))
    assert (refusal.param, refusal.code) == (param, code)
    assert f"'{param}'" in refusal.message


@pytest.mark.parametrize("field", ["model", "messages"])
def test_required_fields(field: str) -> None:
    fields = {"model": "m", "messages": [USER]}
    del fields[field]
    refusal = refused(json.dumps(fields).encode())
    assert (refusal.param, refusal.code) == (field, "missing_required_parameter")


PARTS = [
    {"type": "text", "text": "x"},
    {"type": "image_url", "image_url": {"url": "https://x", "detail": "auto"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "x", "detail": "high"}, "cache_control": {"type": "ephemeral"}},
    {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
    {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
    {"type": "input_audio", "input_audio": {"data": "https://x"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "QUJD"}},
    {"type": "file", "file": {"file_id": "f"}},
    *({"type": kind} for kind in ("text", "image_url", "input_audio", "file", "video_url")),
    *({"type": kind, kind: {}} for kind in ("image_url", "input_audio", "file", "video_url")),
    {"type": "video_url", "video_url": {"url": "https://x"}},
]

MESSAGES = [
    *({"role": role, "content": "x", "name": "n"} for role in ("system", "user", "assistant", "developer")),
    *({"role": role, "content": [p]} for role in ("system", "user", "assistant", "developer") for p in PARTS),
    {"role": "tool", "content": "x", "tool_call_id": "c"},
    {"role": "tool", "content": PARTS, "tool_call_id": "c"},
    {"role": "tool", "content": "x"},
    {"role": "tool", "content": "x", "tool_call_id": None},
    {"role": "user", "content": []},
    {"role": "function", "content": "x", "name": "f"},
    {"role": "function", "content": None, "name": "f"},
    {"role": "user", "content": ""},
    {"content": "role comes last", "role": "user"},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "assistant", "tool_calls": CALLS, "reasoning_content": "because"},
    {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "n", "input": "i"}}]},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "assistant", "content": None, "audio": {"id": "a"}},
    {"role": "assistant", "content": None, "refusal": "no"},
    {"role": "assistant", "content": "x", "refusal": None, "tool_calls": []},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    {"role": "assistant", "content": "x", "prefix": True},
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_messages_of_the_contract(message: dict[str, Any]) -> None:
    text = said(**message)
    assert request.read(text).splice(model=None, ask_usage=False) is text


BAD_MESSAGES: list[tuple[dict[str, Any], str, str]] = [
    ({"content": "x"}, "role", "missing_required_parameter"),
    ({"role": "robot", "content": "x"}, "role", "invalid_value"),
    ({"role": 1, "content": "x"}, "role", "invalid_type"),
    ({"role": None, "content": "x"}, "role", "invalid_type"),
    *(
        ({"role": role}, "content", "missing_required_parameter")
        for role in ("system", "user", "assistant", "developer")
    ),
    *(({"role": role, "content": None}, "content", "invalid_type") for role in ("system", "user", "developer")),
    ({"role": "assistant", "content": None}, "content", "missing_required_parameter"),
    ({"role": "assistant", "content": None, "tool_calls": []}, "content", "missing_required_parameter"),
    ({"role": "user", "content": 1}, "content", "invalid_type"),
    ({"role": "user", "content": {}}, "content", "invalid_type"),
    ({"role": "user", "content": [PARTS[0]] * 10_001}, "content", "array_above_max_length"),
    ({"role": "assistant", "tool_calls": CALLS * 1001}, "tool_calls", "array_above_max_length"),
    ({"role": "user", "content": ["x"]}, "content[0]", "invalid_type"),
    ({"role": "tool", "tool_call_id": "c"}, "content", "missing_required_parameter"),
    ({"role": "tool", "content": "x", "tool_call_id": 5}, "tool_call_id", "invalid_type"),
    ({"role": "function", "content": "x"}, "name", "missing_required_parameter"),
    ({"role": "user", "content": "x", "name": 1}, "name", "invalid_type"),
    ({"role": "user", "content": "x", "reasoning_content": 1}, "reasoning_content", "invalid_type"),
    ({"role": "assistant", "tool_calls": {}}, "tool_calls", "invalid_type"),
    ({"role": "assistant", "tool_calls": [1]}, "tool_calls[0]", "invalid_type"),
    ({"role": "assistant", "tool_calls": [{"id": 1}]}, "tool_calls[0].id", "invalid_type"),
    (
        {"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]},
        "tool_calls[0].function.arguments",
        "invalid_type",
    ),
]


@pytest.mark.parametrize(("message", "param", "code"), BAD_MESSAGES, ids=range(len(BAD_MESSAGES)))
def test_bad_messages_are_refused_by_name(message: dict[str, Any], param: str, code: str) -> None:
    refusal = refused(said(**message))
    assert (refusal.param, refusal.code) == (f"messages[0].{param}", code)


BAD_PARTS: list[tuple[dict[str, Any], str, str]] = [
    ({"text": "x"}, "type", "missing_required_parameter"),
    ({"type": "refusal", "refusal": "x"}, "type", "invalid_value"),
    ({"type": "hologram"}, "type", "invalid_value"),
    *(
        ({"type": kind, kind: 5}, kind, "invalid_type")
        for kind in ("text", "image_url", "input_audio", "file", "video_url")
    ),
    ({"type": "image_url", "image_url": "https://x"}, "image_url", "invalid_type"),
    ({"type": "image_url", "image_url": {"url": 1}}, "image_url.url", "invalid_type"),
    ({"type": "image_url", "image_url": {"url": "x", "detail": "max"}}, "image_url.detail", "invalid_value"),
    ({"type": "input_audio", "input_audio": {"data": "x", "format": "ogg"}}, "input_audio.format", "invalid_value"),
    ({"type": "file", "file": {"file_id": 1}}, "file.file_id", "invalid_type"),
]


@pytest.mark.parametrize(("member", "param", "code"), BAD_PARTS, ids=str)
def test_bad_parts_are_refused_by_name(member: dict[str, Any], param: str, code: str) -> None:
    refusal = refused(part(**member))
    assert (refusal.param, refusal.code) == (f"messages[0].content[0].{param}", code)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (body(n=0), "Invalid 'n': integer below minimum value. Expected a value >= 1."),
        (body(temperature=3), "Invalid 'temperature': decimal above maximum value. Expected a value <= 2."),
        (body(stop=5), "Invalid type for 'stop': expected a string or an array, but got an integer instead."),
        (body(messages=[]), "Invalid 'messages': empty array. Expected an array with at least 1 element(s)."),
        (body(verbosity="x"), "Invalid value for 'verbosity': 'x'. Supported values are: 'low', 'medium', 'high'."),
        (
            part(type="refusal", refusal="x"),
            f"Invalid value for 'messages[0].content[0].type': 'refusal'. Supported values are: {PART_TYPES}.",
        ),
        (said(role="tool"), "Missing required parameter: 'messages[0].content'."),
    ],
)
def test_messages_say_what_is_allowed(text: bytes, message: str) -> None:
    assert refused(text).message == message


def test_every_closed_field_lists_its_values() -> None:
    for _, value, param, code in REFUSED:
        if code == "invalid_value":
            refusal = refused(body(**{_: value}))
            assert "Supported values are" in refusal.message, param


def test_a_number_out_of_range_is_refused() -> None:
    assert (
        refused(b'{"model":"m","messages":[{"role":"user","content":""}],"temperature":1e999}').param == "temperature"
    )
