import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.call import BillingGroup, Call
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import outline
from polyrelay.wire.openai_chat import request

HEAD = '{"model":"m","messages":[{"role":"user","content":"é"}]'
ASK = '"stream_options":{"include_usage":true}'


def text(tail: str = "") -> bytes:
    return (HEAD + tail + "}").encode()


def spliced(body: bytes, model: str | None = None, *, extras: bool = False, ask: bool = True) -> bytes:
    return request.read(body, billing_extras=extras).splice(model=model, ask_usage=ask)


def refusal(body: bytes, *, extras: bool = False) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request.read(body, billing_extras=extras)
    return caught.value


def test_the_call_is_read() -> None:
    body = text(',"stream":true,"n":3,"max_tokens":5')
    assert request.read(body).call == Call(model="m", stream=True, input_bytes=len(body), max_output=5, choices=3)
    assert request.read(text()).call == Call(model="m", stream=False, input_bytes=len(text()))


def test_of_two_output_caps_the_larger_is_reserved() -> None:
    assert request.read(text(',"max_tokens":5,"max_completion_tokens":9')).call.max_output == 9
    assert request.read(text(',"max_tokens":9,"max_completion_tokens":5')).call.max_output == 9


@pytest.mark.parametrize(
    ("tail", "asked"),
    [
        ("", False),
        (',"stream_options":null', False),
        (',"stream_options":{"include_usage":false}', False),
        (',"stream_options":{"include_usage":true}', True),
    ],
)
def test_whether_the_client_asked_for_usage(tail: str, *, asked: bool) -> None:
    assert request.read(text(',"stream":true' + tail)).asked_usage is asked


@pytest.mark.parametrize(
    ("tail", "model", "expected"),
    [
        ("", None, HEAD + "}"),
        ("", "m", HEAD + "}"),
        ("", 'q"é', HEAD.replace('"m"', '"q\\"é"') + "}"),
        (',"stream":false,"stream_options":null', None, HEAD + ',"stream":false,"stream_options":null}'),
        (',"stream":true', None, HEAD.replace('"m"', '"m",' + ASK) + ',"stream":true}'),
        (',"stream":true', "q", HEAD.replace('"m"', '"q",' + ASK) + ',"stream":true}'),
        (
            ',"stream":true, "stream_options" : null ',
            None,
            HEAD + ',"stream":true, "stream_options" : {"include_usage":true} }',
        ),
        (',"stream":true,"stream_options":{ }', None, HEAD + ',"stream":true,' + ASK + "}"),
        (
            ',"stream":true,"stream_options":{ "include_usage" : false , "x":[1] }',
            "q",
            HEAD.replace('"m"', '"q"') + ',"stream":true,"stream_options":{ "include_usage" : true , "x":[1] }}',
        ),
        (
            ',"stream":true,"stream_options":{"x":1}',
            None,
            HEAD + ',"stream":true,"stream_options":{"include_usage":true,"x":1}}',
        ),
        (
            ',"stream":true,"stream_options":{"include_usage":null}',
            None,
            HEAD + ',"stream":true,"stream_options":{"include_usage":true}}',
        ),
        (',"stream":true,' + ASK, None, HEAD + ',"stream":true,' + ASK + "}"),
    ],
)
def test_only_what_must_change_changes(tail: str, model: str | None, expected: str) -> None:
    assert spliced(text(tail), model) == expected.encode()


def test_the_body_itself_is_returned_when_nothing_changes() -> None:
    body = text(',"stream":true')
    assert spliced(body, "m", ask=False) is body


def test_a_model_after_the_options_is_spliced_in_order() -> None:
    body = b'{"stream_options":{},"stream":true,"messages":[{"role":"user","content":""}],"model":"m"}'
    assert spliced(body, "q") == (
        b'{"stream_options":{"include_usage":true},"stream":true,"messages":[{"role":"user","content":""}],"model":"q"}'
    )


@pytest.mark.parametrize(
    ("tail", "billing"),
    [
        ("", BillingGroup(None, "ai_chat")),
        (',"billingGroupId":null,"source":null', BillingGroup(None, "ai_chat")),
        (',"billingGroupId":"g"', BillingGroup("g", "ai_chat")),
        (',"source":"plugin","billingGroupId":"g"', BillingGroup("g", "plugin")),
        (',"billingGroupId":"' + "g" * 256 + '"', BillingGroup("g" * 256, "ai_chat")),
    ],
)
def test_billing_extras_are_read_and_left_out(tail: str, billing: BillingGroup) -> None:
    body = text(tail)
    read = request.read(body, billing_extras=True)
    assert read.call.billing == billing
    assert read.splice(model=None, ask_usage=False) == text()


def test_billing_extras_may_come_first() -> None:
    rest = b'"messages":[{"role":"user","content":""}],"stream":true}'
    body = b'{"billingGroupId":"g", "source":"plugin" , "model":"m",' + rest
    assert spliced(body, "q", extras=True) == b'{"model":"q",' + ASK.encode() + b"," + rest


def test_billing_extras_may_follow_the_model() -> None:
    body = b'{"model":"m","source":"plugin","messages":[{"role":"user","content":""}],"stream":true}'
    assert spliced(body, "q", extras=True) == (
        b'{"model":"q","stream_options":{"include_usage":true},"messages":[{"role":"user","content":""}],"stream":true}'
    )


@pytest.mark.parametrize(
    ("tail", "param", "code"),
    [
        (',"billingGroupId":""', "billingGroupId", "empty_string"),
        (',"billingGroupId":1', "billingGroupId", "invalid_type"),
        (',"billingGroupId":"' + "g" * 257 + '"', "billingGroupId", "string_above_max_length"),
        (',"source":"ai_image"', "source", "invalid_value"),
        (',"source":1', "source", "invalid_type"),
        (',"billinggroupid":"g"', "billinggroupid", "unknown_parameter"),
        (',"Source":"plugin"', "Source", "unknown_parameter"),
    ],
)
def test_bad_billing_extras_are_refused(tail: str, param: str, code: str) -> None:
    found = refusal(text(tail), extras=True)
    assert (found.param, found.code) == (param, code)
    body = text(tail)
    assert spliced(body) is body


@pytest.mark.parametrize(
    "key", ["Model", "MODEL", "Messages", "Stream", "\u017ftream", "max_to\u212aens", "Stream_Options"]
)
def test_keys_that_differ_by_case_are_refused(key: str) -> None:
    found = refusal(text(f',"{key}":null'))
    assert (found.param, found.code) == (key, "unknown_parameter")
    assert "Did you mean" in found.message


@pytest.mark.parametrize("tail", [',"model":"m"', ',"stream":true,"stream":false', ', "mod\\u0065l":"q"'])
def test_repeated_keys_are_refused(tail: str) -> None:
    found = refusal(text(tail))
    assert found.code == "duplicate_member"
    assert found.param in {"model", "stream"}


def test_repeated_keys_in_the_options_of_a_stream_are_refused() -> None:
    found = refusal(text(',"stream":true,"stream_options":{"include_usage":true,"include_usage":false}'))
    assert (found.param, found.code) == ("stream_options.include_usage", "duplicate_member")


@pytest.mark.parametrize("stream", ["", ',"stream":true'])
@pytest.mark.parametrize(
    ("options", "key", "code"),
    [
        ('{"include_usage":true,"include_usage":true}', "include_usage", "duplicate_member"),
        ('{"x":1,"x":1}', "x", "duplicate_member"),
        ('{"Include_Usage":true}', "Include_Usage", "unknown_parameter"),
        ('{"include_usage":true,"INCLUDE_OBFUSCATION":true}', "INCLUDE_OBFUSCATION", "unknown_parameter"),
    ],
)
def test_options_are_always_looked_at(stream: str, options: str, key: str, code: str) -> None:
    found = refusal(text(stream + ',"stream_options":' + options))
    assert (found.param, found.code) == (f"stream_options.{key}", code)


def test_options_have_an_end() -> None:
    found = refusal(text(',"stream_options":' + json.dumps({f"k{i}": 0 for i in range(1001)})))
    assert (found.param, found.code) == ("stream_options", "too_many_members")


def test_echoes_are_cut() -> None:
    found = refusal(text(',"verbosity":"' + "v" * 65 + '"'))
    assert found.message.startswith("Invalid value for 'verbosity': '" + "v" * 63 + "…'.")
    assert "'" + "v" * 64 + "'" in refusal(text(',"verbosity":"' + "v" * 64 + '"')).message


@pytest.mark.parametrize("body", [b"", b"[]", b"\xef\xbb\xbf{}", b'{"model":"m"', text(',"x":"\\ud800"'), text()[:-4]])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    assert refusal(body).code == "invalid_json"


def test_nesting_too_deep_is_a_bad_request() -> None:
    assert refusal(text(',"x":' + "[" * 100_000 + "]" * 100_000)).code == "nested_too_deep"


def long_image(extra: dict[str, Any]) -> bytes:
    url = "data:image/png;base64," + "QUJD" * (outline.OUTLINE_FROM // 2)
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "é"}]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **extra}).encode()


def test_a_large_body_is_spliced_at_the_right_places() -> None:
    body = long_image(
        {"stream": True, "stream_options": {"x": ";base64," + "A" * outline.SHORTEST_CUT}, "source": "plugin"}
    )
    read = request.read(body, billing_extras=True)
    assert len(read.text.text) < 1000
    assert read.call.input_bytes == len(body)
    expected = msgspec.json.decode(body)
    expected["model"] = "q"
    expected["stream_options"]["include_usage"] = True
    del expected["source"]
    assert msgspec.json.decode(read.splice(model="q", ask_usage=True)) == expected


def test_a_large_body_is_checked_like_any_other() -> None:
    assert refusal(long_image({"n": 0})).param == "n"
    assert refusal(long_image({"Model": "x"})).param == "Model"
    assert refusal(long_image({})[:-3]).code == "invalid_json"
