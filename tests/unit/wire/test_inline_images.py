import json
from base64 import b64encode

import msgspec
import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import inline_images
from support.webui import DATA_URL, PNG

FILES = (
    b"\x89PNG\r\n\x1a\n....",
    b"\xff\xd8\xff\xe0....",
    b"RIFF....WEBP",
    b"GIF89a..",
    b"BM......",
    b"II*\0....",
    b"MM\0*....",
    b"\0\0\0\x20ftypavif",
)


def checked(text: str) -> bool:
    return inline_images.check(msgspec.Raw(text.encode()), "init_images[0]")


@pytest.mark.parametrize("file", FILES)
def test_files_of_every_format_pass(file: bytes) -> None:
    encoded = b64encode(file * 100).decode()
    assert checked(json.dumps(encoded))
    assert checked(json.dumps(f"data:image/any;base64,{encoded}"))
    assert checked('"' + encoded.replace("/", "\\/") + '"'), "as PHP writes it"
    assert checked(json.dumps("\n".join([encoded[:76], encoded[76:]]))), "in lines, as MIME has them"


@pytest.mark.parametrize("text", ["null", '""', " null "])
def test_nothing_is_no_image(text: str) -> None:
    assert not checked(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.1/x.png",
        "HTTPS://example.com/x.png",
        " http://example.com/x.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "outputs/txt2img-images/1.png",
        "C:\\pictures\\1.png",
        "data:image/png,http://x",
        "data:text/html;base64,QUJD",
        "data:image/svg+xml;utf8,<svg/>",
        "/9j/../../secret.png",
        "iVBORw0KGgo.png",
        "QUJD",
    ],
)
def test_what_is_no_image_itself_is_refused(text: str) -> None:
    for written in (json.dumps(text), json.dumps(text).replace("h", "\\u0068")):
        with pytest.raises(InvalidRequest) as caught:
            checked(written)
        assert caught.value.param == "init_images[0]"
        assert caught.value.code == "invalid_value"


@pytest.mark.parametrize("text", ["7", "{}", "[]", "true", json.dumps([PNG])])
def test_what_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked(text)
    assert caught.value.code == "invalid_type"


def test_only_the_beginning_is_looked_at() -> None:
    assert checked(json.dumps(DATA_URL + "A" * 10_000_000))
