from typing import Any

import pytest

from polyrelay.exchange.call import BillingGroup, References
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.upload import Stream, in_memory
from polyrelay.exchange.usage import ImageCount
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.openai_images import contract, form_request, replies
from polyrelay.wire.openai_images.contract import Contract
from polyrelay.wire.openai_images.form_request import FormRequest
from support.forms import Piece, body, content_type, field, file, read

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 92


def image(name: str = "image") -> Piece:
    return file(name, PNG, "a.png", "image/png")


def request(*pieces: Piece, keeping: Contract = contract.EDIT) -> FormRequest:
    data = body(*pieces)
    return form_request.read(read(data), in_memory(data), keeping)


def refusal(*pieces: Piece, keeping: Contract = contract.EDIT) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request(*pieces, keeping=keeping)
    return caught.value


def sent(found: FormRequest, model: str) -> bytes:
    outgoing: Any = found.outbound(found.operations[0], None, model, None)  # type: ignore[arg-type]
    assert isinstance(outgoing.body, Stream)
    assert outgoing.content_type == content_type().decode()
    return outgoing.body.read(outgoing.body.size, 0)


PROMPT = field("prompt", "é".encode())


def test_the_call_is_read() -> None:
    found = request(
        image("image[]"),
        image("image[]"),
        file("mask", PNG, "m.png", "image/png"),
        PROMPT,
        field("model", b"m"),
        field("n", b"2"),
        field("size", b"1x1"),
        field("quality", b"low"),
        field("stream", b"true"),
    )
    call = found.call
    assert (call.model, call.stream, call.choices, call.capped) == ("m", True, 2, False)
    assert call.demand.images == (ImageCount("1x1", "low", 2),)
    text = len("é".encode()) + len(b"m" + b"2" + b"1x1" + b"low" + b"true")
    assert call.references == References(images=3, inline_bytes=found.form.size - text)
    assert call.input_bytes == found.form.size
    assert found.unstated(0, None).input_text == -(-text // 4)
    assert found.operations == (Operation.IMAGE_EDIT,)


@pytest.mark.parametrize(
    ("keeping", "model"),
    [(contract.EDIT, "gpt-image-1.5"), (contract.VARIATION, "dall-e-2"), (contract.BILLED_VARIATION, "dall-e-2")],
)
def test_the_documented_model_is_written_in_where_none_is_named(keeping: Contract, model: str) -> None:
    found = request(image(), PROMPT, keeping=keeping)
    assert found.call.model == model
    assert sent(found, model) == body(image(), PROMPT, field("model", model.encode()))


def test_only_the_model_changes() -> None:
    found = request(PROMPT, field("model", b"m"), image(), field("x", b"1.50"), field("source", b"7"))
    assert sent(found, "m") == body(PROMPT, field("model", b"m"), image(), field("x", b"1.50"), field("source", b"7"))
    assert sent(found, "q") == body(PROMPT, field("model", b"q"), image(), field("x", b"1.50"), field("source", b"7"))


@pytest.mark.parametrize(("written", "source"), [(None, "ai_image"), (b"plugin", "plugin")])
def test_the_source_is_kept_for_the_books_and_goes_no_further(written: bytes | None, source: str) -> None:
    extra = [] if written is None else [field("source", written)]
    found = request(*extra, PROMPT, field("model", b"m"), image(), keeping=contract.BILLED_EDIT)
    assert found.call.billing == BillingGroup(source=source)
    assert sent(found, "m") == body(PROMPT, field("model", b"m"), image())


@pytest.mark.parametrize(
    ("pieces", "param", "code"),
    [
        ([PROMPT], "image", "missing_required_parameter"),
        ([image()], "prompt", "missing_required_parameter"),
        ([PROMPT, field("image", b"https://x/y")], "image", "invalid_type"),
        ([PROMPT, image(), field("mask", b"x")], "mask", "invalid_type"),
        ([PROMPT, image(), image("mask"), image("mask")], "mask", "array_above_max_length"),
        ([PROMPT, *[image("image[]")] * 17], "image", "array_above_max_length"),
        ([PROMPT, image(), field("n", b"0")], "n", "integer_below_min_value"),
        ([PROMPT, image(), field("n", b"two")], "n", "invalid_type"),
        ([PROMPT, image(), field("n", b"1"), field("n", b"9")], "n", "duplicate_field"),
        ([PROMPT, image(), field("n[]", b"9")], "n[]", "unknown_parameter"),
        ([PROMPT, image(), field("N", b"9")], "N", "unknown_parameter"),
        ([PROMPT, image(), field("stream", b"perhaps")], "stream", "invalid_type"),
        ([PROMPT, image(), field("response_format", b"png")], "response_format", "invalid_value"),
        ([PROMPT, image(), field("partial_images", b"4")], "partial_images", "integer_above_max_value"),
        ([PROMPT, image(), field("input_fidelity", b"max")], "input_fidelity", "invalid_value"),
        ([PROMPT, image(), field("model", b"")], "model", "empty_string"),
        ([PROMPT, image(), field("prompt", b"again")], "prompt", "duplicate_field"),
        ([file("prompt", b"a"), image()], "prompt", "invalid_multipart"),
    ],
)
def test_a_wrong_part_is_named(pieces: list[Piece], param: str, code: str) -> None:
    refused = refusal(*pieces)
    assert (refused.param, refused.code) == (param, code)


def test_a_variation_is_of_one_image() -> None:
    assert request(image(), keeping=contract.VARIATION).operations == (Operation.IMAGE_VARIATION,)
    assert refusal(keeping=contract.VARIATION).param == "image"
    assert refusal(image("image[]"), image("image[]"), keeping=contract.VARIATION).param == "image"


@pytest.mark.parametrize(
    ("fields", "param"), [([], "model"), ([field("model", b"m"), field("source", b"ai_chat")], "source")]
)
def test_what_aitoearn_demands(fields: list[Piece], param: str) -> None:
    assert refusal(PROMPT, image(), *fields, keeping=contract.BILLED_EDIT).param == param


def test_files_of_any_name_are_references() -> None:
    assert request(PROMPT, image(), image("style_image")).call.references.images == 2


@pytest.mark.parametrize(("written", "kind"), [(b"true", replies.Stream), (b"False", replies.Whole)])
def test_an_answer_is_taken_as_it_was_asked_for(written: bytes, kind: type) -> None:
    found = request(PROMPT, image(), field("stream", written))
    assert isinstance(found.outbound(Operation.IMAGE_EDIT, None, "m", None).reply, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", [b" 3", b"+3", b"3.5", b"010", b"\xd9\xa3", b"0x3", b"3_0", b"", b"3 ", b"-1"])
def test_a_count_is_written_in_digits(written: bytes) -> None:
    assert refusal(PROMPT, image(), field("n", written)).param == "n"
