"""The upstreams that have no SDK, over HTTP and in real time."""

import base64
import http.client
import json
import threading
import time
from typing import Any

import pytest

from polyrelay.sandbox.audio import formats
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.server import Sandbox
from support.counter import BOUNDARY, Form

from .vendor import Vendor, running, until

SMALL = {"prompt": "a cat", "width": 64, "height": 64, "seed": 3}
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def in_background(vendor: Vendor, path: str, body: object, answers: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append((vendor.json("POST", path, body), time.monotonic())))
    thread.start()
    return thread


def test_stable_diffusion_draws_one_after_the_other_and_tells_how_far_it_is(vendor: Vendor) -> None:
    vendor.sandbox.script("/sdapi/v1/txt2img", "step=5ms")
    answers: list[Any] = []
    started = time.monotonic()
    threads = [in_background(vendor, "/sdapi/v1/txt2img", {**SMALL, "steps": 20}, answers) for _ in range(2)]
    until(lambda: vendor.json("GET", "/sdapi/v1/progress")[1]["progress"] > 0)
    assert vendor.json("GET", "/sdapi/v1/progress")[1]["state"]["sampling_steps"] == 20
    for thread in threads:
        thread.join(10)
    waits = [ended - started for _, ended in answers]
    assert 0.09 < waits[0] < waits[1]
    assert waits[1] > 0.19
    for (status, answer), _ in answers:
        assert status == 200
        assert picture.read_back(base64.b64decode(answer["images"][0])) == (picture.digest_of("a cat"), 3)
    assert vendor.json("GET", "/sdapi/v1/progress")[1]["progress"] == 0


def test_stable_diffusion_behind_basic_authentication() -> None:
    with running(Sandbox(basic=frozenset({"user:pass"}))) as vendor:
        status, headers, _ = vendor.raw("GET", "/sdapi/v1/sd-models")
        assert (status, headers["www-authenticate"]) == (401, "Basic")
        right = {"authorization": f"Basic {base64.b64encode(b'user:pass').decode()}"}
        assert vendor.raw("GET", "/sdapi/v1/sd-models", headers=right)[0] == 200
        assert vendor.raw("GET", "/reactor/models")[0] == 200


def test_whisper_asr_hears_what_was_said(vendor: Vendor) -> None:
    body = json.dumps({"model": "tts-1", "input": "One. Two.", "voice": "a", "response_format": "flac"}).encode()
    _, _, sound = vendor.raw("POST", "/v1/audio/speech", body)
    form = Form(("audio_file", "said.flac", sound)).encoded()
    status, headers, text = vendor.raw("POST", "/asr?output=txt&encode=true", form, FORM)
    assert (status, headers["asr-engine"], text) == (200, "openai_whisper", b"One.\nTwo.\n")
    assert headers["content-disposition"] == 'attachment; filename="said.flac.txt"'
    status, _, found = vendor.raw("POST", "/detect-language", form, FORM)
    assert (status, json.loads(found)["language_code"]) == (200, "en")


def test_a_song_lives_in_real_time_in_all_dialects(vendor: Vendor) -> None:
    vendor.sandbox.script("chirp-v4", "song=60ms,seconds=2")
    _, task = vendor.json("POST", "/suno/submit/music", {"prompt": "la", "mv": "chirp-v4", "title": "Home"})
    path = f"/suno/fetch/{task['data']}"
    until(lambda: vendor.json("GET", path)[1]["data"]["status"] == "SUCCESS")
    (clip, _) = vendor.json("GET", path)[1]["data"]["data"]
    assert vendor.json("GET", f"/api/feed/v2?ids={clip['id']}")[1]["clips"] == [clip]
    _, _, flat = vendor.raw("GET", f"/api/get?ids={clip['id']}")
    assert json.loads(flat)[0]["audio_url"] == clip["audio_url"]
    assert clip["audio_url"].startswith(f"http://127.0.0.1:{vendor.port}/media/songs/")
    _, headers, sound = vendor.raw("GET", f"/media/songs/{clip['id']}.mp3")
    assert headers["content-type"] == "audio/mpeg"
    assert abs(formats.listen(sound)[1] - 2) < 0.05


def test_waiting_for_the_audio(vendor: Vendor) -> None:
    vendor.sandbox.script("chirp-v3-5", "song=200ms")
    started = time.monotonic()
    _, _, body = vendor.raw("POST", "/api/generate", json.dumps({"prompt": "x", "wait_audio": True}).encode())
    assert time.monotonic() - started > 0.07
    assert {song["status"] for song in json.loads(body)} == {"streaming"}


@pytest.mark.parametrize(
    "path", ["/suno/submit/music", "/api/generate/v2/", "/asr", "/sdapi/v1/txt2img", "/reactor/image"]
)
@pytest.mark.parametrize("fault", ["before=close", "before=reset", "cut=0", "reset=5"])
def test_connections_break_for_every_upstream(vendor: Vendor, path: str, fault: str) -> None:
    vendor.sandbox.script(path, fault)
    with pytest.raises((http.client.HTTPException, OSError)):
        vendor.raw("POST", path, b'{"prompt":"x"}')


def test_a_large_upload(vendor: Vendor) -> None:
    form = Form(("model", "whisper-1"), ("file", "big.bin", bytes(25 * 1024 * 1024))).encoded()
    status, _, body = vendor.raw("POST", "/v1/audio/transcriptions", form, FORM)
    assert (status, json.loads(body)["text"]) == (200, formats.UNKNOWN)
    assert vendor.sandbox.requests[-1].body_size == len(form)


def test_links_are_https_where_the_sandbox_is(secure_vendor: Vendor) -> None:
    body = json.dumps({"prompt": "x", "model": "m", "size": "64x64"}).encode()
    request = (
        b"POST /v1/images/generations HTTP/1.1\r\nhost: localhost:7\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    )
    with secure_vendor.connect() as sock:
        sock.sendall(request % len(body) + body)
        seen = b""
        while data := sock.recv(65536):
            seen += data
    assert b'"url":"https://localhost:7/media/images/' in seen
