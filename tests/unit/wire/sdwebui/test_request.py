import json
from typing import Any

import pytest

from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import outline
from polyrelay.wire.sdwebui import request
from polyrelay.wire.sdwebui.request import ImageRequest
from support.webui import DATA_URL, PNG, Server

SERVER = Server()


def read(**body: Any) -> ImageRequest:
    return request.read(Operation.TXT2IMG, json.dumps(body).encode())


def refused(**body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(**body)
    return caught.value


def sent(body: bytes, model: str = "up.safetensors", server: Server = SERVER) -> bytes:
    found = request.read(Operation.TXT2IMG, body).outbound(Operation.TXT2IMG, server, model, None).body
    assert isinstance(found, bytes)
    return found


OVERRIDE = b'"override_settings":{"sd_model_checkpoint":"up.safetensors"}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m","prompt":"x"}', b"{" + OVERRIDE + b',"prompt":"x"}'),
        (b'{"prompt":"x" , "model" : "m"}', b'{"prompt":"x" , ' + OVERRIDE + b"}"),
        (b'{"model":"m"}', b"{" + OVERRIDE + b"}"),
        (b"{}", b"{" + OVERRIDE + b"}"),
        (b' { "prompt":"x"}', b" {" + OVERRIDE + b', "prompt":"x"}'),
        (b'{"model":null,"steps":2}', b"{" + OVERRIDE + b',"steps":2}'),
        (b'{"model":"m","override_settings":null}', b"{" + OVERRIDE + b"}"),
        (b'{"override_settings":{},"model":"m"}', b"{" + OVERRIDE + b"}"),
        (b'{"override_settings":{"sd_model_checkpoint":"m"}}', b"{" + OVERRIDE + b"}"),
        (
            b'{"model":"m","override_settings":{"sd_model_checkpoint" : null}}',
            b'{"override_settings":{"sd_model_checkpoint" : "up.safetensors"}}',
        ),
        (
            b'{"override_settings":{ "CLIP_stop_at_last_layers":2},"model":"m","seed":1}',
            b'{"override_settings":{"sd_model_checkpoint":"up.safetensors", "CLIP_stop_at_last_layers":2},"seed":1}',
        ),
        (b'{"model":"m","save_images":true}', b"{" + OVERRIDE + b',"save_images":false}'),
        (
            b'{"override_settings_restore_afterwards":false,"model":"m"}',
            b'{"override_settings_restore_afterwards":true,' + OVERRIDE + b"}",
        ),
    ],
)
def test_the_checkpoint_goes_where_the_server_looks_for_it(body: bytes, expected: bytes) -> None:
    assert sent(body) == expected


def test_of_two_names_the_relays_own_counts() -> None:
    both = read(model="mine", override_settings={"sd_model_checkpoint": "other"})
    assert both.call.model == "mine"
    assert read(override_settings={"sd_model_checkpoint": "other"}).call.model == "other"
    assert read(prompt="x").call.model == request.UNNAMED


def test_what_is_asked_for_is_what_is_held_and_charged() -> None:
    found = read(model="m", steps=20, width=768, height=512, batch_size=2, n_iter=3)
    images = (ImageCount("768x512", None, 6),)
    work = -(-6 * 20 * 768 * 512 // 1_000_000)
    assert found.call.demand.images == images
    assert found.call.demand.megapixel_steps == work
    assert found.unstated(0, None) == Usage(images=images, megapixel_steps=work)
    assert not found.call.capped
    assert not found.call.stream
    assert found.operations == (Operation.TXT2IMG,)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 151}, "steps"),
        ({"steps": "151"}, "steps"),
        ({"steps": "20.5"}, "steps"),
        ({"steps": "many"}, "steps"),
        ({"hr_scale": "nan"}, "hr_scale"),
        ({"steps": True}, "steps"),
        ({"width": 63}, "width"),
        ({"height": 2049}, "height"),
        ({"batch_size": 9}, "batch_size"),
        ({"n_iter": 101}, "n_iter"),
        ({"batch_size": 8, "n_iter": 13}, "n_iter"),
        ({"enable_hr": True, "width": 2048, "hr_scale": 2.1}, "hr_scale"),
        ({"hr_scale": 5}, "hr_scale"),
        ({"hr_resize_x": 4097}, "hr_resize_x"),
        ({"denoising_strength": 1.5}, "denoising_strength"),
        ({"prompt": 7}, "prompt"),
        ({"model": ""}, "model"),
        ({"firstphase_width": 64}, "firstphase_width"),
        ({"firstphase_height": 2048}, "firstphase_height"),
        ({"script_name": "X/Y/Z plot"}, "script_name"),
        ({"infotext": "a cat\nSteps: 150"}, "infotext"),
        ({"send_images": False}, "send_images"),
        ({"outpath_samples": "x"}, "outpath_samples"),
        ({"outpath_grids": "x"}, "outpath_grids"),
        ({"refiner_checkpoint": "sdxl-refiner"}, "refiner_checkpoint"),
        ({"hr_checkpoint_name": "other"}, "hr_checkpoint_name"),
        ({"init_images": ["http://10.0.0.1/x.png"]}, "init_images[0]"),
        ({"init_images": [PNG, "/etc/passwd"]}, "init_images[1]"),
        ({"init_images": [PNG, ""]}, "init_images[1]"),
        ({"init_images": [None]}, "init_images[0]"),
        ({"mask": "https://example.com/m.png"}, "mask"),
        ({"latent_mask": "http://x"}, "latent_mask"),
        ({"firstpass_image": "http://x"}, "firstpass_image"),
        ({"override_settings": {"outdir_samples": "x"}}, "override_settings.outdir_samples"),
        ({"override_settings": {"api_forbid_local_requests": False}}, "override_settings.api_forbid_local_requests"),
        ({"override_settings": {"sd_vae": "/etc/passwd"}}, "override_settings.sd_vae"),
        ({"override_settings": {"sd_vae": ["a"]}}, "override_settings.sd_vae"),
        ({"override_settings": {"sd_model_checkpoint": 7}}, "override_settings.sd_model_checkpoint"),
        ({"override_settings": {"SD_model_checkpoint": "x"}}, "override_settings.SD_model_checkpoint"),
        ({"override_settings": {"samples_save": True}}, "override_settings.samples_save"),
        ({"override_settings": {"grid_save": "false"}}, "override_settings.grid_save"),
        ({"override_settings": {"forge_additional_modules": "ae"}}, "override_settings.forge_additional_modules"),
        ({"override_settings": {"forge_additional_modules": [7]}}, "override_settings.forge_additional_modules"),
        ({"override_settings": {"forge_additional_modules": ["x"] * 9}}, "override_settings.forge_additional_modules"),
        (
            {"override_settings": {"forge_additional_modules": ["ae", "../ae"]}},
            "override_settings.forge_additional_modules",
        ),
        ({"override_settings": []}, "override_settings"),
        ({"alwayson_scripts": {"controlnet": []}}, "alwayson_scripts.controlnet"),
        ({"Steps": 20}, "Steps"),
        ({"Model": "m"}, "Model"),
    ],
)
def test_what_breaks_the_contract_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    assert refused(**body).param == param


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (b'"20"', b"20"),
        (b"20.0", b"20"),
        (b"2e1", b"20"),
        (b'"20.0"', b"20"),
        (b'"null"', b"null"),
        (b"20", b"20"),
        (b"null", b"null"),
    ],
)
def test_the_server_reads_the_number_that_is_priced(written: bytes, read_as: bytes) -> None:
    found = request.read(Operation.TXT2IMG, b'{"steps":%b}' % written)
    assert found.call.demand.megapixel_steps == -(-(20 if read_as == b"20" else 50) * 512 * 512 // 1_000_000)
    assert b'"steps":%b' % read_as in sent(b'{"steps":%b}' % written)


def test_switches_may_be_written_as_numbers() -> None:
    made = json.loads(sent(b'{"enable_hr":"true","save_images":"true","send_images":1,"cfg_scale":"7.5","seed":"-1"}'))
    made.pop("override_settings")
    assert made == {"enable_hr": True, "save_images": False, "send_images": True, "cfg_scale": 7.5, "seed": -1}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"steps":2,"steps":150}', "duplicate_member"),
        (b'{"override_settings":{"sd_model_checkpoint":"a","sd_model_checkpoint":"b"}}', "duplicate_member"),
        (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested_too_deep"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request.read(Operation.TXT2IMG, body)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        {"steps": None, "width": None, "batch_size": None, "hr_scale": None, "model": None},
        {"script_name": None, "script_args": [], "infotext": "", "refiner_checkpoint": "None"},
        {"hr_checkpoint_name": "Use same checkpoint", "send_images": True, "save_images": False},
        {"init_images": [PNG, DATA_URL], "mask": DATA_URL, "firstpass_image": ""},
        {"styles": ["photo"], "seed": 4294967295, "subseed": -1, "sampler_index": "Euler", "comments": {}},
        {"alwayson_scripts": {}, "override_settings": {"sd_vae": "vae/a.safetensors", "samples_format": "webp"}},
        {"override_settings": {"filter_nsfw": True, "CLIP_stop_at_last_layers": 2, "samples_save": False}},
        {"override_settings": {"forge_additional_modules": ["ae.safetensors", "t5xxl.safetensors"]}},
        {"distilled_cfg_scale": 3.5, "anything_else": {"of": ["a", "later", "release"]}},
    ],
)
def test_the_rest_of_the_api_passes(body: dict[str, Any]) -> None:
    encoded = json.dumps(body).encode()
    result = json.loads(sent(encoded))
    assert result.pop("override_settings")["sd_model_checkpoint"] == "up.safetensors"
    assert result == {name: value for name, value in body.items() if name not in {"model", "override_settings"}}


def test_a_script_is_for_servers_that_offer_it() -> None:
    body = json.dumps({"model": "m", "alwayson_scripts": {"ADetailer": {"args": [True]}}}).encode()
    with pytest.raises(InvalidRequest) as caught:
        sent(body)
    assert (caught.value.code, caught.value.param) == ("script_not_offered", "alwayson_scripts.adetailer")
    assert sent(body, server=Server(scripts=frozenset({"adetailer"})))


LONG = PNG + "A" * outline.OUTLINE_FROM


@pytest.mark.parametrize("image", [LONG, f"data:image/png;base64,{LONG}"])
def test_large_images_are_passed_over_and_everything_behind_them_is_found(image: str) -> None:
    body: dict[str, Any] = {
        "init_images": [image, PNG],
        "override_settings": {"CLIP_stop_at_last_layers": 2},
        "mask": image,
        "save_images": True,
        "alwayson_scripts": {"controlnet": {"args": [{"image": image}]}, "ReActor": {"args": [image, True]}},
        "model": "m",
        "steps": 3,
    }
    encoded = json.dumps(body).encode()
    found = request.read(Operation.IMG2IMG, encoded)
    assert len(found.text.text) < 2000
    del body["model"]
    body["override_settings"] = {"sd_model_checkpoint": "up.safetensors", "CLIP_stop_at_last_layers": 2}
    assert json.loads(sent(encoded)) == {**body, "save_images": False}
    with pytest.raises(InvalidRequest) as caught:
        request.read(Operation.IMG2IMG, json.dumps({**body, "mask": f"http://10.0.0.1/{LONG}"}).encode())
    assert caught.value.param == "mask"
