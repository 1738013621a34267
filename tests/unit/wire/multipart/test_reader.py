import tracemalloc
from collections.abc import Iterator

import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import reader
from polyrelay.wire.multipart.reader import FormReader
from support.forms import BOUNDARY, CLOSE, DELIMITER, Piece, body, field, file, read

SOUND = bytes(range(256)) * 40


def refusal(data: bytes, step: int = 0) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read(data, step)
    return refused.value


@pytest.mark.parametrize("step", [0, 1, 2, 3, 30, 31, 32, 33, 1000])
def test_parts_are_found_with_their_places(step: int) -> None:
    pieces = [field("model", b"whisper-1"), file("file", SOUND), field("prompt", b"")]
    data = body(*pieces)
    form = read(data, step)
    assert [part.name for part in form.parts] == ["model", "file", "prompt"]
    assert [part.is_file for part in form.parts] == [False, True, False]
    assert [part.value for part in form.parts] == [b"whisper-1", None, b""]
    assert [data[part.value_start : part.value_end] for part in form.parts] == [piece.value for piece in pieces]
    assert [data[part.start : part.end] for part in form.parts] == [piece.written() for piece in pieces]
    assert data[form.parts[-1].end :] == CLOSE
    assert (form.size, form.parts[1].size) == (len(data), len(SOUND))
    assert (form.parts[1].head.filename, form.parts[1].head.content_type) == ("a.mp3", "audio/mpeg")


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_the_last_line_end_may_be_missing(end: bytes) -> None:
    assert len(read(body(field("a", b"1"), end=end)).parts) == 1


def test_a_form_may_have_no_parts() -> None:
    assert read(CLOSE).parts == ()
    assert read(CLOSE, 1).parts == ()


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"{}",
        DELIMITER,
        DELIMITER + b"\r\n",
        body(field("a", b"1"))[: -len(CLOSE)],
        body(file("a", SOUND))[:-1000],
        body(field("a", b"1"), boundary="other"),
        b"preamble\r\n" + body(field("a", b"1")),
        b"\r\n" + body(field("a", b"1")),
        body(field("a", b"1")) + b"x",
        body(field("a", b"1")) + b"\r\n",
        body(field("a", b"1"), end=b"\n"),
        body(field("a", b"1"), end=b"\rx"),
        body(field("a", b"1")) + body(field("model", b"other")),
        body(field("a", b"1")).replace(b"\r\n", b"\n"),
        body(Piece((), b"1")),
        body(Piece((b"Content-Disposition: form-data",), b"1")),
        body(Piece((b'Content-Disposition : form-data; name="a"',), b"1")),
        body(Piece((b'Content-Disposition: form-data; name="a"', b" folded"), b"1")),
        body(Piece((b'Content-Disposition: form-data; name="a"', b"Content-Type:"), b"1")),
        body(Piece((b'Content-Disposition: form-data; name="a"', b": x"), b"1")),
        body(Piece((b'Content-Disposition: form-data; name="a"', b"x"), b"1")),
        body(Piece((b'Content-Disposition: form-data; name="a"', b"Content-Type: multipart/mixed; boundary=x"), b"1")),
    ],
)
def test_what_is_no_form_is_refused(data: bytes, step: int) -> None:
    assert refusal(data, step).code in {"invalid_multipart", "invalid_boundary"}


HIDDEN = b'Content-Disposition: form-data; name="model"\r\n\r\nother\r\n'


@pytest.mark.parametrize("step", [0, 1, 5])
@pytest.mark.parametrize(
    "hidden",
    [
        b"\n" + DELIMITER + b"\r\n" + HIDDEN,
        b"\n" + DELIMITER + b"\n" + HIDDEN,
        b"\r" + DELIMITER + b"\r\n" + HIDDEN,
        DELIMITER + b"\r\n" + HIDDEN,
        b"\r\n" + DELIMITER + b" \r\n" + HIDDEN,
        b"\r\n" + DELIMITER + b"\t\t\r\n" + HIDDEN,
        b"\r\n" + DELIMITER + b"\n" + HIDDEN,
        b"\r\n" + DELIMITER + b"x",
        b"\n" + DELIMITER + b"--",
    ],
)
def test_a_part_that_only_some_readers_see_is_refused(hidden: bytes, step: int) -> None:
    data = body(field("model", b"cheap"), file("file", b"a" + hidden + b"b"))
    assert refusal(data, step).code == "invalid_boundary"


@pytest.mark.parametrize("step", [0, 1])
def test_what_resembles_a_delimiter_is_data(step: int) -> None:
    value = b"\r\n--\r\n" + DELIMITER[:-1] + b"\r\n" + DELIMITER[1:] + b"\r\n\r\n" + DELIMITER[:-1]
    form = read(body(field("a", value)), step)
    assert form.parts[0].value == value


@pytest.mark.parametrize(
    ("count", "fine"), [(reader.MOST_PARTS, True), (reader.MOST_PARTS + 1, False), (5 * reader.MOST_PARTS, False)]
)
def test_the_number_of_parts_is_bounded(count: int, *, fine: bool) -> None:
    data = body(*[field("a", b"1")] * count)
    if fine:
        assert len(read(data).parts) == count
    else:
        assert refusal(data).code == "too_many_parts"


@pytest.mark.parametrize(
    ("headers", "fine"), [(reader.MOST_HEADERS - 1, True), (reader.MOST_HEADERS, False), (10_000, False)]
)
def test_the_number_of_headers_is_bounded(headers: int, *, fine: bool) -> None:
    data = body(field("a", b"1", *[b"x-%d: 1" % n for n in range(headers)]))
    if fine:
        read(data)
    else:
        assert refusal(data).code == "invalid_multipart"


def test_a_header_is_bounded() -> None:
    assert refusal(body(field("a", b"1", b"x: " + b"y" * reader.HEADER_BYTES))).code == "invalid_multipart"
    assert refusal(body(field("a", b"1", b"x" * reader.HEADER_BYTES + b": y"))).code == "invalid_multipart"


def _consumed(pieces: Iterator[bytes]) -> tuple[int, int]:
    """Bytes a reader takes of a hostile body before it refuses, and most memory that costs."""
    made = FormReader(BOUNDARY)
    taken = 0
    tracemalloc.start()
    try:
        for piece in pieces:
            taken += len(piece)
            made.feed(piece)
    except InvalidRequest:
        return taken, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pytest.fail("it was never refused")


def _endless(start: bytes, repeated: bytes) -> Iterator[bytes]:
    yield start
    once = repeated * (65536 // len(repeated))
    for _ in range(2000):
        yield once


@pytest.mark.parametrize(
    ("start", "repeated"),
    [
        (b"", field("a", b"1").written()),
        (b"", DELIMITER + b"\r\n\r\n\r\n"),
        (DELIMITER, b" "),
        (DELIMITER + b"\r\n", b"x: y\r\n"),
        (DELIMITER + b"\r\n", b"x"),
        (DELIMITER + b"\r\nx: ", b"y"),
        (field("a", b"1").written(), b"\r\n" + DELIMITER + b"x"),
        (file("a", b"1").written() + DELIMITER, b"\t"),
        (body(field("a", b"1")), b"x"),
        (b"\r\n", b"\r\n"),
    ],
)
def test_an_endless_hostile_body_is_refused_early_and_costs_little(start: bytes, repeated: bytes) -> None:
    taken, memory = _consumed(_endless(start, repeated))
    assert taken <= 2 * 65536 + len(start)
    assert memory < 1024 * 1024


def test_a_file_takes_no_memory() -> None:
    made = FormReader(BOUNDARY)
    piece = SOUND * 6
    made.feed(file("file", b"").written()[:-2])
    tracemalloc.start()
    try:
        for _ in range(500):
            made.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024
    finally:
        tracemalloc.stop()
    made.feed(b"\r\n" + CLOSE)
    assert made.finish().parts[0].size == 500 * len(piece)
    assert made.kept == 0


@pytest.mark.parametrize("step", [0, 1000])
def test_a_long_field_is_passed_over_unless_it_is_asked_for(step: int) -> None:
    at_most, longer = b"x" * reader.FIELD_BYTES, b"x" * (reader.FIELD_BYTES + 1)
    form = read(body(field("fine", at_most), field("long", longer), field("after", b"1")), step)
    assert form.text("fine") == at_most.decode()
    assert form.values("after") == [b"1"]
    assert form.named("long")[0].size == len(longer)
    with pytest.raises(InvalidRequest) as refused:
        form.text("long")
    assert (refused.value.code, refused.value.param) == ("string_above_max_length", "long")


def test_all_fields_together_are_bounded_too() -> None:
    pieces = [field(f"f{n}", b"x" * reader.FIELD_BYTES) for n in range(10)]
    form = read(body(*pieces, field("small", b"1")), 5000)
    kept = [part for part in form.parts if part.value is not None]
    assert sum(part.size for part in kept) <= reader.FIELDS_BYTES
    assert [part.name for part in kept] == ["f0", "f1", "f2", "f3"]
