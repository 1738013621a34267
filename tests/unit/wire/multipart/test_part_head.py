import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import part_head
from polyrelay.wire.multipart.part_head import Header, PartHead


def disposition(value: bytes, *more: Header) -> list[Header]:
    return [(b"content-disposition", value), *more]


@pytest.mark.parametrize(
    ("value", "name", "filename"),
    [
        (b'form-data; name="model"', "model", None),
        (b"form-data; name=model", "model", None),
        (b'Form-Data; Name="timestamp_granularities[]" ;', "timestamp_granularities[]", None),
        (b'form-data; name="file"; filename="a b (1).mp3"', "file", "a b (1).mp3"),
        (b'form-data; filename="a.mp3"; name="file"', "file", "a.mp3"),
        (b"form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3", "file", "a.mp3"),
        (b"form-data; name=\"file\"; filename*=UTF-8''%E8%AF%AD%E9%9F%B3.mp3", "file", "语音.mp3"),
        ('form-data; name="file"; filename="语音.mp3"'.encode(), "file", "语音.mp3"),
        ('form-data; name="file"; filename="语音.mp3"'.encode("gbk"), "file", "\ufffd\ufffd\ufffd\ufffd.mp3"),
        ('form-data; name="file"; filename="9.41\u202fAM.png"'.encode(), "file", "9.41\u202fAM.png"),
        (b'form-data; name="file"; filename="a%22;b.mp3"', "file", "a%22;b.mp3"),
        (b'form-data; name="file"; filename=""', "file", ""),
    ],
)
def test_names_are_read_as_clients_write_them(value: bytes, name: str, filename: str | None) -> None:
    assert part_head.read(disposition(value)) == PartHead(name, filename, "")


@pytest.mark.parametrize(
    "value",
    [
        b"form-data",
        b"form-data;",
        b'form-data; name=""',
        b'form-data; filename="x"',
        b'attachment; name="model"',
        b'form-data; name="model"; name="model"',
        b'form-data; name="a"; filename="b"; filename="c"',
        b"form-data; name*=utf-8''model",
        b"form-data; name=\"a\"; name*=utf-8''model",
        b'form-data; name="a"; filename*0="b"',
        b"form-data; name=\"a\"; filename*=gbk''b",
        b'form-data; name="a"; filename*=b',
        b'form-data; name="a"; size=3',
        b'form-data; name="a\\"; name=\\"model"',
        b'form-data; name="mod\\el"',
        b'form-data; name="a b"',
        b'form-data; name="a;b"',
        b'form-data; name="mod%65l,"',
        b'form-data; name="mod\xc3\xa9l"',
        b'form-data; name="' + b"a" * 129 + b'"',
        b'form-data; name="_charset_"',
        b'form-data; name="a',
        b'form-data name="a"',
    ],
)
def test_a_name_that_two_readers_could_see_differently_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        part_head.read(disposition(value))
    assert refused.value.code == "invalid_multipart"
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    "said",
    [
        b'filename="../../etc/passwd"',
        b'filename="/etc/passwd"',
        b'filename="a/b.mp3"',
        b'filename="C:\\a.mp3"',
        b'filename=".."',
        b'filename="."',
        b"filename*=utf-8''..%2Fa.mp3",
        b"filename*=utf-8''a%00.mp3",
        b"filename*=utf-8''a%0d%0ab",
        b"filename*=utf-8''a%5cb",
        b"filename=\"a.mp3\"; filename*=utf-8''..%2Fa.mp3",
        b"filename=\"../a.mp3\"; filename*=utf-8''a.mp3",
        'filename="a\u0085b"'.encode(),
    ],
)
def test_a_file_name_with_a_path_or_control_characters_is_refused(said: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        part_head.read(disposition(b'form-data; name="file"; ' + said))
    assert (refused.value.code, refused.value.param) == ("invalid_filename", "file")


def test_the_type_is_told_without_its_parameters() -> None:
    head = part_head.read(disposition(b'form-data; name="a"', (b"content-type", b"Text/Plain; charset=UTF-8")))
    assert head.content_type == "text/plain"


FIELD = b'form-data; name="a"'
FILE = b'form-data; name="a"; filename="b"'


@pytest.mark.parametrize(
    ("value", "more"),
    [
        (FIELD, (b"content-type", b"text/plain; charset=utf-16")),
        (FIELD, (b"content-type", b"multipart/mixed; boundary=y")),
        (FILE, (b"content-type", b"Multipart/form-data; boundary=y")),
        (FILE, (b"content-type", b"image/png, text/html")),
        (FILE, (b"content-type", b"image/png; x")),
        (FIELD, (b"content-transfer-encoding", b"base64")),
        (FILE, (b"content-transfer-encoding", b"quoted-printable")),
        (FIELD, (b"content-disposition", FIELD)),
        (FILE, (b"x-note", b"a\nContent-Disposition: form-data; name=b")),
        (FILE, (b"x-note", b"a\0")),
    ],
)
def test_what_would_change_the_value_or_the_part_is_refused(value: bytes, more: Header) -> None:
    with pytest.raises(InvalidRequest) as refused:
        part_head.read(disposition(value, more))
    assert refused.value.code == "invalid_multipart"


@pytest.mark.parametrize(
    "more",
    [
        (b"content-transfer-encoding", b"binary"),
        (b"content-transfer-encoding", b"8BIT"),
        (b"content-type", b"image/png; charset=utf-16"),
        (b"content-length", b"12"),
        (b"x-note", b"a\tb"),
    ],
)
def test_what_is_harmless_beside_a_file_is_let_through(more: Header) -> None:
    assert part_head.read(disposition(FILE, more)).filename == "b"


def test_a_part_without_headers_has_no_name() -> None:
    with pytest.raises(InvalidRequest, match="name"):
        part_head.read([])
