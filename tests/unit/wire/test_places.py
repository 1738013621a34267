import msgspec
import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import places
from support.webui import DATA_URL, PNG

PLACES = (
    "http://example.com",
    "HTTPS://example.com",
    "\t ftp://example.com",
    "file:/etc/passwd",
    "/etc/passwd",
    "~/keys",
    "\\\\server\\share",
    "c:\\windows",
    "D:/models",
    "../secret",
    "..",
    "models/../../secret",
    "models\\..\\secret",
    "/9j/../secret",
)
HARMLESS = (
    "",
    "None",
    "a cat and/or a dog...",
    "masterpiece, (best quality:1.2), 1girl",
    "control_v11p_sd15_canny [d14c016b]",
    "SDXL/model.safetensors",
    "0,1",
    "a: b",
    "/9j/4AAQSkZJRgABAQ==",
    PNG,
    DATA_URL,
    "see http://example.com",
)


@pytest.mark.parametrize("text", PLACES)
def test_a_text_that_names_a_place_is_refused_wherever_it_stands(text: str) -> None:
    for value in (text, [1, [text]], {"a": {"b": text}}, {text: None}):
        with pytest.raises(InvalidRequest) as caught:
            places.refuse_any(value, "alwayson_scripts.x")
        assert caught.value.param == "alwayson_scripts.x"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_pass(text: str) -> None:
    places.refuse_any([text, {"a": text}, 1, None, True], "x")


def test_a_long_text_costs_no_more_than_its_beginning() -> None:
    places.refuse_any("a/" * 5_000_000, "x")


@pytest.mark.parametrize("name", ["a/b", "a\\b", "c:b", "..", ".", "a\0b"])
def test_a_name_has_no_folder(name: str) -> None:
    with pytest.raises(InvalidRequest):
        places.refuse_path(name, "model")


@pytest.mark.parametrize("name", ["", "inswapper_128.onnx", "R-ESRGAN 4x+", "a..b"])
def test_a_plain_name_passes(name: str) -> None:
    places.refuse_path(name, "model")


def test_what_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        places.decoded(msgspec.Raw(b"[" * 100_000 + b"]" * 100_000), "x")
    assert caught.value.code == "nested_too_deep"
