import json
from typing import Any

import pytest

from polyrelay.exchange.call import NO_REFERENCES, BillingGroup, Call, Demand, References
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import ImageCount
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import outline
from polyrelay.wire.openai_images import contract, replies, request
from polyrelay.wire.openai_images.contract import Contract
from polyrelay.wire.openai_images.request import ImageRequest

BASE64 = "QUJD" * (outline.OUTLINE_FROM // 4)
LARGE = f"data:image/png;base64,{BASE64}"


def read(keeping: Contract = contract.GENERATION, **fields: Any) -> ImageRequest:
    return request.read(json.dumps(fields).encode(), keeping)


def refusal(body: bytes, keeping: Contract = contract.GENERATION) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request.read(body, keeping)
    return caught.value


def outbound(read: ImageRequest, model: str) -> Any:
    return read.outbound(read.operations[0], None, model, None)  # type: ignore[arg-type]


def test_the_call_is_read() -> None:
    body = b'{"prompt":"a cat","model":"m","n":3,"size":"1x1","quality":"low","stream":true,"seed":7}'
    assert request.read(body, contract.GENERATION).call == Call(
        model="m",
        stream=True,
        input_bytes=len(body),
        choices=3,
        demand=Demand(images=(ImageCount("1x1", "low", 3),)),
        capped=False,
    )


def test_nothing_named_is_one_image_of_any_kind_from_the_documented_model() -> None:
    call = read(prompt="").call
    assert (call.model, call.stream, call.choices) == ("dall-e-2", False, 1)
    assert call.demand.images == (ImageCount("auto", "auto", 1),)
    assert call.billing is None
    assert call.references is NO_REFERENCES


@pytest.mark.parametrize("n", [1, 10, 2**53 - 1])
def test_funds_are_held_for_every_image(n: int) -> None:
    call = read(prompt="a", n=n).call
    assert call.choices == n
    assert call.demand.images == (ImageCount("auto", "auto", n),)


@pytest.mark.parametrize(
    ("body", "model", "expected"),
    [
        ('{"prompt":"a","model":"m","x":[1.50]}', "m", '{"prompt":"a","model":"m","x":[1.50]}'),
        ('{ "model" : "m" , "prompt":"é" }', "q", '{ "model" : "q" , "prompt":"é" }'),
        ('{"prompt":"a"}', "dall-e-2", '{"prompt":"a","model":"dall-e-2"}'),
        ('{"n":2, "prompt" : "a" , "x":{}}', 'q"', '{"n":2, "prompt" : "a","model":"q\\"" , "x":{}}'),
        ('{"model":null,"prompt":"a"}', "dall-e-2", '{"model":"dall-e-2","prompt":"a"}'),
        ('{"prompt":"a","source":"plugin"}', "m", '{"prompt":"a","model":"m","source":"plugin"}'),
    ],
)
def test_only_the_model_changes(body: str, model: str, expected: str) -> None:
    assert request.read(body.encode(), contract.GENERATION).splice(model) == expected.encode()


def test_the_body_itself_is_sent_when_nothing_changes() -> None:
    read = request.read(body := b'{"prompt":"a","model":"m"}', contract.GENERATION)
    assert read.splice("m") is body


@pytest.mark.parametrize(
    ("body", "source", "expected"),
    [
        ('{"prompt":"a","model":"m"}', "ai_image", '{"prompt":"a","model":"q"}'),
        ('{"prompt":"a","model":"m","source":null}', "ai_image", '{"prompt":"a","model":"q"}'),
        ('{"source":"plugin","prompt":"a","model":"m"}', "plugin", '{"prompt":"a","model":"q"}'),
        (
            '{"prompt":"a","source":"ai_draft_generation","model":"m"}',
            "ai_draft_generation",
            '{"prompt":"a","model":"q"}',
        ),
    ],
)
def test_the_source_is_kept_for_the_books_and_goes_no_further(body: str, source: str, expected: str) -> None:
    found = request.read(body.encode(), contract.BILLED_GENERATION)
    assert found.call.billing == BillingGroup(source=source)
    assert found.splice("q") == expected.encode()


def test_the_source_is_a_vendors_own_field_elsewhere() -> None:
    assert read(prompt="a", source=7).call.billing is None


@pytest.mark.parametrize(
    ("fields", "param", "code", "allowed"),
    [
        ({}, "prompt", "missing_required_parameter", ""),
        ({"prompt": 7}, "prompt", "invalid_type", "a string"),
        ({"prompt": None}, "prompt", "invalid_type", "a string"),
        ({"model": ""}, "model", "empty_string", "at least 1 character"),
        ({"model": 7}, "model", "invalid_type", "a string"),
        ({"n": 0}, "n", "integer_below_min_value", ">= 1"),
        ({"n": 2**53}, "n", "integer_above_max_value", "<= 9007199254740991"),
        ({"n": 1.5}, "n", "invalid_type", "an integer"),
        ({"n": "3"}, "n", "invalid_type", "an integer"),
        ({"n": True}, "n", "invalid_type", "an integer"),
        ({"response_format": "png"}, "response_format", "invalid_value", "'url', 'b64_json'"),
        ({"size": 1024}, "size", "invalid_type", "a string"),
        ({"size": "x" * 65}, "size", "string_above_max_length", "at most 64"),
        ({"quality": ["hd"]}, "quality", "invalid_type", "a string"),
        ({"style": 1}, "style", "invalid_type", "a string"),
        ({"user": 1}, "user", "invalid_type", "a string"),
        ({"stream": "yes"}, "stream", "invalid_type", "a boolean"),
        ({"partial_images": 4}, "partial_images", "integer_above_max_value", "<= 3"),
        ({"partial_images": -1}, "partial_images", "integer_below_min_value", ">= 0"),
        ({"output_compression": 101}, "output_compression", "integer_above_max_value", "<= 100"),
        ({"output_format": "gif"}, "output_format", "invalid_value", "'png', 'jpeg', 'webp'"),
        ({"background": "red"}, "background", "invalid_value", "'transparent'"),
        ({"moderation": "high"}, "moderation", "invalid_value", "'low', 'auto'"),
        ({"Prompt": "a"}, "Prompt", "unknown_parameter", "'prompt'"),
        ({"N": 3}, "N", "unknown_parameter", "'n'"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(
    fields: dict[str, Any], param: str, code: str, allowed: str
) -> None:
    body = fields if "prompt" in fields or not fields else {"prompt": "a", **fields}
    refused = refusal(json.dumps(body).encode())
    assert (refused.param, refused.code) == (param, code)
    assert allowed in refused.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "model"),
        ({"model": None}, "model"),
        ({"model": "m", "source": "ai_chat"}, "source"),
        ({"Source": 1}, "Source"),
    ],
)
def test_what_aitoearn_demands(fields: dict[str, Any], param: str) -> None:
    body = json.dumps({"prompt": "a", "model": "m", **fields} if param == "Source" else {"prompt": "a", **fields})
    assert refusal(body.encode(), contract.BILLED_GENERATION).param == param


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"prompt":"a","prompt":"b"}', "duplicate_member"),
        (b'{"prompt":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested_too_deep"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes, code: str) -> None:
    assert refusal(body).code == code


def test_an_answer_is_taken_as_it_was_asked_for() -> None:
    whole, stream = outbound(read(prompt="a"), "m"), outbound(read(prompt="a", stream=True), "m")
    assert (whole.operation, type(whole.reply), whole.content_type) == (Operation.IMAGE, replies.Whole, None)
    assert isinstance(stream.reply, replies.Stream)


def test_what_is_asked_for_is_charged_when_nothing_is_stated() -> None:
    found = read(prompt="a" * 400, n=2, size="1x1")
    used = found.unstated(5, None)
    assert used.images == (ImageCount("1x1", "auto", 2),)
    assert used.input_text >= 100
    assert used.estimated


EDIT: dict[str, Any] = {"prompt": "a", "images": [{"image_url": "https://x/y"}, {"file_id": "file-1"}]}


def test_images_to_be_edited_are_references() -> None:
    call = read(contract.REFERRING_EDIT, **EDIT).call
    assert (call.model, call.references) == ("gpt-image-1.5", References(images=2))
    assert read(contract.REFERRING_EDIT, **EDIT, mask={"file_id": "file-2"}).call.references.images == 3
    assert outbound(read(contract.REFERRING_EDIT, **EDIT), "m").operation is Operation.IMAGE_EDIT


def test_base64_in_an_edit_is_no_text() -> None:
    small = "data:image/png;base64,QUJD"
    found = read(contract.REFERRING_EDIT, prompt="a", images=[{"image_url": small}, {"image_url": LARGE}], mask={})
    assert found.call.references == References(images=3, inline_bytes=4 + len(BASE64))
    assert found.unstated(0, None).input_text < 100


def test_a_large_edit_is_spliced_where_it_must_be() -> None:
    text = '{"images":[{"image_url":"%s"}],"source":"plugin","prompt":"é","model":"m"}'.replace("%s", LARGE)
    found = request.read(text.encode(), contract.BILLED_REFERRING_EDIT)
    assert len(found.text.text) < 200
    expected = text.replace('"source":"plugin",', "").replace('"m"', '"other"')
    assert found.splice("other") == expected.encode()


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"images": None}, "images", "invalid_type"),
        ({"images": []}, "images", "empty_array"),
        ({"images": [{}] * 17}, "images", "array_above_max_length"),
        ({"images": ["https://x/y"]}, "images[0]", "invalid_type"),
        ({"images": [{"image_url": 1}]}, "images[0].image_url", "invalid_type"),
        ({"mask": "https://x/y"}, "mask", "invalid_type"),
        ({"input_fidelity": "max"}, "input_fidelity", "invalid_value"),
        ({"prompt": ""}, "prompt", "empty_string"),
        ({"Images": []}, "Images", "unknown_parameter"),
    ],
)
def test_a_wrong_field_of_an_edit_is_named(fields: dict[str, Any], param: str, code: str) -> None:
    refused = refusal(json.dumps({**EDIT, **fields}).encode(), contract.REFERRING_EDIT)
    assert (refused.param, refused.code) == (param, code)


def test_an_edit_needs_its_images() -> None:
    assert refusal(b'{"prompt":"a"}', contract.REFERRING_EDIT).param == "images"


@pytest.mark.parametrize(
    "value",
    ["https://x/y", "HTTP://x/y", LARGE, ["data:image/png;base64,QUJD"], {"url": "https://x"}],
)
def test_a_vendors_own_member_may_name_an_image(value: Any) -> None:
    call = read(prompt="https://not-an-image", image=value).call
    assert call.references.images >= 1
    assert call.references.inline_bytes == 0


@pytest.mark.parametrize("value", [rb"\u0068ttps:x", rb"https:\/\/x", rb"https\u003a\u002f\u002fx"])
def test_a_vendors_own_member_written_with_escapes_may_name_an_image(value: bytes) -> None:
    body = b'{"prompt":"a","image":"' + value + b'"}'
    assert request.read(body, contract.GENERATION).call.references.images >= 1


@pytest.mark.parametrize("value", [7, "high", {"scale": [1, 2]}, "une for\u00eat: \u00e9paisse\n"])
def test_what_a_vendor_adds_besides_is_no_image(value: Any) -> None:
    assert read(prompt="a", extra=value).call.references is NO_REFERENCES
