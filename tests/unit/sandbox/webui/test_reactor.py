import base64

import pytest

from polyrelay.sandbox.images import picture
from polyrelay.sandbox.webui import reactor
from support.counter import Front

FACE = picture.draw(picture.digest_of("face"), 1, 64, 64, "jpeg")
TARGET = picture.draw(picture.digest_of("target"), 2, 128, 96)
SOURCE_64, TARGET_64 = base64.b64encode(FACE).decode(), base64.b64encode(TARGET).decode()
BODY = {"source_image": SOURCE_64, "target_image": TARGET_64}


def swapped(**more: object) -> bytes:
    answer = Front().post("/reactor/image", {**BODY, **more})
    assert set(answer.json) == {"image"}
    return base64.b64decode(answer.json["image"])


def test_the_result_tells_both_pictures_and_has_the_targets_size() -> None:
    image = swapped()
    assert picture.read_back(image) == (reactor.digest_of(FACE), picture.seed_of(TARGET))
    assert picture.size_of(image) == (128, 96)


def test_upscaling_and_face_models() -> None:
    assert picture.size_of(swapped(upscaler="Lanczos", scale=1.5)) == (192, 144)
    assert picture.size_of(swapped(scale=2)) == (128, 96)
    by_model = swapped(select_source=1, face_model="sandbox.safetensors", source_image="")
    assert picture.read_back(by_model)[0] == reactor.digest_of(b"sandbox.safetensors")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"target_image": ""}, 500),
        ({"source_image": "x"}, 500),
        ({"target_image": base64.b64encode(TARGET[:60]).decode()}, 500),
        ({"target_image": "https://example.com/a.png"}, 500),
        ({"upscaler": "Lanczos", "scale": 1000}, 500),
        ({"upscaler": "Lanczos", "scale": 0}, 500),
        ({"model": "other.onnx"}, 422),
        ({"select_source": 1}, 422),
        ({"select_source": 2, "source_folder": "/etc"}, 422),
        ({"select_source": 3}, 422),
        ({"face_index": "first"}, 422),
    ],
)
def test_what_is_refused(changed: dict[str, object], status: int) -> None:
    answer = Front().post("/reactor/image", {**BODY, **changed})
    assert (answer.status, set(answer.json)) == (status, {"detail"})


def test_lists() -> None:
    front = Front()
    assert front.get("/reactor/models").json == {"models": ["inswapper_128.onnx"]}
    assert "None" in front.get("/reactor/upscalers").json["upscalers"]
    assert "sandbox.safetensors" in front.get("/reactor/facemodels").json["facemodels"]
