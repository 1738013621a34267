import base64
import json
from typing import Any

import pytest

from polyrelay.sandbox.images import picture
from polyrelay.sandbox.webui import catalogue
from support.counter import Front

TXT, IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"
SMALL = {"prompt": "a cat", "width": 64, "height": 64, "steps": 2}
PNG = picture.draw(picture.digest_of("before"), 5, 64, 64)
ENCODED = base64.b64encode(PNG).decode()


def codes(answer: Any) -> list[tuple[str, int]]:
    return [picture.read_back(base64.b64decode(image)) for image in answer.json["images"]]


def info(answer: Any) -> Any:
    assert isinstance(answer.json["info"], str)
    return json.loads(answer.json["info"])


def test_pictures_are_batches_times_iterations_with_seeds_in_a_row() -> None:
    answer = Front().post(TXT, {**SMALL, "seed": 7, "batch_size": 2, "n_iter": 3})
    assert codes(answer) == [(picture.digest_of("a cat"), seed) for seed in range(7, 13)]
    assert info(answer)["all_seeds"] == list(range(7, 13))
    assert len(info(answer)["infotexts"]) == 6
    assert "Seed: 8, Size: 64x64" in info(answer)["infotexts"][1]
    assert info(answer)["index_of_first_image"] == 0


def test_a_seed_is_drawn_when_none_is_given() -> None:
    answer = Front().post(TXT, SMALL)
    assert answer.json["parameters"]["seed"] == -1
    assert codes(answer)[0][1] == info(answer)["seed"] >= 0


def test_parameters_are_the_request_with_every_default() -> None:
    parameters = Front().post(TXT, {**SMALL, "unknown": 1}).json["parameters"]
    assert (parameters["cfg_scale"], parameters["sampler_index"], parameters["hr_scale"]) == (7.0, "Euler", 2.0)
    assert len(parameters) == 41 + 14
    assert "unknown" not in parameters


def test_a_grid_comes_first_when_images_are_saved() -> None:
    answer = Front().post(TXT, {**SMALL, "save_images": True, "batch_size": 3})
    assert len(answer.json["images"]) == 4
    assert info(answer)["index_of_first_image"] == 1
    assert picture.size_of(base64.b64decode(answer.json["images"][0])) == (128, 128)
    assert len(Front().post(TXT, {**SMALL, "save_images": True}).json["images"]) == 1


def test_images_need_not_be_sent() -> None:
    assert Front().post(TXT, {**SMALL, "send_images": False}).json["images"] == []


def test_sizes_are_multiples_of_eight_and_grow_when_fixed_in_high_resolution() -> None:
    answer = Front().post(TXT, {**SMALL, "width": 71})
    assert picture.size_of(base64.b64decode(answer.json["images"][0])) == (64, 64)
    answer = Front().post(TXT, {**SMALL, "enable_hr": True, "hr_scale": 1.5})
    assert picture.size_of(base64.b64decode(answer.json["images"][0])) == (96, 96)
    answer = Front().post(TXT, {**SMALL, "enable_hr": True, "hr_resize_x": 128, "hr_resize_y": 64})
    assert picture.size_of(base64.b64decode(answer.json["images"][0])) == (128, 64)


def test_checkpoints() -> None:
    def loaded(checkpoint: str) -> str:
        answer = Front().post(TXT, {**SMALL, "override_settings": {"sd_model_checkpoint": checkpoint}})
        return str(info(answer)["sd_model_name"])

    assert loaded("sandbox-15") == "sandbox-15"
    assert loaded(catalogue.Checkpoint("sandbox-turbo").title) == "sandbox-turbo"
    assert loaded("unheard-of.safetensors") == "sandbox-xl"
    assert info(Front().post(TXT, {**SMALL, "model": "sandbox-15"}))["sd_model_name"] == "sandbox-xl"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({"sampler_name": "Euler a"}, ("Euler a", "Automatic")),
        ({"sampler_name": "k_dpmpp_2m", "scheduler": "karras"}, ("DPM++ 2M", "Karras")),
        ({"sampler_name": "DPM++ 2M SDE Karras"}, ("DPM++ 2M SDE", "Karras")),
        ({"sampler_name": "dpm++ 2m sgm uniform"}, ("DPM++ 2M", "SGM Uniform")),
        ({"sampler_index": "DDIM"}, ("DDIM", "Automatic")),
        ({"sampler_name": "", "sampler_index": "LCM"}, ("LCM", "Automatic")),
        ({}, ("Euler", "Automatic")),
    ],
)
def test_samplers(given: dict[str, str], used: tuple[str, str]) -> None:
    said = info(Front().post(TXT, {**SMALL, **given}))
    assert (said["sampler_name"], said["extra_generation_params"]["Schedule type"]) == used


def test_calls_wait_for_each_other() -> None:
    front = Front()
    front.board.put(TXT, {"step": 0.01})
    body = {**SMALL, "steps": 20, "n_iter": 2}
    assert [round(front.post(TXT, body).plan.headers, 3) for _ in range(3)] == [0.4, 0.8, 1.2]
    assert front.get("/sandbox/state").json["webui_waiting"] == 3
    front.now += 0.5
    seen = front.get("/sdapi/v1/progress").json
    assert (round(seen["progress"], 3), seen["state"]["sampling_step"], seen["state"]["job_no"]) == (0.25, 10, 0)
    front.now += 1
    assert front.get("/sdapi/v1/progress?skip_current_image=true").json["progress"] == 0
    assert round(front.post(TXT, body).plan.headers, 3) == 0.4


def test_img2img() -> None:
    body = {**SMALL, "init_images": [ENCODED, f"data:image/png;base64,{ENCODED}"], "mask": ENCODED, "seed": 3}
    answer = Front().post(IMG, body)
    assert codes(answer) == [(picture.digest_of("a cat"), 3)]
    assert answer.json["parameters"]["init_images"] is None
    kept = Front().post(IMG, {**body, "include_init_images": True})
    assert kept.json["parameters"]["init_images"][0] == ENCODED
    front = Front()
    front.board.put(IMG, {"step": 0.01})
    assert round(front.post(IMG, {**body, "steps": 40, "denoising_strength": 0.5}).plan.headers, 3) == 0.2


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        (IMG, SMALL, 404, "Init image not found"),
        (IMG, {**SMALL, "init_images": []}, 404, "Init image not found"),
        (IMG, {**SMALL, "init_images": ["no picture"]}, 500, "Invalid encoded image"),
        (IMG, {**SMALL, "init_images": [ENCODED], "mask": "AAAA"}, 500, "Invalid encoded image"),
        (IMG, {**SMALL, "init_images": ["http://169.254.169.254/"]}, 500, "Requests not allowed"),
        (TXT, {**SMALL, "sampler_name": "Crystal ball"}, 400, "Sampler not found"),
        (TXT, {**SMALL, "script_name": "x/y"}, 422, "Script 'x/y' not found"),
        (TXT, {**SMALL, "alwayson_scripts": {"evil": {}}}, 422, "always on script evil not found"),
        (TXT, {**SMALL, "width": 100_000, "height": 100_000}, 500, "CUDA out of memory"),
        (TXT, {**SMALL, "width": 8}, 500, "Nothing to draw"),
        (TXT, {**SMALL, "n_iter": 0}, 500, "Nothing to draw"),
    ],
)
def test_what_is_refused(path: str, body: object, status: int, detail: str) -> None:
    answer = Front().post(path, body)
    assert (answer.status, answer.json["detail"]) == (status, detail)
    assert set(answer.json) == {"error", "detail", "body", "errors"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"steps": "many"}, ["body", "steps"]),
        ({"prompt": 5}, ["body", "prompt"]),
        ({"init_images": ENCODED}, ["body", "init_images"]),
        (b"{", ["body", 0]),
        (b"[]", ["body", ""]),
    ],
)
def test_what_is_unprocessable(body: object, where: list[object]) -> None:
    answer = Front().post(IMG, body)
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, where)


def test_numbers_may_be_written_as_text() -> None:
    assert Front().post(TXT, {**SMALL, "steps": "3", "width": "64"}).json["parameters"]["steps"] == 3


def test_the_reactor_script_is_installed() -> None:
    scripts = {"reactor": {"args": [ENCODED, True, "0", "0", "inswapper_128.onnx"]}}
    assert Front().post(IMG, {**SMALL, "init_images": [ENCODED], "alwayson_scripts": scripts}).status == 200


def test_lists() -> None:
    front = Front()
    for name in catalogue.lists():
        assert front.get(f"/sdapi/v1/{name}").status == 200
    models = front.get("/sdapi/v1/sd-models").json
    assert set(models[0]) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert models[0]["title"].startswith("sandbox-xl.safetensors [")
    assert "Euler" in [sampler["name"] for sampler in front.get("/sdapi/v1/samplers").json]
