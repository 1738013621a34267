import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from polyrelay.access.principal import KeyLimits, Principal
from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service import lists, world
from polyrelay.service.lists import ReadOnlyLists
from polyrelay.settings.root import Settings
from polyrelay.upstream.recorded import Answer
from support.stage import HOLDER, JSON, TOKEN, Stage

SAMPLERS = [{"name": "Euler a", "aliases": [], "options": {}}]


def channel(name: str, provider: str, models: Mapping[str, str], priority: int = 0) -> Channel:
    base = f"http://{name}.example"
    return Channel(name, provider, base, (Credential("#1", "user:word"),), models, priority, concurrency=1)


CHANNELS = (
    channel("late", "sdwebui", {"sd15": "v1-5"}, 1),
    channel("main", "sdwebui", {"sdxl": "xl", "sd15": "v1-5"}),
    channel("faces", "reactor", {"reactor": "reactor"}),
    channel("chat", "openai", {"gpt": "gpt"}),
)


class Reader:
    """A client of the lists over the twin upstream."""

    def __init__(self, *answers: Answer, holder: Principal = HOLDER) -> None:
        self.stage = Stage(*answers, holder=holder)
        self.stage.relay.snapshot = world.snapshot(Settings(), Catalog(CHANNELS), "polyrelay/test")
        self.lists = ReadOnlyLists(self.stage.relay)

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(request.method, request.url) for request in self.stage.upstream.requests]

    async def get(self, path: str, query: str = "", method: str = "GET", token: str = TOKEN) -> tuple[int, Any]:
        """The answer's status and JSON; the upstream answers as soon as it is asked."""
        head = [(b"authorization", b"Bearer " + token.encode())]
        answer = asyncio.ensure_future(self.lists.answer(method, path, query.encode(), head, "127.0.0.1"))
        for _ in range(20):
            await asyncio.sleep(0)
            self.stage.upstream.deliver()
        status, _, body = await answer
        return status, json.loads(body)

    def read(self, path: str, query: str = "", method: str = "GET", token: str = TOKEN) -> tuple[int, Any]:
        return asyncio.run(self.get(path, query, method, token))


def told(value: Any, status: int = 200) -> Answer:
    return Answer(status, JSON, (json.dumps(value).encode(),))


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_a_list_comes_from_the_preferred_channel(prefix: str) -> None:
    reader = Reader(told(SAMPLERS))
    assert reader.read(f"{prefix}/sdapi/v1/samplers") == (200, SAMPLERS)
    assert reader.asked == [("GET", "http://main.example/sdapi/v1/samplers")]
    (request,) = reader.stage.upstream.requests
    assert f"authorization: Basic {b64encode(b'user:word').decode()}" in request.fixed_headers
    assert request.body == b""


def test_a_model_chooses_the_channel() -> None:
    reader = Reader(told({"progress": 0.5}))
    assert reader.read("/sdapi/v1/progress", "model=sd15&skip_current_image=false")[1]["progress"] == 0.5
    assert reader.asked == [("GET", "http://main.example/sdapi/v1/progress?skip_current_image=true")]


def test_another_channel_stands_in() -> None:
    for broken in (told({}, 500), told({"no": "list"}), Answer(None, fault=Fault(FaultKind.CONNECT))):
        reader = Reader(broken, told(SAMPLERS))
        assert reader.read("/sdapi/v1/samplers") == (200, SAMPLERS)
        assert [url for _, url in reader.asked][1] == "http://late.example/sdapi/v1/samplers"


def test_when_nobody_answers_the_client_is_told_in_the_shape_of_the_webui() -> None:
    status, body = Reader(told({}, 500), told({}, 404)).read("/sdapi/v1/samplers")
    assert (status, body["code"]) == (502, "upstream_error")
    assert set(body) == {"error", "detail", "body", "errors", "code", "param"}


def test_models_are_the_relays_own() -> None:
    reader = Reader(holder=replace(HOLDER, models=("sd*5", "gpt")))
    assert [model["title"] for model in reader.read("/sdapi/v1/sd-models")[1]] == ["sd15"]
    assert reader.asked == []


@pytest.mark.parametrize(
    ("models", "offered", "checkpoint"),
    [
        (("sdxl",), ("sd15", "sdxl"), "sdxl"),
        (("*",), ("a", "stable-diffusion"), "stable-diffusion"),
        (("a",), ("a", "stable-diffusion"), "a"),
    ],
)
def test_options_name_what_a_request_gets_that_names_none(
    models: tuple[str, ...], offered: tuple[str, ...], checkpoint: str
) -> None:
    reader = Reader(holder=replace(HOLDER, models=models))
    catalog = Catalog((channel("one", "sdwebui", dict.fromkeys(offered, "x")),))
    reader.stage.relay.snapshot = world.snapshot(Settings(), catalog, "polyrelay/test")
    status, told = reader.read("/sdapi/v1/options")
    assert (status, told["sd_model_checkpoint"], told["sd_checkpoint_hash"]) == (200, checkpoint, "")
    assert reader.asked == []


def test_nobody_changes_options() -> None:
    assert "override_settings" in Reader().read("/sdapi/v1/options", "", "POST")[1]["detail"]


def test_reactors_lists() -> None:
    reader = Reader(told({"facemodels": ["elena.safetensors"]}))
    assert reader.read("/v1/reactor/facemodels") == (200, {"facemodels": ["elena.safetensors"]})
    assert reader.asked == [("GET", "http://faces.example/reactor/facemodels")]


@pytest.mark.parametrize(
    ("path", "query", "method", "status", "code"),
    [
        ("/sdapi/v1/cmd-flags", "", "GET", 404, "unknown_url"),
        ("/sdapi/v1/options", "", "POST", 405, "method_not_allowed"),
        ("/v1/sdapi/v1/interrupt", "", "POST", 404, "unknown_url"),
        ("/sdapi/v2/samplers", "", "GET", 404, "unknown_url"),
        ("/sdapi/", "", "GET", 404, "unknown_url"),
        ("/reactor/facemodels", "", "POST", 405, "method_not_allowed"),
        ("/sdapi/v1/samplers", "", "DELETE", 405, "method_not_allowed"),
        ("/sdapi/v1/samplers", "model=none", "GET", 404, "model_not_found"),
        ("/sdapi/v1/samplers", "model=gpt", "GET", 404, "model_not_found"),
    ],
)
def test_the_rest_is_not_offered(path: str, query: str, method: str, status: int, code: str) -> None:
    reader = Reader()
    found, body = reader.read(path, query, method)
    assert (found, body["code"]) == (status, code)
    assert reader.asked == []


def test_what_is_offered_is_said() -> None:
    _, body = Reader().read("/sdapi/v1/memory")
    assert "txt2img" in body["detail"]
    assert "sd-models" in body["detail"]


def test_a_key_reads_lists_of_what_it_may_use_alone() -> None:
    reader = Reader(holder=replace(HOLDER, models=("gpt",)))
    assert reader.read("/sdapi/v1/samplers")[0] == 404
    assert reader.read("/sdapi/v1/samplers", "model=sdxl")[1]["code"] == "model_not_allowed"
    assert reader.asked == []


def test_nobody_reads_without_a_key() -> None:
    assert Reader().read("/sdapi/v1/samplers", token="other")[0] == 401
    assert Reader().read("/sdapi/v1/options", token="other")[0] == 401


def test_the_password_of_basic_may_be_the_key() -> None:
    async def read() -> int:
        reader = Reader()
        head = [(b"authorization", b"Basic " + b64encode(b"me:" + TOKEN.encode()))]
        return (await reader.lists.answer("GET", "/sdapi/v1/sd-models", b"", head, "127.0.0.1"))[0]

    assert asyncio.run(read()) == 200


def test_whoever_polls_asks_the_upstream_once_in_a_while() -> None:
    async def poll() -> list[tuple[str, str]]:
        reader = Reader(told(SAMPLERS), told(SAMPLERS))
        await asyncio.gather(*[reader.get("/sdapi/v1/samplers") for _ in range(5)])
        await reader.get("/v1/sdapi/v1/samplers")
        assert len(reader.asked) == 1
        reader.stage.time.pass_(lists.KEPT_SECONDS)
        await reader.get("/sdapi/v1/samplers")
        return reader.asked

    assert len(asyncio.run(poll())) == 2


def test_a_list_that_does_not_come_is_given_up() -> None:
    async def wait() -> tuple[int, Any]:
        reader = Reader(Answer(None, hangs=True), Answer(None, hangs=True))
        asking = asyncio.ensure_future(reader.get("/sdapi/v1/samplers"))
        for _ in range(2):
            for _ in range(30):
                await asyncio.sleep(0)
            reader.stage.time.pass_(lists.PATIENCE_SECONDS)
        found = await asking
        reader.stage.at_rest()
        return found

    assert asyncio.run(wait())[0] == 502


def test_lists_count_as_requests() -> None:
    limited = replace(HOLDER, limits=KeyLimits(requests_per_minute=2))
    reader = Reader(holder=limited)
    assert [reader.read("/sdapi/v1/sd-models")[0] for _ in range(3)] == [200, 200, 429]
