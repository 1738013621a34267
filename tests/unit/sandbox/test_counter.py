import gzip
import json

import pytest

from support.counter import Form, Front

IMAGE = {"prompt": "a cat", "model": "gpt-image-1", "size": "1024x1024"}
CALLS: list[tuple[str, str, object]] = [
    ("POST", "/v1/images/generations", {"prompt": "x", "model": "m", "size": "64x64", "response_format": "b64_json"}),
    ("POST", "/v1/audio/speech", {"model": "m", "input": "Hello.", "voice": "v"}),
    ("POST", "/v1/audio/transcriptions", Form(("model", "m"), ("file", "a.wav", b"?"))),
    ("POST", "/v1/videos", {"prompt": "x"}),
    ("GET", "/v1/videos", None),
    ("POST", "/api/ai/video/generations", {"prompt": "x", "model": "m"}),
    ("POST", "/asr", Form(("audio_file", "a.wav", b"?"))),
    ("POST", "/sdapi/v1/txt2img", {"prompt": "x", "width": 64, "height": 64, "steps": 1}),
    ("GET", "/sdapi/v1/samplers", None),
    ("GET", "/reactor/models", None),
    ("POST", "/api/generate/v2/", {"prompt": "x", "mv": "chirp-v4"}),
    ("GET", "/api/feed/?ids=a", None),
    ("POST", "/suno/submit/music", {"prompt": "x", "mv": "chirp-v4"}),
    ("POST", "/suno/fetch", {"ids": []}),
    ("POST", "/api/generate", {"prompt": "x"}),
    ("GET", "/api/get_limit", None),
]
every_call = pytest.mark.parametrize(
    ("method", "path", "body"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)


def place(path: str) -> str:
    return path.partition("?")[0]


@every_call
def test_every_call_answers(method: str, path: str, body: object) -> None:
    answer = Front().ask(method, path, body)
    assert answer.status == 200
    assert answer.body
    assert answer.headers["x-request-id"].startswith("req_sandbox")


@every_call
def test_every_call_can_be_told_to_fail(method: str, path: str, body: object) -> None:
    front = Front()
    front.board.put(place(path), {"status": 503, "retry_after": 7}, 1)
    answer = front.ask(method, path, body)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert isinstance(answer.json, dict)
    assert front.ask(method, path, body).status == 200


@every_call
def test_every_call_can_be_told_to_fail_by_method_and_path(method: str, path: str, body: object) -> None:
    front = Front()
    front.board.put(f"{method} {place(path)}", "status=500")
    other = "GET" if method == "POST" else "POST"
    front.board.put(f"{other} {place(path)}", "status=418")
    assert front.ask(method, path, body).status == 500


@every_call
def test_every_body_can_be_spoiled(method: str, path: str, body: object) -> None:
    whole = Front().ask(method, path, body)

    def told(**script: object) -> bytes:
        front = Front()
        front.board.put("*", script)
        return front.ask(method, path, body).body

    assert told(empty="body") == b""
    assert told(garbage="body").endswith(b"garbage -->")
    assert 0 < len(told(malformed=0)) < len(whole.body)
    assert isinstance(json.loads(told(error=0)), dict)
    assert b"502 Bad Gateway" in told(html=True)
    assert gzip.decompress(told(gzip=True))[:1] == whole.body[:1]


@every_call
def test_every_answer_can_be_framed_wrongly(method: str, path: str, body: object) -> None:
    front = Front()
    front.board.put("*", {"cut": 1, "headers": 0.25, "first": 0.5, "pace": 0.125, "type": "text/plain"})
    answer = front.ask(method, path, body)
    plan = answer.plan
    assert (round(plan.headers, 2), plan.first, plan.pace, plan.complete) == (0.25, 0.5, 0.125, False)
    assert answer.headers["content-type"] == "text/plain"


def test_a_script_by_model_goes_before_one_by_path_and_that_before_any() -> None:
    front = Front()
    front.board.put("*", "status=500")
    assert front.post("/v1/images/generations", IMAGE).status == 500
    front.board.put("/v1/images/generations", "status=501")
    assert front.post("/v1/images/generations", IMAGE).status == 501
    front.board.put("POST /v1/images/generations", "status=502")
    assert front.post("/v1/images/generations", IMAGE).status == 502
    front.board.put("gpt-image-1", "status=503")
    assert front.post("/v1/images/generations", IMAGE).status == 503


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/images/generations", {**IMAGE, "model": "sandbox:status=429"}, 429),
        ("/v1/images/edits", Form(("model", "sandbox:status=429"), ("prompt", "x")), 429),
        ("/v1/audio/speech", {"model": "sandbox:status=500", "input": "x", "voice": "v"}, 500),
        ("/v1/audio/transcriptions", Form(("model", "sandbox:status=500"), ("file", "a", b"x")), 500),
        ("/v1/videos", {"model": "sandbox:status=502", "prompt": "x"}, 502),
        ("/api/ai/video/generations", {"model": "sandbox:status=502", "prompt": "x"}, 502),
        ("/sdapi/v1/txt2img", {"override_settings": {"sd_model_checkpoint": "sandbox:status=503"}}, 503),
        ("/api/generate/v2/", {"mv": "sandbox:status=402"}, 402),
        ("/suno/submit/music", {"mv": "sandbox:status=402"}, 402),
        ("/api/generate", {"model": "sandbox:status=402", "prompt": "x"}, 402),
    ],
)
def test_scripts_in_the_name_of_a_model(path: str, body: object, told: int) -> None:
    assert Front().post(path, body).status == told


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/images/generations", {"error": {"message", "type", "param", "code"}}),
        ("/asr", {"detail"}),
        ("/reactor/image", {"detail"}),
        ("/sdapi/v1/txt2img", {"error", "detail", "body", "errors"}),
        ("/api/generate/v2", {"detail"}),
        ("/suno/submit/music", {"code", "message", "data"}),
        ("/api/generate", {"error"}),
        ("/api/ai/video/generations", {"data", "code", "message", "timestamp"}),
    ],
)
def test_each_upstream_says_no_in_its_own_shape(path: str, shape: object) -> None:
    front = Front()
    front.board.put(path, "status=500")
    said = front.post(path, {}).json
    assert (
        set(said) == set(shape)
        if isinstance(shape, set)
        else set(said["error"]) == {"message", "type", "param", "code"}
    )


def test_chat_has_a_path_too() -> None:
    front = Front()
    front.board.put("/v1/chat/completions", "status=500", 1)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert [front.post("/api/ai/chat/completions", body).status for _ in range(2)] == [500, 200]


def test_a_wrong_script_in_a_name_is_named() -> None:
    answer = Front().post("/v1/images/generations", {**IMAGE, "model": "sandbox:nonsense=1"})
    assert answer.status == 400
    assert "unknown option 'nonsense'" in answer.json["error"]["message"]


def test_wrong_methods_and_paths() -> None:
    front = Front()
    assert front.get("/v1/images/generations").status == 405
    assert front.get("/v1/images/nothing").status == 404
    assert front.ask("DELETE", "/suno/fetch/x").status == 405


def test_credentials() -> None:
    front = Front(keys=frozenset({"good"}), basic=frozenset({"user:pass"}))
    bearer, basic = {"authorization": "Bearer good"}, {"authorization": "Basic dXNlcjpwYXNz"}
    assert [front.post("/v1/videos", {"prompt": "x"}, headers=headers).status for headers in ({}, bearer)] == [401, 200]
    assert [front.get("/sdapi/v1/samplers", headers=headers).status for headers in (bearer, basic)] == [401, 200]
    assert front.get("/sdapi/v1/samplers").headers["www-authenticate"] == "Basic"
    assert front.get("/reactor/models").status == 200
    assert front.get("/api/get_limit").status == 200
    assert front.post("/suno/fetch", {"ids": []}).json["data"] is None
    assert front.post("/suno/fetch", {"ids": []}, headers=bearer).status == 200
    listed = "/api/ai/video/generations"
    assert (front.get(listed).status, front.get(listed).json["code"]) == (200, 19000)
    assert front.get(listed, headers={"x-api-key": "good"}).json["code"] == 0


def test_links_begin_with_what_the_client_called() -> None:
    body = {"prompt": "x", "model": "dall-e-2", "size": "256x256"}
    front = Front()
    assert (
        front.post("/v1/images/generations", body).json["data"][0]["url"].startswith("http://sandbox.test:1234/media/")
    )
    front.desk.secure()
    assert front.post("/v1/images/generations", body).json["data"][0]["url"].startswith("https://sandbox.test:1234/")


def test_the_control_endpoint_lists_the_calls_and_the_jobs() -> None:
    front = Front()
    assert b"GET /suno/fetch/{id}" in front.get("/sandbox").body
    front.post("/suno/submit/music", {"prompt": "x", "mv": "m"})
    front.post("/v1/videos", {"prompt": "x"})
    front.now += 1
    jobs = front.get("/sandbox/jobs").json["jobs"]
    assert [(job["kind"], job["stage"]) for job in jobs] == [("clip", "done"), ("clip", "done"), ("video", "done")]
    state = front.get("/sandbox/state").json
    assert (state["songs_total"], state["videos_total"], state["webui_waiting"]) == (1, 1, 0)
