"""However a form is cut on its way, it is the same form; whatever else is cut, it is refused and nothing worse."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from polyrelay.exchange.upload import Stream, in_memory
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart.form import Form
from polyrelay.wire.multipart.reader import FormReader
from support.forms import Piece, body, field, file

BOUNDARY = "aXa"
DELIMITER = b"--aXa"

# Values that try to look like what surrounds them.
FRAGMENTS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"-", b"--", b"--a", b"--aX", b"aXa", b"\0", b"\xff", b"x" * 9, b":"]
)
VALUES = st.lists(FRAGMENTS, max_size=12).map(b"".join).filter(lambda value: DELIMITER not in value + b"\r\n")
NAMES = st.sampled_from(["model", "file", "image[]", "prompt", "a.b", "x"])
PIECES = st.builds(field, NAMES, VALUES) | st.builds(file, NAMES, VALUES)
FORMS = st.lists(PIECES, max_size=5)
DAMAGE = st.sampled_from([b"", b"\r\n", b"\n", b" ", b"--aXa", b"--aXa\r\n", b"--aXa--", b'"', b";", b"\\"])
CUTS = st.lists(st.integers(0, 2000), max_size=12)


def fed(data: bytes, cuts: list[int]) -> Form:
    """Raises InvalidRequest."""
    reader = FormReader(BOUNDARY)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        reader.feed(data[start:end])
    return reader.finish()


def outcome(read: Callable[[], Form]) -> Form | None:
    try:
        return read()
    except InvalidRequest:
        return None


def naive(data: bytes) -> list[bytes]:
    """The values of a form that is known to have its delimiter nowhere else."""
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in data.split(DELIMITER)[1:-1]]


@given(FORMS, CUTS)
def test_any_cut_of_a_form_gives_the_same_parts(pieces: list[Piece], cuts: list[int]) -> None:
    data = body(*pieces, boundary=BOUNDARY)
    form = fed(data, cuts)
    assert [data[part.value_start : part.value_end] for part in form.parts] == [piece.value for piece in pieces]
    assert [data[part.start : part.end] for part in form.parts] == [piece.written(BOUNDARY) for piece in pieces]
    assert all(part.value == (None if part.is_file else data[part.value_start : part.value_end]) for part in form.parts)
    assert form == fed(data, list(range(len(data))))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A form with some of its bytes overwritten, left out or doubled."""
    data = bytearray(body(*draw(FORMS), boundary=BOUNDARY))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        inserted = draw(
            st.sampled_from([b"", b"\r\n", b"\n", b" ", b"--aXa", b"--aXa\r\n", b"--aXa--", b'"', b";", b"\\"])
        )
        data[start:end] = inserted + (bytes(data[start:end]) if draw(st.booleans()) else b"")
    return bytes(data)


@given(damaged() | st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: DELIMITER + b"\r\n" + rest), CUTS)
@example(b"--aXa--", [1])
@settings(max_examples=400)
def test_a_damaged_form_is_refused_or_read_alike_by_everyone(data: bytes, cuts: list[int]) -> None:
    whole, cut = outcome(lambda: fed(data, [])), outcome(lambda: fed(data, cuts))
    assert whole == cut
    if whole is not None:
        assert [data[part.value_start : part.value_end] for part in whole.parts] == naive(data)
        assert data.count(DELIMITER) == len(whole.parts) + 1


@given(FORMS, st.sets(NAMES), st.dictionaries(NAMES, VALUES, max_size=3), CUTS)
def test_an_edited_form_has_what_was_meant(
    pieces: list[Piece], drop: set[str], replace: dict[str, bytes], cuts: list[int]
) -> None:
    data = body(*pieces, boundary=BOUNDARY)
    form = fed(data, cuts)
    stream = Stream(form.edit(replace=replace, drop=drop), in_memory(data))
    written = stream.read(stream.size, 0)
    again = fed(written, cuts)
    kept = [
        (part.name, data[part.value_start : part.value_end])
        for part in form.parts
        if part.name not in drop and part.name not in replace
    ]
    values = [(part.name, written[part.value_start : part.value_end]) for part in again.parts]
    assert [pair for pair in values if pair[0] not in replace] == kept
    for name, value in replace.items():
        assert [found for found_name, found in values if found_name == name] == [value]
