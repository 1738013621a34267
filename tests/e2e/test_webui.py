"""Stable Diffusion and ReActor behind the relay: code as the WebUI's API page has it, and what is booked for it.

The sandbox is the upstream: one card, behind HTTP Basic, whose pictures tell which prompt and seed they are of.
"""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from polyrelay.sandbox.images import picture
from polyrelay.sandbox.webui import reactor
from support.commands import document
from support.processes import RelayProcess, Vendor, http, relay, until, vendor
from support.webui import PNG

STEP_PRICE = 0.0002
CONFIG = """
[[channels]]
name = "gpu"
provider = "sdwebui"
base_url = "{root}"
credentials = [{{ value = "me:word" }}]
models = [
  {{ name = "sdxl", upstream = "sandbox-xl" }},
  {{ name = "stable-diffusion", upstream = "sandbox-15" }},
  {{ name = "slow", upstream = "sandbox-xl:step=60ms" }},
  {{ name = "broken", upstream = "sandbox-xl:status=500" }},
  {{ name = "twice", upstream = "sandbox-xl:status=503" }},
]
waiting = 3
scripts = ["controlnet", "ReActor"]

[[channels]]
name = "spare"
provider = "sdwebui"
base_url = "{root}"
credentials = [{{ value = "me:word" }}]
models = [{{ name = "twice", upstream = "sandbox-turbo" }}]
priority = 1

[[channels]]
name = "locked"
provider = "sdwebui"
base_url = "{root}"
models = ["locked"]

[[channels]]
name = "nowhere"
provider = "sdwebui"
base_url = "{root}/nothing"
models = ["nowhere"]

[[channels]]
name = "faces"
provider = "reactor"
base_url = "{root}"
models = ["reactor"]

[answers]
reveal_channel = true

[bounds]
drained_seconds = 10
"""
TARIFFS = """
[[tariffs]]
model = "sdxl"
sell = {{ per_image = [{{ size = "512x512", price = "0.002" }}, {{ price = "0.01" }}] }}

[[tariffs]]
model = "reactor"
sell = {{ per_image = [{{ price = "0.004" }}] }}
"""
STEPS = """
[[tariffs]]
model = "{model}"
sell = {{ per_megapixel_step = "0.0002" }}
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor(tmp_path_factory.mktemp("card"), "--basic", "me:word") as found:
        yield found


@pytest.fixture(scope="module")
def served(card: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    root = card.base_url.removesuffix("/v1")
    models = ("stable-diffusion", "slow", "broken", "twice", "locked", "nowhere")
    config = (CONFIG + TARIFFS).format(root=root) + "".join(STEPS.format(model=model) for model in models)
    with relay(tmp_path_factory.mktemp("relay"), config) as found:
        yield found
        audit = document("ledger", "audit", "--config", str(found.config))
        assert (audit["clean"], audit["offences"]) == (True, [])


def post(served: RelayProcess, path: str, **body: Any) -> httpx2.Response:
    return http.post(served.url + path, json=body, headers={"authorization": f"Bearer {served.key}"})


def charge(served: RelayProcess, answer: httpx2.Response) -> dict[str, Any]:
    """The charge of an answer, once it is booked."""
    exchange, where = answer.headers["x-request-id"], ("--config", str(served.config))
    until(lambda: any(each["id"] == exchange for each in document("charges", "list", *where)["data"]), 30)
    found = document("charges", "explain", exchange, *where)
    return dict(found)


def charged(served: RelayProcess, answer: httpx2.Response) -> list[tuple[str, int]]:
    return [(line["bucket"], line["quantity"]) for line in charge(served, answer)["lines"] or ()]


def file_of(image: str) -> bytes:
    return base64.b64decode(image, validate=True)


# ── clients as the API's page has them ───────────────────────────────────────────────────────────────────────────


def call_api(url: str, key: str, endpoint: str, payload: dict[str, Any]) -> Any:
    """With nothing but the standard library; the login of `--api-auth` is HTTP Basic."""
    login = base64.b64encode(f"user:{key}".encode()).decode()
    request = urllib.request.Request(
        f"{url}/{endpoint}",
        headers={"Content-Type": "application/json", "Authorization": f"Basic {login}"},
        data=json.dumps(payload).encode("utf-8"),
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read().decode("utf-8"))


def test_a_script_that_knows_an_address_and_a_login_alone(served: RelayProcess, tmp_path: Path) -> None:
    payload = {
        "prompt": "masterpiece, (best quality:1.1), 1girl <lora:lora_model:1>",
        "negative_prompt": "",
        "seed": 1,
        "steps": 20,
        "width": 512,
        "height": 512,
        "cfg_scale": 7,
        "sampler_name": "DPM++ 2M",
        "n_iter": 1,
        "batch_size": 2,
        "save_images": True,
        "override_settings": {"CLIP_stop_at_last_layers": 2},
    }
    answer = call_api(served.url, served.key, "sdapi/v1/txt2img", payload)
    assert len(answer["images"]) == 2, "no grid: nothing is saved, so nothing is added"
    for index, image in enumerate(answer["images"]):
        saved = tmp_path / f"txt2img-{index}.png"
        saved.write_bytes(file_of(image))
        assert picture.read_back(saved.read_bytes()) == (picture.digest_of(str(payload["prompt"])), 1 + index)
    info = json.loads(answer["info"])
    assert info["sd_model_name"] == "sandbox-15", "nobody named a checkpoint"
    assert info["all_seeds"] == [1, 2]
    assert answer["parameters"]["steps"] == 20


def test_one_image_leads_to_the_next(served: RelayProcess) -> None:
    first = call_api(served.url, served.key, "v1/sdapi/v1/txt2img", {"model": "sdxl", "prompt": "a cat", "steps": 2})
    payload = {
        "prompt": "a cat at night",
        "seed": 7,
        "steps": 4,
        "denoising_strength": 0.5,
        "n_iter": 1,
        "init_images": [first["images"][0]],
        "batch_size": 1,
        "mask": f"data:image/png;base64,{first['images'][0]}",
        "override_settings": {"sd_model_checkpoint": "sdxl"},
    }
    answer = call_api(served.url, served.key, "sdapi/v1/img2img", payload)
    assert picture.read_back(file_of(answer["images"][0])) == (picture.digest_of("a cat at night"), 7)
    assert json.loads(answer["info"])["sd_model_name"] == "sandbox-xl"


def test_the_login_is_a_key(served: RelayProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        call_api(served.url, "wrong", "sdapi/v1/txt2img", {})
    assert caught.value.code == 401
    assert caught.value.headers["www-authenticate"].startswith("Basic")
    assert set(json.loads(caught.value.read())) == {"error", "detail", "body", "errors", "code", "param"}


# ── what is charged ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_image_is_charged_by_its_size(served: RelayProcess) -> None:
    answer = post(served, "/v1/sdapi/v1/txt2img", model="sdxl", prompt="x", steps=2, batch_size=2)
    assert answer.status_code == 200
    assert answer.headers["x-polyrelay-cost"] == "0.004000000"
    assert answer.headers["x-polyrelay-channel"] == "gpu"
    assert charged(served, answer) == [("images/512x512", 2)]
    large = post(served, "/sdapi/v1/txt2img", model="sdxl", steps=2, enable_hr=True, hr_scale=1.5)
    assert large.headers["x-polyrelay-cost"] == "0.010000000"
    assert picture.size_of(file_of(large.json()["images"][0])) == (768, 768)


def test_or_by_the_work_that_it_was(served: RelayProcess) -> None:
    answer = post(served, "/v1/sdapi/v1/txt2img", steps=10, width=768, height=512, n_iter=3)
    assert len(answer.json()["images"]) == 3
    work = -(-3 * 10 * 768 * 512 // 1_000_000)
    assert answer.headers["x-polyrelay-cost"] == f"{work * STEP_PRICE:.9f}"
    found = charge(served, answer)
    assert [(line["bucket"], line["quantity"]) for line in found["lines"]] == [("megapixel_steps", work)]
    assert (found["estimated"], found["outcome"]) == (False, "complete")


def test_what_fails_costs_nothing(served: RelayProcess) -> None:
    for model, code in (("broken", "upstream_error"), ("locked", "upstream_error"), ("nowhere", "upstream_error")):
        answer = post(served, "/v1/sdapi/v1/txt2img", model=model)
        assert (answer.status_code, answer.json()["code"]) == (502, code)
        assert charged(served, answer) == []


def test_another_server_stands_in_and_is_charged_once(served: RelayProcess) -> None:
    answer = post(served, "/v1/sdapi/v1/txt2img", model="twice", steps=2)
    assert json.loads(answer.json()["info"])["sd_model_name"] == "sandbox-turbo"
    assert answer.headers["x-polyrelay-channel"] == "spare"
    assert charged(served, answer) == [("megapixel_steps", 1)]


def test_who_leaves_pays_for_what_cannot_be_stopped(served: RelayProcess, card: Vendor) -> None:
    before = len(served.records())
    with httpx2.Client(trust_env=False, timeout=0.4) as hasty, pytest.raises(httpx2.TimeoutException):
        hasty.post(
            f"{served.url}/sdapi/v1/txt2img",
            json={"model": "slow", "steps": 20},
            headers={"authorization": f"Bearer {served.key}", "x-request-id": "hasty"},
        )
    until(lambda: len(served.records()) > before, 15)
    record = served.record("hasty")
    assert record["outcome"] == "client_gone"
    where = ("--config", str(served.config))
    until(lambda: any(each["id"] == record["exchange"] for each in document("charges", "list", *where)["data"]), 30)
    found = document("charges", "explain", record["exchange"], *where)
    assert [(line["bucket"], line["quantity"]) for line in found["lines"]] == [("megapixel_steps", 6)]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/sdapi/v1/txt2img", {"steps": 151}, "steps"),
        ("/sdapi/v1/txt2img", {"width": "4096"}, "width"),
        ("/sdapi/v1/txt2img", {"override_settings": {"outdir_samples": "x"}}, "override_settings.outdir_samples"),
        ("/sdapi/v1/img2img", {"init_images": ["http://169.254.169.254/latest"]}, "init_images[0]"),
        (
            "/sdapi/v1/img2img",
            {"alwayson_scripts": {"reactor": {"args": ["/etc/passwd"]}}},
            "alwayson_scripts.reactor.args[0]",
        ),
        ("/sdapi/v1/txt2img", {"alwayson_scripts": {"AnimateDiff": {"args": []}}}, "alwayson_scripts.animatediff"),
        ("/v1/reactor/image", {"save_to_file": 1}, "save_to_file"),
        ("/reactor/image", {"source_image": PNG, "target_image": PNG, "select_source": 2}, "select_source"),
    ],
)
def test_what_breaks_the_contract_never_reaches_the_server(
    served: RelayProcess, card: Vendor, path: str, body: dict[str, Any], param: str
) -> None:
    card.clear()
    answer = post(served, path, **body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert answer.headers["x-should-retry"] == "false"
    assert card.requests() == []
    assert charged(served, answer) == []


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("img2img", {"prompt": "x"}, 404, "Init image not found"),
        ("txt2img", {"sampler_name": "none such"}, 400, "Sampler not found"),
        ("txt2img", {"cfg_scale": 7, "styles": "x"}, 422, None),
    ],
)
def test_the_servers_own_no_is_passed_on(
    served: RelayProcess, path: str, body: dict[str, Any], status: int, detail: str | None
) -> None:
    answer = post(served, f"/sdapi/v1/{path}", **body)
    assert answer.status_code == status
    assert detail is None or answer.json()["detail"] == detail
    assert charged(served, answer) == []


def test_a_model_that_is_not_offered(served: RelayProcess) -> None:
    answer = post(served, "/sdapi/v1/txt2img", override_settings={"sd_model_checkpoint": "sandbox-xl"})
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
    assert "sd-models" in answer.json()["detail"]


# ── one at a time ────────────────────────────────────────────────────────────────────────────────────────────────


def test_calls_wait_in_the_relay_and_not_at_the_server(served: RelayProcess, card: Vendor) -> None:
    served_before = card.state()["webui_total"]
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(post, served, "/sdapi/v1/txt2img", model="slow", steps=4, seed=n) for n in range(6)]
        most = 0
        while not all(each.done() for each in asked):
            most = max(most, card.state()["webui_waiting"])
            time.sleep(0.02)
    answers = [each.result() for each in asked]
    assert most == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 2
    assert card.state()["webui_total"] - served_before == 4
    for answer in answers:
        if answer.status_code == 503:
            assert (answer.json()["code"], answer.headers["retry-after"]) == ("queue_full", "10")
            assert charged(served, answer) == []


def test_who_leaves_the_line_is_never_sent(served: RelayProcess, card: Vendor) -> None:
    before = card.state()["webui_total"]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, served, "/sdapi/v1/txt2img", model="slow", steps=15)
        until(lambda: card.state()["webui_total"] > before)
        with httpx2.Client(trust_env=False, timeout=0.2) as hasty, pytest.raises(httpx2.TimeoutException):
            hasty.post(
                f"{served.url}/sdapi/v1/txt2img",
                json={"model": "slow"},
                headers={"authorization": f"Bearer {served.key}", "x-request-id": "left-the-line"},
            )
        assert first.result().status_code == 200
    record = served.record("left-the-line")
    assert (record["outcome"], record["attempts"]) == ("client_gone", 0)
    assert card.state()["webui_total"] - before == 1


# ── ReActor and lists ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_face_is_swapped(served: RelayProcess) -> None:
    made = post(served, "/sdapi/v1/txt2img", model="sdxl", prompt="a face", steps=2, width=64, height=64, n_iter=2)
    source, target = made.json()["images"]
    answer = post(
        served,
        "/v1/reactor/image",
        source_image=source,
        target_image=f"data:image/png;base64,{target}",
        save_to_file=0,
        result_file_path="",
        device="CPU",
    )
    swapped = picture.read_back(file_of(answer.json()["image"]))
    assert swapped == (reactor.digest_of(file_of(source)), picture.seed_of(file_of(target)))
    assert charged(served, answer) == [("images", 1)]


def test_or_inside_a_call_for_images(served: RelayProcess) -> None:
    answer = post(
        served,
        "/v1/sdapi/v1/img2img",
        model="sdxl",
        sampler_name="Euler",
        steps=2,
        cfg_scale=7,
        width=512,
        height=512,
        restore_faces=False,
        denoising_strength=0.01,
        init_images=[PNG],
        alwayson_scripts={"reactor": {"args": [PNG, True, "0", "0", "inswapper_128.onnx"]}},
    )
    assert answer.status_code == 200, answer.text
    assert charged(served, answer) == [("images/512x512", 1)]


def test_lists(served: RelayProcess, card: Vendor) -> None:
    def get(path: str) -> httpx2.Response:
        return http.get(served.url + path, headers={"authorization": f"Bearer {served.key}"})

    names = {model["title"] for model in get("/v1/sdapi/v1/sd-models").json()}
    assert names == {"sdxl", "stable-diffusion", "slow", "broken", "twice", "locked", "nowhere"}
    assert {"name", "aliases", "options"} <= set(get("/sdapi/v1/samplers?model=sdxl").json()[0])
    assert get("/sdapi/v1/schedulers?model=sdxl").json()
    assert all(each["model_path"] is None for each in get("/sdapi/v1/upscalers?model=sdxl").json())
    assert get("/v1/reactor/facemodels").json() == {"facemodels": ["None", "sandbox.safetensors"]}
    card.clear()
    for _ in range(5):
        assert get("/v1/sdapi/v1/progress?model=sdxl").json()["current_image"] is None
    assert len([each for each in card.requests() if "progress" in each["path"]]) == 1
    assert get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "stable-diffusion"
    assert post(served, "/sdapi/v1/options", sd_model_checkpoint="sdxl").status_code == 405
    assert post(served, "/sdapi/v1/interrupt").status_code == 404
    elsewhere = post(served, "/v1/videos", model="sdxl", prompt="a cat")
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (400, "unsupported")
    assert http.get(f"{served.url}/sdapi/v1/samplers").status_code == 401


def test_progress_answers_while_an_image_is_made(served: RelayProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(post, served, "/sdapi/v1/txt2img", model="slow", steps=40)

        def seen() -> bool:
            answer = http.get(
                f"{served.url}/sdapi/v1/progress?model=slow", headers={"authorization": f"Bearer {served.key}"}
            ).json()
            return bool(0 < answer["progress"] < 1 and answer["state"]["job"] == "")

        until(seen)
        assert making.result().status_code == 200
