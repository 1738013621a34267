"""Videos: OpenAI's SDK and a client of AiToEarn's, against upstreams of both kinds."""

import io
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from support.processes import RelayProcess, Vendor, polyrelay, relay, until

PATIENCE = 30.0
GENERATIONS = "/api/ai/video/generations"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def config(host: str) -> str:
    return (
        "[jobs]\npace_seconds = 0.1\n"
        f'[[channels]]\nname = "openai"\nprovider = "sandbox"\nbase_url = "{host}/v1"\n'
        'credentials = [{ value = "secret-of-openai" }]\nmodels = ["sora-2", "broken"]\n'
        f'[[channels]]\nname = "tasks"\nprovider = "aitoearn"\nbase_url = "{host}"\n'
        'credentials = [{ value = "secret-of-tasks" }]\nmodels = ["kling"]\n'
        f'[[channels]]\nname = "kept"\nprovider = "sandbox"\nbase_url = "{host}/v1"\nartefacts = "store"\n'
        'credentials = [{ value = "secret-of-kept" }]\nmodels = ["kept"]\n'
        '[[tariffs]]\nmodel = "kept"\nsell = { per_task = "0.5" }\n'
        '[[tariffs]]\nmodel = "sora-2"\nsell = { per_second = "0.1" }\n'
        '[[tariffs]]\nmodel = "kling"\nsell = { per_task = "0.5" }\n'
        '[[tariffs]]\nmodel = "broken"\nsell = { per_task = "0.5" }\n'
    )


@pytest.fixture(scope="module")
def shop(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with relay(tmp_path_factory.mktemp("videos"), config(sandbox.base_url.removesuffix("/v1"))) as found:
        yield found


@pytest.fixture
def sdk(shop: RelayProcess) -> Iterator[OpenAI]:
    with (
        httpx2.Client(trust_env=False) as http,
        OpenAI(base_url=shop.base_url, api_key=shop.key, http_client=http, max_retries=0) as client,
    ):
        yield client


@pytest.fixture
def tasks(shop: RelayProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=shop.url, headers={"x-api-key": shop.key}, trust_env=False) as client:
        yield client


def made(sdk: OpenAI, video: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while (found := sdk.videos.retrieve(video)).status not in ("completed", "failed"):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def finished(tasks: httpx2.Client, name: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while True:
        told = tasks.get(f"{GENERATIONS}/{name}").json()
        assert told["code"] == 0, told
        if told["data"]["status"] in ("SUCCESS", "FAILURE"):
            return told["data"]
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def charged(shop: RelayProcess, video: str) -> str | None:
    found = polyrelay("charges", "show", video.removeprefix("video_"), "--config", str(shop.config))
    return None if found["amount"] is None else str(found["amount"])


def test_a_video_is_made_fetched_remixed_listed_and_deleted(sdk: OpenAI, shop: RelayProcess) -> None:
    video = sdk.videos.create(prompt="a cat", model="sora-2", seconds="4", size="720x1280")
    assert (video.id.startswith("video_px_"), video.object, video.model) == (True, "video", "sora-2")
    done = made(sdk, video.id)
    assert (done.status, done.progress, done.seconds) == ("completed", 100, "4")
    content = sdk.videos.download_content(video.id).read()
    assert content[4:8] == b"ftyp"

    remix = sdk.videos.remix(video.id, prompt="with a hat")
    assert remix.remixed_from_video_id == video.id
    assert made(sdk, remix.id).status == "completed"

    page = sdk.videos.list(limit=1)
    assert [each.id for each in page.data] == [remix.id]
    assert page.has_more
    everything = [each.id for each in sdk.videos.list(order="asc")]
    assert everything.index(video.id) < everything.index(remix.id)

    assert sdk.videos.delete(video.id).deleted
    with pytest.raises(NotFoundError):
        sdk.videos.retrieve(video.id)


def test_a_part_of_a_video(sdk: OpenAI, shop: RelayProcess) -> None:
    """The upstream's own, as a player asks for it: both ends, and behind the end."""
    video = made(sdk, sdk.videos.create(prompt="a cat", model="sora-2", seconds="4").id)
    url, headers = f"{shop.base_url}/videos/{video.id}/content", {"authorization": f"Bearer {shop.key}"}
    film = httpx2.get(url, headers=headers, trust_env=False)
    size = len(film.content)
    assert (film.status_code, film.headers["accept-ranges"]) == (200, "bytes")
    for wanted, first, end in (("0-0", 0, 1), (f"{size - 1}-", size - 1, size), ("-10", size - 10, size)):
        part = httpx2.get(url, headers={**headers, "range": f"bytes={wanted}"}, trust_env=False)
        assert (part.status_code, part.content) == (206, film.content[first:end])
        assert part.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
    behind = httpx2.get(url, headers={**headers, "range": f"bytes={size}-"}, trust_env=False)
    assert (behind.status_code, behind.content, behind.headers["content-range"]) == (416, b"", f"bytes */{size}")
    head = httpx2.head(url, headers=headers, trust_env=False)
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))


def test_a_client_of_aitoearn_gets_a_link_to_what_openai_hands_out_by_name(
    tasks: httpx2.Client, sdk: OpenAI, shop: RelayProcess
) -> None:
    told = tasks.post(GENERATIONS, json={"model": "sora-2", "prompt": "a dog", "duration": 4}).json()
    url = finished(tasks, told["data"]["id"])["videoUrl"]
    assert url.startswith(f"{shop.url}/artefacts/px_")
    film = httpx2.get(url, trust_env=False)
    assert (film.status_code, film.content[4:8], film.headers["content-type"]) == (200, b"ftyp", "video/mp4")
    assert film.headers["x-content-type-options"] == "nosniff"
    assert film.headers["content-disposition"] == 'inline; filename="video.mp4"'
    part = httpx2.get(url, headers={"range": "bytes=4-7"}, trust_env=False)
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(film.content)}"
    behind = httpx2.get(url, headers={"range": f"bytes={len(film.content)}-"}, trust_env=False)
    assert behind.status_code == 416
    assert httpx2.head(url, trust_env=False).headers["content-length"] == str(len(film.content))
    for wrong in (url.replace("px_", "px_0"), url[:-1], url.partition("?")[0]):
        assert httpx2.get(wrong, trust_env=False).status_code == 403
    sdk.videos.delete(f"video_{told['data']['id']}")
    assert httpx2.get(url, trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (404, 502, "content_gone"),
        (410, 502, "content_gone"),
        (500, 502, "upstream_error"),
        (503, 503, "upstream_unavailable"),
        (429, 429, "upstream_rate_limited"),
    ],
)
def test_a_film_that_is_not_handed_out(
    status: int, told: int, code: str, sdk: OpenAI, shop: RelayProcess, fresh: Vendor
) -> None:
    """Only one that is gone will not come back; and it can be fetched when its upstream is well again."""
    video = made(sdk, sdk.videos.create(prompt="a cat", model="sora-2", seconds="4").id)
    fresh.script("/v1/videos/{id}/content", status=status)
    with pytest.raises(APIStatusError) as refusal:
        sdk.videos.download_content(video.id)
    assert (refusal.value.status_code, refusal.value.code) == (told, code)
    fresh.clear()
    assert sdk.videos.download_content(video.id).read()[4:8] == b"ftyp"


@pytest.mark.parametrize("fault", [{"html": True}, {"empty": "body"}])
def test_what_is_no_film_is_not_handed_out(
    fault: dict[str, Any], sdk: OpenAI, shop: RelayProcess, fresh: Vendor
) -> None:
    video = made(sdk, sdk.videos.create(prompt="a cat", model="sora-2", seconds="4").id)
    fresh.script("GET /v1/videos/{id}/content", **fault)
    with pytest.raises(APIStatusError) as refusal:
        sdk.videos.download_content(video.id)
    assert (refusal.value.status_code, refusal.value.code) == (502, "upstream_error")


def test_a_key_is_asked_for_before_the_rest(shop: RelayProcess) -> None:
    told = httpx2.post(shop.url + GENERATIONS, content=b"{", trust_env=False).json()
    assert (told["code"], "X-Api-Key: YOUR_KEY" in told["message"]) == (19000, True)


def test_a_video_that_was_stored_goes_with_its_link(
    tasks: httpx2.Client, sdk: OpenAI, shop: RelayProcess, fresh: Vendor
) -> None:
    name = tasks.post(GENERATIONS, json={"model": "kept", "prompt": "a dog", "duration": 4}).json()["data"]["id"]
    until(lambda: "/artefacts/art_" in finished(tasks, name)["videoUrl"])
    url = finished(tasks, name)["videoUrl"]
    assert httpx2.get(url, trust_env=False).content[4:8] == b"ftyp"
    sdk.videos.delete(f"video_{name}")
    gone = httpx2.get(url, trust_env=False)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "artefact_gone")


def test_a_form_with_a_picture(sdk: OpenAI) -> None:
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(64))
    picture.name = "first.png"
    video = sdk.videos.create(prompt="a cat", model="sora-2", seconds="4", input_reference=picture)
    assert made(sdk, video.id).status == "completed"


@pytest.mark.parametrize("model", ["sora-2", "kling"])
def test_either_client_is_served_by_either_upstream(
    model: str, sdk: OpenAI, tasks: httpx2.Client, shop: RelayProcess
) -> None:
    video = sdk.videos.create(prompt="a dog", model=model, seconds="4")
    assert made(sdk, video.id).status == "completed"
    told = tasks.post(GENERATIONS, json={"model": model, "prompt": "a dog", "duration": 4}).json()
    assert (told["code"], told["data"]["status"]) == (0, "SUBMITTED")
    task = finished(tasks, told["data"]["id"])
    assert (task["status"], task["model"], task["input"]["prompt"]) == ("SUCCESS", model, "a dog")
    listed = tasks.get(GENERATIONS, params={"page": "1", "pageSize": "1"}).json()["data"]
    assert (listed["list"][0]["id"], listed["pageSize"]) == (task["id"], 1)
    assert listed["total"] >= 2


def test_a_video_that_fails_is_not_charged(sdk: OpenAI, shop: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken", video="error")
    failed = made(sdk, sdk.videos.create(prompt="x", model="broken").id)
    assert failed.status == "failed"
    assert failed.error is not None
    with pytest.raises(NotFoundError):
        sdk.videos.download_content(failed.id)


def test_wrong_input_is_refused_in_each_clients_words(sdk: OpenAI, tasks: httpx2.Client) -> None:
    with pytest.raises(BadRequestError) as refusal:
        sdk.videos.create(prompt="", model="sora-2")
    assert refusal.value.param == "prompt"
    told = tasks.post(GENERATIONS, json={"model": "sora-2"}).json()
    assert (told["code"], "prompt" in told["message"]) == (10002, True)
    assert tasks.post(GENERATIONS, json={"model": "none", "prompt": "x"}).json()["code"] == 12300
    assert tasks.get(f"{GENERATIONS}/nothing").json()["code"] == 12302
    with pytest.raises(NotFoundError):
        sdk.videos.retrieve("video_nothing")
    with pytest.raises(BadRequestError) as stale:
        sdk.videos.list(after="video_nothing")
    assert stale.value.param == "after"


def test_the_books_are_sound(shop: RelayProcess) -> None:
    found = polyrelay("ledger", "audit", "--config", str(shop.config))
    assert found["clean"], found
