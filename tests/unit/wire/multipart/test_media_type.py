import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import media_type


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        (b"multipart/form-data; boundary=x", "x"),
        (
            b"Multipart/Form-Data;BOUNDARY=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        (b'multipart/form-data; boundary="b91b/4:2"', "b91b/4:2"),
        (b"multipart/form-data; charset=ISO-8859-1; boundary=x_1; ", "x_1"),
        (b"multipart/form-data; boundary=" + b"b" * 70, "b" * 70),
    ],
)
def test_the_boundary_is_found_as_clients_write_it(kind: bytes, boundary: str) -> None:
    assert media_type.is_form(kind)
    assert media_type.boundary_of(kind) == boundary


@pytest.mark.parametrize(
    "kind",
    [
        b"multipart/form-data",
        b"multipart/form-data;",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b'multipart/form-data; boundary="a',
        b"multipart/form-data; boundary=" + b"b" * 71,
        b"multipart/form-data; boundary=a; boundary=b",
        b"multipart/form-data; boundary=a; boundary=a",
        b'multipart/form-data; boundary="a b"',
        b'multipart/form-data; boundary="a\\"b"',
        b"multipart/form-data; boundary=a\xff",
        b"multipart/form-data; boundary*=utf-8''a",
        b"multipart/form-data boundary=a",
        b"multipart/form-data, multipart/form-data; boundary=a",
        b"multipart/form-data; boundary=a; x",
    ],
)
def test_a_form_without_one_clear_boundary_is_refused(kind: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        media_type.boundary_of(kind)
    assert refused.value.code == "invalid_boundary"


@pytest.mark.parametrize("kind", [b"", b"application/json", b"multipart/mixed; boundary=x", b"multipart/form-dataset"])
def test_other_types_are_no_forms(kind: bytes) -> None:
    assert not media_type.is_form(kind)


@pytest.mark.parametrize(
    ("boundary", "shown"), [("a-b_c.1'+", "a-b_c.1'+"), ("a/b", '"a/b"'), ("a=b", '"a=b"'), ("(a)", '"(a)"')]
)
def test_the_line_for_the_upstream_is_quoted_only_where_it_must_be(boundary: str, shown: str) -> None:
    line = media_type.of_form(boundary)
    assert line == f"multipart/form-data; boundary={shown}"
    assert media_type.boundary_of(line.encode()) == boundary
