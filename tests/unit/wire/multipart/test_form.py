import pytest

from polyrelay.exchange.upload import Segment, Span, Stream, in_memory
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart.form import Form, Recast
from polyrelay.wire.multipart.part_head import PartHead
from support.forms import BOUNDARY, Piece, body, field, file, read

SOUND = bytes(range(256))
DATA = body(field("model", b"fast"), file("file", SOUND), field("source", b"web"), field("temperature", b"0.2"))
FORM = read(DATA)


def joined(form: Form, data: bytes, segments: list[Segment]) -> bytes:
    stream = Stream(segments, in_memory(data))
    return stream.read(stream.size, 0)


def edited(**edits: object) -> bytes:
    return joined(FORM, DATA, FORM.edit(**edits))  # type: ignore[arg-type]


def test_nothing_edited_is_the_very_same_body() -> None:
    assert FORM.edit() == [Span(0, len(DATA))]


def test_a_field_is_replaced_in_its_place_and_the_rest_is_the_clients_own() -> None:
    assert edited(replace={"model": b"whisper-1"}) == body(
        field("model", b"whisper-1"), file("file", SOUND), field("source", b"web"), field("temperature", b"0.2")
    )


def test_a_field_that_is_not_there_is_set_at_the_end() -> None:
    assert edited(replace={"language": b"de"}) == DATA[: FORM.parts[-1].end] + body(field("language", b"de"))


def test_parts_are_dropped_first_last_and_between() -> None:
    assert edited(drop={"model", "source", "temperature"}) == body(file("file", SOUND))
    assert edited(drop={"file"}) == body(field("model", b"fast"), field("source", b"web"), field("temperature", b"0.2"))
    assert edited(drop={part.name for part in FORM.parts}) == body()


def test_a_file_goes_under_another_name() -> None:
    renamed = edited(rename={"file": "audio_file"}, drop={"source", "temperature", "model"})
    form = read(renamed)
    assert [(part.name, part.head.filename, part.head.content_type) for part in form.parts] == [
        ("audio_file", "a.mp3", "audio/mpeg")
    ]
    assert renamed[form.parts[0].value_start : form.parts[0].value_end] == SOUND


def test_a_file_name_said_in_the_extended_way_is_written_plainly() -> None:
    data = body(Piece((b"content-disposition: form-data; name=\"f\"; filename*=UTF-8''%E8%AF%AD%22.mp3",), SOUND))
    form = read(data)
    assert read(joined(form, data, form.edit(rename={"f": "g"}))).parts[0].head.filename == "语%22.mp3"


def recast(data: bytes, boundary: str, before: bytes, size: int) -> bytes:
    form = read(data, boundary=boundary)
    to = Recast(PartHead("sound", "a.wav", "audio/wav"), before, size)
    return joined(form, data, form.edit(recast={"file": to}))


@pytest.mark.parametrize("size", [256, 255, 0])
def test_a_file_gets_other_headers_and_bytes_before_its_own(size: int) -> None:
    made = recast(DATA, BOUNDARY, b"head", size)
    assert made == body(
        field("model", b"fast"),
        file("sound", b"head" + SOUND[:size], "a.wav", "audio/wav"),
        field("source", b"web"),
        field("temperature", b"0.2"),
    )


@pytest.mark.parametrize("before", [b"a\r\n--x\r\n", b"a\r\n-", b"a\r\n--"])
def test_a_boundary_that_begins_in_the_bytes_before_is_refused(before: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        recast(body(file("file", b"-x\r\n"), boundary="x"), "x", before, 4)
    assert refused.value.code == "invalid_boundary"


def test_fields_are_added_as_often_as_asked() -> None:
    form = read(edited(add=[("include[]", b"logprobs"), ("include[]", b"more")]))
    assert form.values("include[]") == [b"logprobs", b"more"]


def test_what_was_there_twice_is_replaced_by_one() -> None:
    data = body(field("a", b"1"), field("b", b"2"), field("a", b"3"))
    form = read(data)
    assert joined(form, data, form.edit(replace={"a": b"9"})) == body(field("a", b"9"), field("b", b"2"))


def test_a_form_without_parts_can_get_some() -> None:
    form = read(body())
    assert joined(form, body(), form.edit(add=[("a", b"1")])) == body(field("a", b"1"))


def test_a_boundary_chosen_to_break_out_of_a_new_value_is_refused() -> None:
    form = read(body(field("a", b"1"), boundary="x"), boundary="x")
    with pytest.raises(InvalidRequest) as refused:
        form.edit(replace={"prompt": b'\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nother'})
    assert refused.value.code == "invalid_boundary"


def test_the_header_that_goes_with_it_names_the_clients_boundary() -> None:
    assert FORM.content_type == f"multipart/form-data; boundary={BOUNDARY}"


def test_a_single_field_is_text() -> None:
    assert FORM.text("model") == "fast"
    assert FORM.text("language") is None
    assert FORM.values("temperature") == [b"0.2"]
    assert FORM.values("language") == []


@pytest.mark.parametrize(
    ("pieces", "code", "param"),
    [
        ([field("model", b"a"), field("model", b"b")], "duplicate_field", "model"),
        ([field("model", b"a"), field("Model", b"b")], "duplicate_field", "model"),
        ([field("model", b"a"), field("model[]", b"b")], "duplicate_field", "model"),
        ([field("model", b"a"), file("MODEL[0]", b"b")], "duplicate_field", "model"),
        ([field("Model", b"a")], "unknown_parameter", "Model"),
        ([field("model[]", b"a")], "unknown_parameter", "model[]"),
        ([file("model", b"a")], "invalid_multipart", "model"),
        ([field("model", b"\xff")], "invalid_multipart", "model"),
    ],
)
def test_a_single_field_that_upstreams_could_read_differently_is_refused(
    pieces: list[Piece], code: str, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(body(*pieces)).text("model")
    assert (refused.value.code, refused.value.param) == (code, param)
