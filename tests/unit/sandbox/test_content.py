import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.sandbox.content import Content, Upload
from polyrelay.sandbox.surfaces import Refused
from support.counter import BOUNDARY, Form

KIND = f"multipart/form-data; boundary={BOUNDARY}"
NAMES = st.text("abcdefgh_[]", min_size=1, max_size=12)
DATA = st.binary(max_size=300).filter(lambda data: BOUNDARY.encode() not in data)


@settings(deadline=None)
@given(texts=st.lists(st.tuples(NAMES, st.text("äöü日 xyz\r\n-", max_size=40))), files=st.lists(st.tuples(NAMES, DATA)))
def test_what_was_put_into_a_form_is_found_in_it(texts: list[tuple[str, str]], files: list[tuple[str, bytes]]) -> None:
    form = Form(*texts, *((name, "f.bin", data) for name, data in files))
    read = Content(form.encoded(), KIND).form
    assert read.texts == texts
    assert read.uploads == [Upload(name, "f.bin", "application/octet-stream", data) for name, data in files]


def test_rows_and_objects() -> None:
    form = Content(
        Form(
            ("model", "m"), ("include[]", "a"), ("include[]", "b"), ("chunking[type]", "auto"), ("model", "n")
        ).encoded(),
        KIND,
    ).form
    assert form.values() == {"model": "m", "include": ["a", "b"], "chunking": {"type": "auto"}}
    assert form.rows("include") == ["a", "b"]
    assert form.text("model") == "m"


def test_files_by_either_name() -> None:
    form = Content(Form(("image[]", "a.png", b"1"), ("image", "b.png", b"2")).encoded(), KIND).form
    assert [file.data for file in form.files("image")] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"", KIND),
        (b"nonsense", KIND),
        (Form(("a", "b")).encoded(), "multipart/form-data"),
        (Form(("a", "b")).encoded(), "multipart/form-data; boundary=other"),
        (Form(("a", "b")).encoded()[:-20], KIND),
        (b"--sandbox-boundary\r\nno colon\r\n\r\nx\r\n--sandbox-boundary--\r\n", KIND),
        (b"", f"multipart/form-data; boundary={'x' * 5000}"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(Refused) as caught:
        _ = Content(body, kind).form
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        _ = Content(body, "application/json").json
