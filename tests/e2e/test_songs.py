"""Songs: a client of each dialect against an upstream of each, through a real relay and the sandbox."""

import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from polyrelay.storage.access.records import KeyTerms, LimitTerms
from support.processes import RelayProcess, Vendor, make_key, polyrelay, relay, until

PATIENCE = 30.0
UPSTREAMS = ("native", "task", "flat")
ABLE = ("native", "flat")
"""Dialects that take clips apart and align their words."""
STATUSES = ("submitted", "queued", "streaming", "complete", "error")
PRICE = 'sell = { per_task = "0.1" }\n'
WORDS = {"prompt": "[Verse]\nla la", "tags": "pop", "title": "A song"}


def config(host: str) -> str:
    text = "[jobs]\npace_seconds = 0.1\nlost_seconds = 3\n"
    for name in UPSTREAMS:
        text += (
            f'[[channels]]\nname = "{name}"\nprovider = "suno_{name}"\nbase_url = "{host}"\n'
            f'credentials = [{{ value = "secret-of-{name}" }}]\n'
            f'models = [{{ name = "song-{name}", upstream = "chirp-v4" }}, '
            f'{{ name = "broken-{name}", upstream = "broken" }}, {{ name = "slow-{name}", upstream = "slow" }}, '
            f'"suno_stems", "suno_concat"]\n'
        )
    text += (
        f'[[channels]]\nname = "words"\nprovider = "suno_native"\nbase_url = "{host}"\n'
        'credentials = [{ value = "secret-of-words" }]\nmodels = ["suno_lyrics", "suno_concat"]\n'
    )
    models = [f"{kind}-{name}" for name in UPSTREAMS for kind in ("song", "broken", "slow")]
    return text + "".join(
        f'[[tariffs]]\nmodel = "{model}"\n{PRICE}' for model in (*models, "suno_lyrics", "suno_concat", "suno_stems")
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

    def apart(self, name: str) -> httpx2.Response:
        """Ask for the stems of a clip."""
        raise NotImplementedError

    def aligned(self, name: str) -> httpx2.Response:
        """Ask when each word of a clip is sung."""
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

    def apart(self, name: str) -> httpx2.Response:
        return self.http.post(f"/v1/suno/api/edit/stems/{name}")

    def aligned(self, name: str) -> httpx2.Response:
        return self.http.get(f"/v1/suno/api/gen/{name}/aligned_lyrics/v2/")


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

    def apart(self, name: str) -> httpx2.Response:
        return self.http.post("/suno-api/api/generate_stems", json={"audio_id": name})

    def aligned(self, name: str) -> httpx2.Response:
        return self.http.get("/suno-api/api/get_aligned_lyrics", params={"song_id": name})


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


def spent(shop: RelayProcess) -> Decimal:
    answer = httpx2.get(f"{shop.base_url}/usage", headers={"authorization": f"Bearer {shop.key}"}, trust_env=False)
    return Decimal(answer.json()["today"]["amount"])


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


def test_what_is_left_is_told_alike_in_every_dialect(shop: RelayProcess, speak: Callable[[str], Client]) -> None:
    client = speak("native")
    told = client.get("/suno-api/api/get_limit")
    assert told["credits_left"] > 0
    billing = client.get("/v1/suno/api/billing/info/")
    account = client.get("/suno/account")["data"]["certificate"]
    assert billing["total_credits_left"] == account["credits_left"] == int(told["credits_left"])
    for name in ("monthly_limit", "monthly_usage", "period"):
        assert billing[name] == account[name]
    for path in ("/v1/suno/api/billing/info/", "/suno/account", "/suno/get_credits", "/suno-api/api/get_limit"):
        assert httpx2.get(shop.url + path, trust_env=False).status_code == 401


def test_a_song_is_extended_and_put_together_by_who_made_it(speak: Callable[[str], Client]) -> None:
    client = speak("native")
    first = finished(client, client.make("song-native"))[0]["id"]
    longer = finished(client, client.make("song-native", continue_clip_id=first, continue_at=30.5))[0]
    assert longer["status"] == "complete"
    assert longer["history"][0]["id"] == first


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_nothing_is_made_of_a_clip_that_failed(
    upstream: str, shop: RelayProcess, fresh: Vendor, speak: Callable[[str], Client]
) -> None:
    """Its other take is delivered and paid."""
    fresh.script("broken", song="half")
    client = speak("native")
    whole, failed = finished(client, client.make(f"broken-{upstream}"))
    assert (whole["status"], failed["status"]) == ("complete", "error")
    before = spent(shop)
    for made in (
        client.http.post("/v1/suno/api/generate/concat/v2/", json={"clip_id": failed["id"]}),
        client.http.post(
            "/v1/suno/api/generate/v2/", json={"mv": f"broken-{upstream}", "continue_clip_id": failed["id"], **WORDS}
        ),
        client.apart(failed["id"]),
    ):
        assert (made.status_code, "nothing finished" in made.json()["detail"]) == (400, True)
    assert spent(shop) == before


@pytest.mark.parametrize("upstream", ABLE)
@pytest.mark.parametrize("dialect", ABLE)
def test_a_clip_is_taken_apart_by_who_made_it(
    dialect: str, upstream: str, shop: RelayProcess, speak: Callable[[str], Client]
) -> None:
    client = speak(dialect)
    source = finished(client, client.make(f"song-{upstream}"))[0]["id"]
    before = spent(shop)
    made = client.apart(source)
    assert made.status_code == 200, made.text
    stems = made.json()["clips"] if dialect == "native" else made.json()
    found = finished(client, tuple(stem["id"] for stem in stems))
    assert [stem["title"] for stem in found] == ["A song (Vocals)", "A song (Instrumental)"]
    assert {stem["status"] for stem in found} == {"complete"}
    task = speak("task").get(f"/suno/fetch/{stems[0]['id'].partition('-')[0]}")["data"]
    assert (task["action"], task["status"]) == ("STEMS", "SUCCESS")
    assert [stem["metadata"]["stem_from_id"] for stem in task["data"]] == [source, source]
    assert spent(shop) == before + Decimal("0.1")


@pytest.mark.parametrize("upstream", ABLE)
def test_stems_that_fail_cost_nothing(
    upstream: str, shop: RelayProcess, fresh: Vendor, speak: Callable[[str], Client]
) -> None:
    client = speak("flat")
    source = finished(client, client.make(f"song-{upstream}"))[0]["id"]
    before = spent(shop)
    path = {"native": "/api/edit/stems/{id}", "flat": "/api/generate_stems"}[upstream]
    fresh.script(path, song="error")
    stems = client.apart(source).json()
    assert {stem["status"] for stem in finished(client, tuple(stem["id"] for stem in stems))} == {"error"}
    for status, told in ((500, 502), (400, 400)):
        fresh.clear()
        fresh.script(path, status=status)
        assert client.apart(source).status_code == told
    assert spent(shop) == before


@pytest.mark.parametrize("upstream", ABLE)
@pytest.mark.parametrize("dialect", ABLE)
def test_the_words_of_a_clip_are_aligned_by_who_made_it(
    dialect: str, upstream: str, shop: RelayProcess, speak: Callable[[str], Client]
) -> None:
    client = speak(dialect)
    clip = finished(client, client.make(f"song-{upstream}"))[0]
    before = spent(shop)
    told = client.aligned(clip["id"])
    assert told.status_code == 200, told.text
    words = told.json()["aligned_words"] if dialect == "native" else told.json()
    assert "".join(word["word"] for word in words) == clip["prompt"]
    assert (words[0]["start_s"], words[-1]["end_s"]) == (0, clip["duration"])
    assert {(word["success"], word["p_align"]) for word in words} == {(True, 1.0)}
    assert spent(shop) == before


@pytest.mark.parametrize("dialect", ABLE)
def test_what_a_task_upstream_made_is_neither_taken_apart_nor_aligned(
    dialect: str, shop: RelayProcess, speak: Callable[[str], Client]
) -> None:
    client = speak(dialect)
    source = finished(client, client.make("song-task"))[0]["id"]
    before = spent(shop)
    for answer in (client.apart(source), client.aligned(source)):
        assert answer.status_code == 400
        assert "does not offer this" in answer.json()["detail" if dialect == "native" else "error"]
    assert spent(shop) == before


def test_questions_are_of_the_models_and_within_the_limits_of_a_key(
    shop: RelayProcess, speak: Callable[[str], Client]
) -> None:
    client = speak("flat")
    clip = finished(client, client.make("song-native"))[0]["id"]
    limited = make_key(shop.config, KeyTerms(limits=LimitTerms(requests_per_minute=1)), credit=0)
    narrow = make_key(shop.config, KeyTerms(models=("song-flat",)), credit=0)
    persona = {"id": "5a5a5a5a-0000-4000-8000-000000000001", "model": "song-native"}

    def ask(key: str, path: str, **query: str) -> int:
        head = {"authorization": f"Bearer {key}"}
        answer = httpx2.get(f"{shop.url}/suno-api/api/{path}", params=query, headers=head, trust_env=False)
        return answer.status_code

    for path, query in (("get_aligned_lyrics", {"song_id": clip}), ("persona", persona)):
        assert ask(narrow, path, **query) == 403
    assert ask(narrow, "persona", **{**persona, "model": "song-flat"}) == 200
    assert ask(limited, "get_aligned_lyrics", song_id=clip) == 200
    assert ask(limited, "persona", **persona) == 429


@pytest.mark.parametrize("upstream", ABLE)
def test_a_persona_is_told_as_gcui_tells_it(upstream: str, shop: RelayProcess, speak: Callable[[str], Client]) -> None:
    client = speak("flat")
    name, before = "5a5a5a5a-0000-4000-8000-000000000001", spent(shop)
    finished(client, client.make(f"song-{upstream}"))
    page = client.get("/suno-api/api/persona", id=name, page="1", model=f"song-{upstream}")
    assert (page["persona"]["id"], page["current_page"]) == (name, 1)
    assert page["persona"]["persona_clips"][0]["clip"]["status"] in STATUSES
    assert (page["persona"]["is_owned"], page["persona"]["user_handle"]) == (False, "")
    path = "/suno-api/api/persona"
    assert client.http.get(path, params={"model": f"song-{upstream}"}).status_code == 400
    assert client.http.get(path, params={"id": name, "model": "song-task"}).status_code == 400
    assert client.http.get(path, params={"id": name, "model": "nobody"}).status_code == 404
    assert httpx2.get(f"{shop.url}{path}?id={name}", trust_env=False).status_code == 401
    gone = client.http.get(path, params={"id": "nobody", "model": f"song-{upstream}"})
    assert gone.status_code == {"native": 404, "flat": 502}[upstream]
    assert spent(shop) == before + Decimal("0.1"), "the song alone"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_song_by_way_of_a_chat(upstream: str, shop: RelayProcess, speak: Callable[[str], Client]) -> None:
    client, before = speak("flat"), spent(shop)
    asked = {"model": f"song-{upstream}", "messages": [{"role": "user", "content": "about rain"}]}
    answer = client.http.post("/suno-api/v1/chat/completions", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("## Sandbox song")
    assert "about rain" in answer.text
    links = re.findall(r"\[Take \d\]\((http[^)]+)\)", answer.text)
    assert [httpx2.get(link, trust_env=False).status_code for link in links] == [200, 200]
    until(lambda: spent(shop) == before + Decimal("0.1"))
    refused = client.http.post("/suno-api/v1/chat/completions", json={"messages": []})
    assert (refused.status_code, set(refused.json())) == (400, {"error"})


def test_a_chat_whose_song_fails_costs_nothing(
    shop: RelayProcess, fresh: Vendor, speak: Callable[[str], Client]
) -> None:
    before = spent(shop)
    fresh.script("broken", song="0.1+error")
    asked = {"model": "broken-native", "messages": [{"role": "user", "content": "about rain"}]}
    answer = speak("flat").http.post("/suno-api/v1/chat/completions", json=asked)
    assert (answer.status_code, set(answer.json())) == (500, {"error"})
    assert spent(shop) == before


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
    extended = client.http.post("/suno-api/api/extend_audio", json={})
    assert (extended.status_code, "audio_id" in extended.json()["error"]) == (400, True)
    for path in ("/suno/submit/music", "/suno/generate", "/v1/suno/api/generate/v2/", "/suno-api/api/concat"):
        assert httpx2.post(shop.url + path, content=b"{", trust_env=False).status_code == 401


def test_the_paths_of_sunoai_have_native_answers(shop: RelayProcess, speak: Callable[[str], Client]) -> None:
    client = speak("native")
    for base in ("/suno", "/sunoapi"):
        made = client.post(f"{base}/generate", mv="song-native", **WORDS)
        names = [clip["id"] for clip in made["clips"]]
        clips = finished(client, tuple(names))
        told = client.get(f"{base}/feed/{','.join(names)}")
        assert [(clip["id"], clip["status"]) for clip in told] == [(name, "complete") for name in names]
        whole = client.post(f"{base}/generate/concat", clip_id=clips[0]["id"])
        assert whole["metadata"]["type"] == "concat"
        described = client.post(f"{base}/generate/description-mode", mv="song-native", gpt_description_prompt="rain")
        assert described["metadata"]["gpt_description_prompt"] == "rain"
        lyrics = client.post(f"{base}/generate/lyrics/", prompt="rain")["id"]
        assert client.get(f"{base}/lyrics/{lyrics}")["id"] == lyrics
        assert client.get(f"{base}/get_credits")["period"] == "month"
        refused = client.http.post(f"{base}/generate/description-mode", json={"prompt": "la"})
        assert (refused.status_code, set(refused.json())) == (400, {"detail"})
        assert set(client.http.get(f"{base}/generate").json()) == {"detail"}
    assert set(client.http.get("/suno/nothing").json()) == {"code", "message", "data"}
    assert set(client.http.get("/sunoapi/nothing").json()) == {"detail"}


@pytest.mark.parametrize("dialect", ABLE)
def test_what_is_not_complete_or_not_there_is_not_aligned(
    dialect: str, fresh: Vendor, speak: Callable[[str], Client]
) -> None:
    client = speak(dialect)
    fresh.script("slow", song="stuck")
    names = client.make("slow-native")
    early = client.aligned(names[0])
    assert (early.status_code, "complete clip" in early.text) == (400, True)
    for name in ("px_" + "0a" * 14 + "-0", "5a5a5a5a-0000-4000-8000-000000000001"):
        assert client.aligned(name).status_code == 404
        assert client.apart(name).status_code == 400


def test_the_books_are_sound(shop: RelayProcess) -> None:
    found = polyrelay("ledger", "audit", "--config", str(shop.config))
    assert found["clean"], found
