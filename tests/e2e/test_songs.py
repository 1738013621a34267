"""Songs: a client of each dialect against an upstream of each, through a real relay and the sandbox."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from support.processes import RelayProcess, Vendor, polyrelay, relay

PATIENCE = 30.0
UPSTREAMS = ("native", "task", "flat")
PRICE = 'sell = { per_task = "0.1" }\n'
WORDS = {"prompt": "[Verse]\nla la", "tags": "pop", "title": "A song"}


def config(host: str) -> str:
    text = "[jobs]\npace_seconds = 0.1\nlost_seconds = 3\n"
    for name in UPSTREAMS:
        text += (
            f'[[channels]]\nname = "{name}"\nprovider = "suno_{name}"\nbase_url = "{host}"\n'
            f'credentials = [{{ value = "secret-of-{name}" }}]\n'
            f'models = [{{ name = "song-{name}", upstream = "chirp-v4" }}, '
            f'{{ name = "broken-{name}", upstream = "broken" }}]\n'
        )
    text += (
        f'[[channels]]\nname = "words"\nprovider = "suno_native"\nbase_url = "{host}"\n'
        'credentials = [{ value = "secret-of-words" }]\nmodels = ["suno_lyrics", "suno_concat"]\n'
    )
    models = [f"{kind}-{name}" for name in UPSTREAMS for kind in ("song", "broken")]
    return text + "".join(
        f'[[tariffs]]\nmodel = "{model}"\n{PRICE}' for model in (*models, "suno_lyrics", "suno_concat")
    )


class Client:
    """Speaks one dialect to the relay."""

    def __init__(self, relay: RelayProcess) -> None:
        self.http = httpx2.Client(
            base_url=relay.url, headers={"authorization": f"Bearer {relay.key}"}, trust_env=False, timeout=PATIENCE
        )

    def make(self, model: str, **more: Any) -> tuple[str, ...]:
        """Begin a song; the names of its clips."""
        raise NotImplementedError

    def clips(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """The clips as they stand."""
        raise NotImplementedError

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **params: str) -> Any:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Native(Client):
    def make(self, model: str, **more: Any) -> tuple[str, ...]:
        made = self.post("/v1/suno/api/generate/v2/", mv=model, make_instrumental=False, **{**WORDS, **more})
        assert made["clips"][0]["status"] in ("submitted", "queued", "streaming")
        return tuple(clip["id"] for clip in made["clips"])

    def clips(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        found = self.get("/v1/suno/api/feed/", ids=",".join(names))
        return [{**clip, **clip["metadata"], "id": clip["id"]} for clip in found]


class Task(Client):
    def make(self, model: str, **more: Any) -> tuple[str, ...]:
        told = self.post("/suno/submit/music", mv=model, **{**WORDS, **more})
        assert told["code"] == "success"
        return (told["data"],)

    def clips(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        task = self.get(f"/suno/fetch/{names[0]}")["data"]
        assert task["task_id"] == names[0]
        return [{**clip, **clip["metadata"], "id": clip["id"]} for clip in task["data"]]


class Flat(Client):
    def make(self, model: str, **more: Any) -> tuple[str, ...]:
        return tuple(
            clip["id"] for clip in self.post("/suno-api/api/custom_generate", model=model, **{**WORDS, **more})
        )

    def clips(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/suno-api/api/get", ids=",".join(names))
        return found


CLIENTS: dict[str, type[Client]] = {"native": Native, "task": Task, "flat": Flat}


@pytest.fixture
def speak(shop: RelayProcess) -> Iterator[Callable[[str], Client]]:
    """Clients by the dialect they speak."""
    clients = {dialect: kind(shop) for dialect, kind in CLIENTS.items()}
    yield clients.__getitem__
    for client in clients.values():
        client.http.close()


@pytest.fixture(scope="module")
def shop(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with relay(tmp_path_factory.mktemp("songs"), config(sandbox.base_url.removesuffix("/v1"))) as found:
        yield found


def spent(shop: RelayProcess) -> str:
    answer = httpx2.get(f"{shop.base_url}/usage", headers={"authorization": f"Bearer {shop.key}"}, trust_env=False)
    return str(answer.json()["today"]["amount"])


def finished(client: Client, names: tuple[str, ...]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = client.clips(names)
        if found and all(clip["status"] in ("complete", "error") for clip in found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("dialect", CLIENTS)
def test_a_client_of_any_dialect_is_served_by_any_upstream(
    dialect: str, upstream: str, speak: Callable[[str], Client]
) -> None:
    client = speak(dialect)
    names = client.make(f"song-{upstream}")
    found = finished(client, names)
    assert [clip["status"] for clip in found] == ["complete", "complete"]
    for clip in found:
        assert clip["title"] == "A song"
        assert clip["tags"] == "pop"
        assert clip["prompt"].startswith("[Verse]")
        assert httpx2.get(clip["audio_url"], trust_env=False).status_code == 200
        assert clip["id"].startswith("px_")


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_song_that_fails_costs_nothing(
    upstream: str, shop: RelayProcess, fresh: Vendor, speak: Callable[[str], Client]
) -> None:
    before = spent(shop)
    fresh.script("broken", song="error")
    client = speak("native")
    found = finished(client, client.make(f"broken-{upstream}"))
    assert {clip["status"] for clip in found} == {"error"}
    assert spent(shop) == before


def test_a_song_is_extended_and_put_together_by_who_made_it(speak: Callable[[str], Client]) -> None:
    client = speak("native")
    first = finished(client, client.make("song-native"))[0]["id"]
    longer = finished(client, client.make("song-native", continue_clip_id=first, continue_at=30.5))[0]
    assert longer["status"] == "complete"
    assert longer["history"][0]["id"] == first


def test_lyrics_in_every_dialect(speak: Callable[[str], Client]) -> None:
    native, task, flat = speak("native"), speak("task"), speak("flat")
    name = native.post("/v1/suno/api/generate/lyrics/", prompt="the sea")["id"]
    deadline = time.monotonic() + PATIENCE
    while (lyrics := native.get(f"/v1/suno/api/generate/lyrics/{name}"))["status"] != "complete":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert lyrics["text"]
    assert task.get(f"/suno/fetch/{name}")["data"]["data"]["text"] == lyrics["text"]
    assert flat.post("/suno-api/api/generate_lyrics", prompt="the sea")["text"]


def test_wrong_input_is_refused_in_the_dialects_own_words(shop: RelayProcess, speak: Callable[[str], Client]) -> None:
    client = speak("native")
    native = client.http.post("/v1/suno/api/generate/v2/", json={"mv": "song-native", "prompt": 7})
    assert (native.status_code, "prompt" in native.json()["detail"]) == (400, True)
    task = client.http.post("/suno/submit/music", json={"mv": "song-native", "prompt": 7})
    assert (task.status_code, task.json()["code"]) == (400, "invalid_request")
    flat = client.http.post("/suno-api/api/generate", json={"model": "song-native"})
    assert (flat.status_code, "prompt" in flat.json()["error"]) == (400, True)
    assert client.http.post("/suno/submit/dance", json={}).status_code == 400
    assert client.http.get("/suno/nothing").status_code == 404
    assert client.http.get("/suno/submit/music").status_code == 405
    unknown = client.http.post("/suno/submit/music", json={"mv": "nobody", "prompt": "x"})
    assert unknown.status_code == 404
    anonymous = httpx2.post(f"{shop.url}/suno/submit/music", json={"prompt": "x"}, trust_env=False)
    assert anonymous.status_code == 401


def test_what_is_left_is_told(speak: Callable[[str], Client]) -> None:
    told = speak("flat").get("/suno-api/api/get_limit")
    assert told["credits_left"] > 0


def test_the_books_are_sound(shop: RelayProcess) -> None:
    found = polyrelay("ledger", "audit", "--config", str(shop.config))
    assert found["clean"], found
