"""From the request to the call: songs are asked for over HTTP, made by the sandbox, kept, told and handed out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.processes import RelayProcess, Vendor, http, polyrelay, relay, until
from support.receiver import Heard, Receiver, receiver

AUDIO = ("audio/mpeg", "audio/wav", "audio/ogg")


def config(host: str, *ports: int) -> str:
    open_to = f"enabled = true\nallow_http = true\nallowed_ports = {list(ports)}\nallowed_networks = ['127.0.0.0/8']\n"
    return (
        "[jobs]\npace_seconds = 0.1\n"
        + (f"[webhooks]\n{open_to}first_delay_seconds = 0.05\n" if ports else "")
        + f'[[channels]]\nname = "songs"\nprovider = "suno_native"\nbase_url = "{host}"\nartefacts = "store"\n'
        'credentials = [{ value = "secret-of-songs" }]\n'
        'models = [{ name = "song", upstream = "chirp-v4" }, { name = "broken", upstream = "broken" }]\n'
        + "".join(
            f'[[channels]]\nname = "{model}"\nprovider = "sandbox"\nbase_url = "{host}/v1"\n{kept}'
            f'credentials = [{{ value = "secret-of-{model}" }}]\n'
            f'models = [{{ name = "{model}", upstream = "sora-2" }}]\n'
            f'[[tariffs]]\nmodel = "{model}"\nsell = {{ per_task = "0.1" }}\n'
            for model, kept in (("film", 'artefacts = "store"\n'), ("reel", ""))
        )
        + '[[tariffs]]\nmodel = "song"\nsell = { per_task = "0.1" }\n'
        '[[tariffs]]\nmodel = "broken"\nsell = { per_task = "0.1" }\n'
    )


@pytest.fixture(scope="module")
def customer() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def shop(sandbox: Vendor, customer: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    host = sandbox.base_url.removesuffix("/v1")
    with relay(tmp_path_factory.mktemp("delivery"), config(host, customer.port)) as found:
        yield found


def post(shop: RelayProcess, path: str, **body: Any) -> httpx2.Response:
    return http.post(shop.url + path, json=body, headers={"authorization": f"Bearer {shop.key}"})


def get(shop: RelayProcess, path: str) -> Any:
    return http.get(shop.url + path, headers={"authorization": f"Bearer {shop.key}"}).json()


def heard(customer: Receiver, path: str) -> Heard:
    until(lambda: bool(customer.calls(path)))
    return customer.calls(path)[0]


def test_a_song_is_told_with_links_to_what_the_relay_keeps(shop: RelayProcess, customer: Receiver) -> None:
    hook = customer.url("/song?token=t")
    made = post(shop, "/suno/submit/music", mv="song", prompt="la", title="A song", notify_hook=hook)
    assert made.status_code == 200, made.text
    call = heard(customer, "/song")
    assert call.is_signed_with(get(shop, "/v1/webhooks/secret")["secret"])
    task = call.json
    assert (task["task_id"], task["status"], task["notify_hook"]) == (made.json()["data"], "SUCCESS", hook)
    urls = [clip["audio_url"] for clip in task["data"]]
    assert len(urls) == 2
    assert all(url.startswith(f"{shop.url}/artefacts/art_") for url in urls)
    song = http.get(urls[0])
    assert song.status_code == 200
    assert song.headers["content-type"] in AUDIO
    assert len(song.content) == int(song.headers["content-length"])
    shown = get(shop, f"/suno/fetch/{task['task_id']}")["data"]
    assert [clip["audio_url"] for clip in shown["data"]] == urls
    told = polyrelay("webhooks", "list", task["task_id"], "--config", str(shop.config))
    assert (told["state"], told["attempts"]) == ("delivered", 1)


def test_a_song_that_fails_is_told_too(shop: RelayProcess, fresh: Vendor, customer: Receiver) -> None:
    fresh.script("broken", song="error")
    made = post(shop, "/v1/suno/api/generate/v2/", mv="broken", prompt="la", webhook_url=customer.url("/broken"))
    assert made.status_code == 200, made.text
    clips = heard(customer, "/broken").json
    assert [clip["status"] for clip in clips] == ["error", "error"]
    assert all(clip["audio_url"] == "" for clip in clips)


def test_a_video_that_is_kept_is_handed_out_in_parts(shop: RelayProcess, fresh: Vendor, customer: Receiver) -> None:
    """From what the relay keeps: the upstream is not asked again."""
    made = post(shop, "/v1/videos", model="film", prompt="a cat", seconds="4", notify_hook=customer.url("/film"))
    assert made.status_code == 200, made.text
    told = heard(customer, "/film").json
    assert told["url"].startswith(f"{shop.url}/artefacts/art_")
    before = len(fresh.requests())
    url, headers = f"{shop.url}/v1/videos/{told['id']}/content", {"authorization": f"Bearer {shop.key}"}
    film = http.get(url, headers=headers)
    size = len(film.content)
    assert (film.status_code, film.content[4:8], film.headers["accept-ranges"]) == (200, b"ftyp", "bytes")
    assert film.headers["x-request-id"].startswith("px_")
    for wanted, first, end in (("0-0", 0, 1), (f"{size - 1}-{size}", size - 1, size), ("-10", size - 10, size)):
        part = http.get(url, headers={**headers, "range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, film.content[first:end])
    assert http.get(url, headers={**headers, "range": f"bytes={size}-"}).status_code == 416
    assert http.get(url, headers={**headers, "if-none-match": film.headers["etag"]}).status_code == 304
    assert http.get(url).status_code == 401
    assert len(fresh.requests()) == before


def test_a_notice_of_a_video_that_its_upstream_keeps_has_a_link(shop: RelayProcess, customer: Receiver) -> None:
    made = http.post(
        f"{shop.url}/api/ai/video/generations",
        json={"model": "reel", "prompt": "a cat", "duration": 4, "notify_hook": customer.url("/reel")},
        headers={"x-api-key": shop.key},
    )
    assert made.json()["code"] == 0, made.text
    task = heard(customer, "/reel").json
    assert (task["id"], task["status"]) == (made.json()["data"]["id"], "SUCCESS")
    assert task["videoUrl"].startswith(f"{shop.url}/artefacts/px_")
    part = http.get(task["videoUrl"], headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


@pytest.mark.parametrize("hook", ["http://10.0.0.1/hook", "ftp://example.com/", "https://user:pw@example.com/"])
@pytest.mark.parametrize("param", ["notify_hook", "webhook_url"])
def test_an_address_that_is_never_called_is_refused(shop: RelayProcess, hook: str, param: str) -> None:
    refused = post(shop, "/suno/submit/music", mv="song", prompt="la", **{param: hook})
    assert refused.status_code == 400
    assert param in refused.json()["message"]


def test_a_relay_that_calls_nobody_says_so(sandbox: Vendor, customer: Receiver, tmp_path: Path) -> None:
    with relay(tmp_path, config(sandbox.base_url.removesuffix("/v1"))) as quiet:
        made = post(quiet, "/suno/submit/music", mv="song", prompt="la", notify_hook=customer.url("/quiet"))
        assert (made.status_code, made.headers["x-polyrelay-webhook"]) == (200, "disabled")
        where = f"/suno/fetch/{made.json()['data']}"
        until(lambda: get(quiet, where)["data"]["status"] == "SUCCESS")
    assert customer.calls("/quiet") == []
