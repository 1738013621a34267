import json
from typing import Any

import msgspec
import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.sdwebui import controlnet, scripts
from support.webui import DATA_URL, PNG


def read(value: Any) -> tuple[str, ...]:
    return scripts.read(msgspec.Raw(value if isinstance(value, bytes) else json.dumps(value).encode()))


def refused(value: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(value)
    return caught.value


def arguments(changes: dict[int, Any] | None = None) -> list[Any]:
    """ReActor's thirty, as its page has them."""
    plain: list[Any] = [
        *(PNG, True, "0", "0", "inswapper_128.onnx", "CodeFormer", 1, True, "4x_NMKD-Superscale-SP_178000_G", 1.5),
        *(1, False, True, 1, 0, 0, False, 0.8, False, False),
        *("CUDA", True, 1, "elena.safetensors", "", None, True, True, 0.6, 2),
    ]
    for position, value in (changes or {}).items():
        plain[position] = value
    return plain


def test_none_is_none() -> None:
    assert read(None) == ()
    assert read({}) == ()


def test_names_are_compared_in_lower_case_as_the_server_does() -> None:
    assert read({"ReActor": {"args": arguments()}, "ControlNet": {"args": []}}) == ("reactor", "controlnet")


@pytest.mark.parametrize("length", range(31))
def test_reactors_arguments_may_end_anywhere(length: int) -> None:
    assert read({"reactor": {"args": arguments()[:length]}}) == ("reactor",)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, "http://10.0.0.1/face.png"),
        (0, "/etc/passwd"),
        (0, "outputs/1.png"),
        (0, 7),
        (4, "/models/inswapper_128.onnx"),
        (4, "C:\\models\\inswapper_128.onnx"),
        (4, "../../upload.onnx"),
        (4, "other/inswapper_128.onnx"),
        (4, 7),
        (9, 8.5),
        (9, 0),
        (9, "2"),
        (9, True),
        (16, True),
        (16, 1),
        (16, "yes"),
        (22, 2),
        (22, "2"),
        (22, [2]),
        (23, "../elena.safetensors"),
        (24, "/home"),
        (24, "pictures"),
        (24, 7),
        (20, "file:///dev/null"),
        (2, "https://example.com"),
    ],
)
def test_reactors_arguments_that_reach_files_are_refused(position: int, value: Any) -> None:
    refusal = refused({"ReActor": {"args": arguments({position: value})}})
    assert refusal.param == f"alwayson_scripts.ReActor.args[{position}]"


UNIT = {"enabled": True, "module": "canny", "model": "control_v11p_sd15_canny [d14c016b]", "weight": 1.0}


@pytest.mark.parametrize(
    "unit",
    [
        None,
        {},
        {**UNIT, "image": DATA_URL, "resize_mode": "Crop and Resize", "control_mode": 0, "pixel_perfect": True},
        {**UNIT, "input_image": PNG, "mask": PNG, "processor_res": 512, "threshold_a": 100, "lowvram": False},
        {**UNIT, "image": {"image": PNG, "mask": None}, "input_mode": "simple"},
        {**UNIT, "image": [{"image": PNG}, {"image": PNG, "mask": PNG}], "input_mode": 0},
        {**UNIT, "image": [PNG, PNG]},
        {**UNIT, "image": "", "mask_image": None},
    ],
)
def test_controlnets_units_pass(unit: Any) -> None:
    assert read({"ControlNet": {"args": [unit]}}) == ("controlnet",)


@pytest.mark.parametrize(
    ("unit", "place"),
    [
        ({"image": "outputs/txt2img-images/1.png"}, ".image"),
        ({"image": "/etc/passwd"}, ".image"),
        ({"image": {"image": "outputs/1.png"}}, ".image.image"),
        ({"image": {"image": PNG, "mask": "outputs/1.png"}}, ".image.mask"),
        ({"image": {"path": "x"}}, ".image.path"),
        ({"image": [PNG, "config.json"]}, ".image[1]"),
        ({"image": [[PNG]]}, ".image[0]"),
        ({"input_image": "http://10.0.0.1"}, ".input_image"),
        ({"mask_image": "a.png"}, ".mask_image"),
        ({"effective_region_mask": "a.png"}, ".effective_region_mask"),
        ({"batch_images": "/pictures"}, ".batch_images"),
        ({"batch_mask_dir": "x"}, ".batch_mask_dir"),
        ({"input_mode": "batch"}, ".input_mode"),
        ({"input_mode": 1}, ".input_mode"),
        ({"ipadapter_input": ["UEsDB"]}, ".ipadapter_input"),
        ({"model": "/models/x"}, ".model"),
    ],
)
def test_controlnets_units_that_reach_files_are_refused(unit: dict[str, Any], place: str) -> None:
    assert refused({"ControlNet": {"args": [{}, unit]}}).param == f"alwayson_scripts.ControlNet.args[1]{place}"


@pytest.mark.parametrize("unit", ["canny", True, 7, [PNG]])
def test_a_unit_is_an_object(unit: Any) -> None:
    assert refused({"controlnet": {"args": [unit]}}).param == "alwayson_scripts.controlnet.args[0]"


def test_units_are_counted() -> None:
    read({"controlnet": {"args": [{}] * controlnet.MOST_UNITS}})
    assert refused({"controlnet": {"args": [{}] * (controlnet.MOST_UNITS + 1)}}).code == "array_above_max_length"


def test_no_argument_of_any_script_names_a_place() -> None:
    assert read({"ADetailer": {"args": [True, {"ad_model": "face_yolov8n.pt", "ad_prompt": "a/b"}]}}) == ("adetailer",)
    assert (
        refused({"ADetailer": {"args": [True, {"ad_model": "../x.pt"}]}}).param == "alwayson_scripts.ADetailer.args[1]"
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([], "invalid_type"),
        (b'"x"', "invalid_type"),
        ({"x": []}, "invalid_type"),
        ({"x": {"args": {}}}, "invalid_type"),
        ({"x": {"args": "y"}}, "invalid_type"),
        ({"x": {"args": [0] * (scripts.MOST_ARGUMENTS + 1)}}, "array_above_max_length"),
        ({"Reactor": {"args": []}, "ReActor": {"args": []}}, "duplicate_member"),
        (b'{"reactor":{"args":[]},"reactor":{"args":["http://x"]}}', "duplicate_member"),
        (b'{"reactor":{"args":[],"args":["http://x"]}}', "duplicate_member"),
        (b'{"controlnet":{"args":[{"image":"","image":"/etc/passwd"}]}}', "duplicate_member"),
        ({"x": {"args": [json.loads("[" * 900 + "]" * 900)]}}, None),
    ],
)
def test_what_is_no_list_of_scripts_is_refused(value: Any, code: str | None) -> None:
    if code is None:
        read(value)
    else:
        assert refused(value).code == code


def test_a_script_without_arguments_passes() -> None:
    assert read({"x": {}, "y": {"args": None}}) == ("x", "y")
