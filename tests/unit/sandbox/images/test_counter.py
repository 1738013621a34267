import base64
from typing import Any

import pytest

from polyrelay.sandbox.images import picture
from support.counter import HOST, Form, Front

PATH = "/v1/images/generations"
PNG = picture.draw(picture.digest_of("before"), 5, 64, 64)
OTHER = picture.draw(picture.digest_of("before"), 6, 64, 64)
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def codes(answer: Any) -> list[tuple[str, int]]:
    return [picture.read_back(base64.b64decode(item["b64_json"])) for item in answer.json["data"]]


def test_gpt_image_gives_base64_and_usage() -> None:
    body = {"model": "gpt-image-1", "prompt": "a cat", "n": 3, "size": "1024x1536", "quality": "low"}
    answer = Front().post(PATH, body)
    seeds = [seed for _, seed in codes(answer)]
    assert {digest for digest, _ in codes(answer)} == {picture.digest_of("a cat")}
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]
    assert answer.json["usage"] == {
        "total_tokens": 2 + 3 * 408,
        "input_tokens": 2,
        "output_tokens": 3 * 408,
        "input_tokens_details": {"text_tokens": 2, "image_tokens": 0},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 3 * 408},
    }
    assert (answer.json["size"], answer.json["quality"], answer.json["output_format"]) == ("1024x1536", "low", "png")
    assert answer.json["created"] == 1_700_000_000


def test_dall_e_gives_links_that_can_be_fetched_and_no_usage() -> None:
    front = Front()
    answer = front.post(PATH, {"model": "dall-e-2", "prompt": "a dog", "n": 2, "size": "256x256"})
    assert set(answer.json) == {"created", "data"}
    for item in answer.json["data"]:
        fetched = front.get(item["url"].removeprefix(HOST))
        assert fetched.headers["content-type"] == "image/png"
        assert picture.read_back(fetched.body)[0] == picture.digest_of("a dog")
        assert picture.size_of(fetched.body) == (256, 256)


def test_a_link_gives_the_same_picture_as_base64() -> None:
    body = {"model": "m", "prompt": "x", "size": "64x64", "output_format": "webp"}
    front = Front()
    url = front.post(PATH, body).json["data"][0]["url"]
    digest, seed = picture.read_back(front.get(url.removeprefix(HOST)).body)
    assert (url.endswith(f"/{digest}-{seed}-64x64.webp"), digest) == (True, picture.digest_of("x"))


@pytest.mark.parametrize(
    "name", ["x.png", "0" * 32 + "-1-0x5.png", "0" * 32 + "-1-5000x5.png", "0" * 32 + "-1-5x5.gif"]
)
def test_links_that_lead_nowhere(name: str) -> None:
    assert Front().get(f"/media/images/{name}").status == 404


def test_dall_e_3_tells_the_prompt_it_used() -> None:
    answer = Front().post(PATH, {"model": "dall-e-3", "prompt": "x", "response_format": "b64_json"})
    assert answer.json["data"][0]["revised_prompt"] == "x"
    assert picture.size_of(base64.b64decode(answer.json["data"][0]["b64_json"])) == (1024, 1024)


def test_usage_as_scripted() -> None:
    front, body = Front(), {"model": "gpt-image-1", "prompt": "x"}
    front.board.put("gpt-image-1", "prompt=11,tokens=22")
    assert (front.post(PATH, body).json["usage"]["total_tokens"]) == 33
    front.board.clear()
    front.board.put("gpt-image-1", "usage=none")
    assert "usage" not in front.post(PATH, body).json
    front.board.put("any", "usage=every,tokens=5,prompt=1")
    assert front.post(PATH, {"model": "any", "prompt": "x", "size": "64x64"}).json["usage"]["total_tokens"] == 6


def test_a_stream_of_partial_images() -> None:
    body = {"model": "gpt-image-1", "prompt": "a cat", "stream": True, "partial_images": 2, "output_format": "jpeg"}
    answer = Front().post(PATH, body)
    names = [name for name, _ in answer.events]
    assert names == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [said["type"] for _, said in answer.events] == names
    assert [said.get("partial_image_index") for _, said in answer.events] == [0, 1, None]
    assert {picture.read_back(base64.b64decode(said["b64_json"]))[0] for _, said in answer.events} == {
        picture.digest_of("a cat")
    }
    assert answer.events[-1][1]["usage"]["output_tokens"] == 1056 + 2 * 100
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "usage" not in answer.events[0][1]


def test_edits_tell_which_image_came() -> None:
    form = Form(("model", "gpt-image-1"), ("prompt", "hat"), ("image[]", "a.png", PNG), ("image[]", "b.png", OTHER))
    answer = Front().post("/v1/images/edits", form)
    assert codes(answer) == [(picture.digest_of("hat"), picture.seed_of(PNG, OTHER))]
    assert answer.json["usage"]["input_tokens_details"]["image_tokens"] == 2 * 323


def test_edits_as_json() -> None:
    body = {"model": "gpt-image-1", "prompt": "hat", "images": [{"image_url": DATA_URL}]}
    assert codes(Front().post("/v1/images/edits", body)) == [(picture.digest_of("hat"), picture.seed_of(PNG))]
    by_file = {"prompt": "hat", "images": [{"file_id": "file-1"}, {"image_url": "https://example.com/a.png"}]}
    seed = picture.seed_of(b"file-1", b"https://example.com/a.png")
    assert codes(Front().post("/v1/images/edits", by_file)) == [(picture.digest_of("hat"), seed)]


def test_variations() -> None:
    form = Form(("image", "a.png", PNG), ("n", "2"), ("size", "256x256"), ("response_format", "b64_json"))
    seed = picture.seed_of(PNG)
    found = codes(Front().post("/v1/images/variations", form))
    assert found == [(picture.digest_of(""), seed), (picture.digest_of(""), (seed + 1) % picture.SEEDS)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "n": 11}, "n"),
        ({"prompt": "x", "n": 1.5}, "n"),
        ({"prompt": "x", "n": "1"}, "n"),
        ({"prompt": "x", "n": True}, "n"),
        ({"prompt": "x", "n": 2, "model": "dall-e-3"}, "n"),
        ({"prompt": "x", "size": "big", "model": "m"}, "size"),
        ({"prompt": "x", "size": "8x8", "model": "m"}, "size"),
        ({"prompt": "x", "size": "1792x1024"}, "size"),
        ({"prompt": "x", "size": "512x512", "model": "gpt-image-1"}, "size"),
        ({"prompt": "x", "size": "1000x1000", "model": "gpt-image-2"}, "size"),
        ({"prompt": "x", "size": "3200x512", "model": "gpt-image-2"}, "size"),
        ({"prompt": "x", "quality": "best"}, "quality"),
        ({"prompt": "x", "response_format": "png"}, "response_format"),
        ({"prompt": "x", "output_format": "gif"}, "output_format"),
        ({"prompt": "x", "partial_images": 4}, "partial_images"),
        ({"prompt": "x", "output_compression": 101}, "output_compression"),
        ({"prompt": "x", "stream": True}, "stream"),
        ({"prompt": "x", "stream": "yes"}, "stream"),
        ({"prompt": "x" * 1001}, "prompt"),
    ],
)
def test_what_generations_refuse(body: dict[str, object], param: str) -> None:
    answer = Front().post(PATH, body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (Form(("prompt", "x")), "image"),
        (Form(("image", "a.png", b"no picture"), ("prompt", "x")), "image"),
        (Form(("image", "a.png", PNG)), "prompt"),
        (Form(("image", "a.png", PNG), ("mask", "m.png", b"no picture"), ("prompt", "x")), "mask"),
        (Form(*[("image[]", "a.png", PNG)] * 17, ("prompt", "x")), "image"),
        ({"prompt": "x"}, "images"),
        ({"prompt": "x", "images": []}, "images"),
        ({"prompt": "x", "images": [{}]}, "images"),
        ({"prompt": "x", "images": [{"image_url": "data:image/png;base64,!"}]}, "images"),
    ],
)
def test_what_edits_refuse(body: object, param: str) -> None:
    answer = Front().post("/v1/images/edits", body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize("size", ["3840x2160", "1024x1024", "1536x512"])
def test_sizes_of_gpt_image_2(size: str) -> None:
    answer = Front().post(PATH, {"prompt": "x", "model": "gpt-image-2", "size": size})
    width, height = size.split("x")
    assert picture.size_of(base64.b64decode(answer.json["data"][0]["b64_json"])) == (int(width), int(height))
