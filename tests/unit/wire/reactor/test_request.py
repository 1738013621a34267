import json
from typing import Any

import pytest

from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import outline
from polyrelay.wire.dialect import Garbled
from polyrelay.wire.reactor import lists, request
from support.webui import DATA_URL, PNG, Server

FACES: dict[str, Any] = {"source_image": PNG, "target_image": DATA_URL}
DOCUMENTED: dict[str, Any] = {
    **FACES,
    "source_faces_index": [0],
    "face_index": [0, 2],
    "upscaler": "4x_Struzan_300000",
    "scale": 2,
    "upscale_visibility": 1,
    "face_restorer": "CodeFormer",
    "restorer_visibility": 1,
    "codeformer_weight": 0.5,
    "restore_first": 1,
    "model": "inswapper_128.onnx",
    "gender_source": 1,
    "gender_target": 0,
    "device": "CUDA",
    "mask_face": 1,
    "select_source": 0,
    "face_model": "elena.safetensors",
    "random_image": 0,
    "upscale_force": 0,
    "det_thresh": 0.5,
    "det_maxnum": 0,
}


def sent(body: dict[str, Any], model: str = "reactor") -> Any:
    found = request.read(json.dumps(body).encode()).outbound(Operation.REACTOR, Server(), model, None).body
    assert isinstance(found, bytes)
    return json.loads(found)


def refused(**changes: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request.read(json.dumps({**FACES, **changes}).encode())
    return caught.value


def test_it_is_routed_by_a_name_of_the_relay_and_counts_one_image() -> None:
    found = request.read(json.dumps(DOCUMENTED).encode())
    assert found.call.model == "reactor"
    assert found.call.demand.images == (ImageCount(None, None, 1),)
    assert found.unstated(0, None) == Usage(images=(ImageCount(None, None, 1),))


def test_everything_documented_passes() -> None:
    assert sent(DOCUMENTED) == DOCUMENTED
    assert sent({**FACES, "restore_first": True, "later": {"member": 1}}) == {
        **FACES,
        "restore_first": True,
        "later": {"member": 1},
    }


def test_members_that_reach_files_are_left_out_where_they_ask_for_nothing() -> None:
    empty = {"save_to_file": 0, "result_file_path": "", "source_folder": ""}
    assert sent({**empty, **FACES}) == FACES
    assert sent({"save_to_file": None, **FACES, "result_file_path": None}) == FACES


def test_a_channel_may_name_the_file_that_swaps() -> None:
    assert sent(FACES, "simswap.onnx") == {**FACES, "model": "simswap.onnx"}
    assert sent({**FACES, "model": "mine.onnx"}, "simswap.onnx")["model"] == "mine.onnx"
    assert sent({"save_to_file": 0, **FACES}, "simswap.onnx") == {**FACES, "model": "simswap.onnx"}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"save_to_file": 1}, "save_to_file"),
        ({"save_to_file": True}, "save_to_file"),
        ({"result_file_path": "/tmp/x.png"}, "result_file_path"),
        ({"source_folder": "/home"}, "source_folder"),
        ({"select_source": 2}, "select_source"),
        ({"select_source": -1}, "select_source"),
        ({"model": "../x.onnx"}, "model"),
        ({"face_model": "a/b.safetensors"}, "face_model"),
        ({"upscaler": "C:\\x.pth"}, "upscaler"),
        ({"source_image": "http://10.0.0.1/a.png"}, "source_image"),
        ({"target_image": "/etc/passwd"}, "target_image"),
        ({"target_image": ""}, "target_image"),
        ({"source_image": None}, "source_image"),
        ({"scale": 9}, "scale"),
        ({"scale": "2"}, "scale"),
        ({"face_index": 0}, "face_index"),
        ({"Select_Source": 2}, "Select_Source"),
    ],
)
def test_what_breaks_the_contract_is_refused_by_name(changes: dict[str, Any], param: str) -> None:
    assert refused(**changes).param == param


def test_a_face_model_needs_no_image() -> None:
    body = {"target_image": PNG, "select_source": 1, "face_model": "elena.safetensors"}
    assert sent(body) == body


def test_a_repeated_member_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        request.read(b'{"save_to_file":0,"save_to_file":1}')
    assert caught.value.code == "duplicate_member"


def test_answers() -> None:
    assert request.REPLY.observe(b'{"image":"iVBOR"}').usage == Usage(images=(ImageCount(None, None, 1),))
    assert request.REPLY.observe(b'{"image":""}').empty
    for body in (b"", b"[]", b'{"image":null}', b"{}"):
        assert request.REPLY.observe(body).garbled


def test_lists_have_names_without_folders() -> None:
    body = json.dumps({"models": ["inswapper_128.onnx", "/srv/x.onnx", "C:\\m\\y.onnx"], "more": ["z"]}).encode()
    assert json.loads(lists.cleaned("models", body)) == {"models": ["inswapper_128.onnx", "x.onnx", "y.onnx"]}
    for broken in (b"", b"[]", b'{"upscalers":[]}', b'{"models":7}'):
        with pytest.raises(Garbled):
            lists.cleaned("models", broken)


def test_large_images_are_passed_over() -> None:
    long = PNG + "A" * outline.OUTLINE_FROM
    body = {"save_to_file": 0, "source_image": long, "result_file_path": "", "target_image": long, "device": "CPU"}
    assert sent(body, "b.onnx") == {"model": "b.onnx", "source_image": long, "target_image": long, "device": "CPU"}
