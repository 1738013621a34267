"""Images with the official OpenAI SDK against the running relay, with the sandbox behind, on both path families."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest

from polyrelay.kernel.money import NANOS_PER_UNIT
from support.processes import RelayProcess, Vendor, channel, http, make_key, relay, told, until

BY_TOKENS = """
[[tariffs]]
model = "%s"
sell = { input_text = "5", input_image = "10", output_text = "40" }
maxima = { output = 6540, image = 7000 }
"""
TARIFFS = "".join(BY_TOKENS.replace("%s", model) for model in ("gpt-image-1", "gpt-image-1.5", "easel"))
TARIFFS += """
[[tariffs]]
model = "dall-e-3"
sell.per_image = [
  { size = "1792x1024", quality = "hd", price = "0.12" },
  { size = "1024x1024", quality = "hd", price = "0.08" },
  { size = "1024x1024", price = "0.04" },
]

[[tariffs]]
model = "dall-e-2"
sell.per_image = [{ size = "256x256", price = "0.016" }, { price = "0.02" }]
"""
MODELS = '"gpt-image-1", "gpt-image-1.5", "dall-e-2", "dall-e-3"'
FAST = "[channels.timeouts]\nconnect = 1\nfirst_byte = 2\nidle = 0.6\ntotal = 8\n"
FAMILIES = {"openai": "/v1", "aitoearn": "/api/ai"}
RATES = {"text": 5, "image": 10, "made": 40}


class Unstreamed(BaseHTTPRequestHandler):
    """A vendor that overlooks that a stream was asked for, and one that makes nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        data = [{"b64_json": "QUJD"}] * asked.get("n", 1) if asked["prompt"] != "nothing" else []
        body = json.dumps({"created": 5, "data": data, "usage": {"input_tokens": 10, "output_tokens": 1000}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def unstreamed() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Unstreamed) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def served(sandbox: Vendor, unstreamed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    config = channel("main", sandbox.base_url, MODELS, FAST) + channel("easel", unstreamed, '"easel"') + TARIFFS
    with relay(tmp_path_factory.mktemp("images"), config) as found:
        yield found
        assert told("ledger", "audit", "--config", str(found.config))["clean"]


@pytest.fixture(scope="module")
def paired(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """A preferred channel that fails and a second one that answers."""
    config = channel("first", sandbox.base_url, '{ name = "gpt-image-1", upstream = "gpt-image-broken" }', FAST)
    config += channel("second", sandbox.base_url, '"gpt-image-1"', f"priority = 1\n{FAST}")
    config += TARIFFS + "[answers]\nreveal_channel = true\n"
    with relay(tmp_path_factory.mktemp("paired"), config) as found:
        yield found
        assert told("ledger", "audit", "--config", str(found.config))["clean"]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return FAMILIES[request.param]


@pytest.fixture
def client(family: str, served: RelayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.url + family, api_key=served.key, max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def png(sandbox: Vendor) -> bytes:
    with openai.OpenAI(base_url=sandbox.base_url, api_key="any", max_retries=0) as vendor:
        return drawn(vendor.images.generate(model="gpt-image-1", prompt="a cat"))


def drawn(answer: Any) -> bytes:
    return base64.b64decode(answer.data[0].b64_json)


def due(usage: Any) -> Decimal:
    """What a usage costs by the tariff of gpt-image-1."""
    details = usage.input_tokens_details
    amount = details.text_tokens * RATES["text"] + details.image_tokens * RATES["image"]
    return Decimal(amount + usage.output_tokens * RATES["made"]) / 1_000_000


def post(served: RelayProcess, path: str, body: Any, **headers: str) -> Any:
    head = {"authorization": f"Bearer {served.key}", **headers}
    return http.post(f"{served.url}{path}", json=body, headers=head)


def charged(served: RelayProcess, exchange: str) -> dict[str, Any]:
    """The charge as it is in the books."""
    found: list[dict[str, Any]] = []

    def booked() -> bool:
        listed = told("charges", "list", "--limit", "50", "--config", str(served.config))["data"]
        found[:] = [each for each in listed if each["id"] == exchange]
        return bool(found)

    until(booked, 20)
    return found[0]


def test_an_image_by_link_is_charged_by_size_and_quality(client: openai.OpenAI) -> None:
    raw = client.images.with_raw_response.generate(
        model="dall-e-3", prompt="a cat", size="1792x1024", quality="hd", style="vivid", user="u", response_format="url"
    )
    answer = raw.parse()
    assert answer.data is not None
    assert (answer.data[0].url or "").startswith("http")
    assert raw.headers["x-polyrelay-cost"] == "0.120000000"


def test_each_of_several_images_is_charged(client: openai.OpenAI) -> None:
    raw = client.images.with_raw_response.generate(model="dall-e-2", prompt="a cat", n=3, response_format="b64_json")
    assert len(raw.parse().data or []) == 3
    assert raw.headers["x-polyrelay-cost"] == "0.060000000"


def test_an_image_by_tokens_is_charged_by_what_the_vendor_states(client: openai.OpenAI) -> None:
    raw = client.images.with_raw_response.generate(model="gpt-image-1", prompt="a cat", quality="low")
    answer = raw.parse()
    assert drawn(answer).startswith(b"\x89PNG")
    assert answer.usage is not None
    assert Decimal(raw.headers["x-polyrelay-cost"]) == due(answer.usage) > 0


def test_a_stream_has_previews_and_one_charge(client: openai.OpenAI, served: RelayProcess) -> None:
    raw = client.images.with_streaming_response.generate(
        model="gpt-image-1", prompt="a cat", quality="low", stream=True, partial_images=2
    )
    with raw as answer:
        exchange = answer.headers["x-request-id"]
        events = list(answer.parse())
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert base64.b64decode(events[-1].b64_json).startswith(b"\x89PNG")
    assert isinstance(events[-1], openai.types.ImageGenCompletedEvent)
    found = charged(served, exchange)
    assert Decimal(found["amount"]) == due(events[-1].usage)
    assert (found["estimated"], found["outcome"]) == (False, "complete")


@pytest.mark.parametrize("count", [1, 2])
def test_an_edit_of_files(client: openai.OpenAI, png: bytes, count: int) -> None:
    images = [io.BytesIO(png + bytes(at)) for at in range(count)]
    for at, image in enumerate(images):
        image.name = f"{at}.png"
    raw = client.images.with_raw_response.edit(
        model="gpt-image-1",
        image=images if count > 1 else images[0],
        mask=("mask.png", png, "image/png"),
        prompt="a dog",
        quality="low",
        input_fidelity="high",
        extra_body={"source": "plugin"},
    )
    answer = raw.parse()
    assert drawn(answer).startswith(b"\x89PNG")
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens > 0
    assert Decimal(raw.headers["x-polyrelay-cost"]) == due(answer.usage)


def test_an_edit_as_a_stream(client: openai.OpenAI, png: bytes) -> None:
    events = list(
        client.images.edit(model="gpt-image-1", image=png, prompt="a dog", quality="low", stream=True, partial_images=1)
    )
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]


def test_an_edit_in_json(served: RelayProcess, fresh: Vendor, family: str, png: bytes) -> None:
    image = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    body = {"model": "gpt-image-1", "prompt": "a dog", "images": [{"image_url": image}], "source": "plugin", "x": [1]}
    answer = post(served, f"{family}/images/edits", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["input_tokens_details"]["image_tokens"] > 0
    expected = {name: value for name, value in body.items() if name != "source" or family == "/v1"}
    assert json.loads(base64.b64decode(fresh.requests()[-1]["body_base64"])) == expected


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's own; the call is there
def test_variations(client: openai.OpenAI, png: bytes) -> None:
    raw = client.images.with_raw_response.create_variation(image=png, n=2, size="256x256")
    assert len(raw.parse().data or []) == 2
    assert raw.headers["x-polyrelay-cost"] == "0.032000000"


def test_the_documented_model_is_written_in_where_none_is_named(served: RelayProcess, fresh: Vendor) -> None:
    assert post(served, "/v1/images/generations", {"prompt": "a cat"}).status_code == 200
    assert base64.b64decode(fresh.requests()[-1]["body_base64"]) == b'{"prompt":"a cat","model":"dall-e-2"}'


def test_only_the_model_changes_on_the_way(paired: RelayProcess, fresh: Vendor) -> None:
    body = b'{ "model" : "gpt-image-1", "prompt":"\\u00e9", "vendor_extra":{"a":1.50} }'
    head = {"authorization": f"Bearer {paired.key}", "content-type": "application/json"}
    assert http.post(f"{paired.base_url}/images/generations", content=body, headers=head).status_code == 200
    seen = fresh.requests()[-1]
    assert base64.b64decode(seen["body_base64"]) == body.replace(b'"gpt-image-1"', b'"gpt-image-broken"')


def test_the_source_stays_here_on_the_aitoearn_route_and_passes_on_the_other(
    served: RelayProcess, fresh: Vendor
) -> None:
    body = {"model": "dall-e-2", "prompt": "a cat", "source": "ai_draft_generation"}
    answer = post(served, "/api/ai/images/generations", body, **{"x-request-id": "source-1"})
    assert answer.status_code == 200
    assert "source" not in json.loads(base64.b64decode(fresh.requests()[-1]["body_base64"]))
    assert served.record("source-1")["source"] == "ai_draft_generation"
    post(served, "/api/ai/images/generations", {**body, "source": None}, **{"x-request-id": "source-2"})
    assert served.record("source-2")["source"] == "ai_image"
    post(served, "/v1/images/generations", body)
    assert json.loads(base64.b64decode(fresh.requests()[-1]["body_base64"]))["source"] == "ai_draft_generation"


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("generations", {"prompt": None}, "prompt", "a string"),
    ("generations", {"n": 0}, "n", ">= 1"),
    ("generations", {"n": "2"}, "n", "an integer"),
    ("generations", {"response_format": "gif"}, "response_format", "'url', 'b64_json'"),
    ("generations", {"size": 1024}, "size", "a string"),
    ("generations", {"partial_images": 9}, "partial_images", "<= 3"),
    ("edits", {"images": []}, "images", "at least 1"),
    ("edits", {"mask": 1}, "mask", "an object"),
]


@pytest.mark.parametrize(("call", "wrong", "param", "allowed"), WRONG)
def test_a_wrong_field_is_named_with_what_is_allowed(
    served: RelayProcess, family: str, call: str, wrong: dict[str, Any], param: str, allowed: str
) -> None:
    body = {"model": "gpt-image-1", "prompt": "a cat", "images": [{"file_id": "file-1"}], **wrong}
    answer = post(served, f"{family}/images/{call}", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert allowed in error["message"]
    assert answer.headers["x-should-retry"] == "false"


def test_aitoearn_demands_a_model_and_knows_its_sources(served: RelayProcess) -> None:
    for wrong, param in (({}, "model"), ({"model": "dall-e-2", "source": "ai_chat"}, "source")):
        answer = post(served, "/api/ai/images/generations", {"prompt": "a cat", **wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's own; the call is there
def test_a_form_without_its_image_is_refused(client: openai.OpenAI, served: RelayProcess, family: str) -> None:
    answer = http.post(
        f"{served.url}{family}/images/edits",
        files={"prompt": (None, "a dog"), "model": (None, "gpt-image-1")},
        headers={"authorization": f"Bearer {served.key}"},
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.create_variation(image=b"no picture", model="dall-e-2")
    assert caught.value.code == "invalid_image_file"


@pytest.mark.parametrize("call", ["generations", "variations"])
def test_each_call_takes_its_kind_of_body_only(served: RelayProcess, call: str) -> None:
    head = {"authorization": f"Bearer {served.key}"}
    url = f"{served.base_url}/images/{call}"
    if call == "generations":
        answer = http.post(url, headers=head, files={"prompt": (None, "a")})
    else:
        answer = http.post(url, headers=head, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_a_size_without_a_price_is_refused(served: RelayProcess, fresh: Vendor) -> None:
    answer = post(served, "/v1/images/generations", {"model": "dall-e-3", "prompt": "a", "size": "9x9"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "model_not_priced")
    assert fresh.requests() == []


def test_funds_are_held_for_every_image(served: RelayProcess, fresh: Vendor) -> None:
    key = make_key(served.config, account="poor", credit=NANOS_PER_UNIT // 20)
    body = {"model": "dall-e-2", "prompt": "a", "size": "256x256"}
    head = {"authorization": f"Bearer {key}"}
    url = f"{served.base_url}/images/generations"
    for count in (4, 2**53 - 1):
        answer = http.post(url, json={**body, "n": count}, headers=head)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota")
    assert fresh.requests() == []
    answer = http.post(url, json={**body, "n": 3}, headers=head)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-polyrelay-cost"] == "0.048000000"


def test_the_charge_is_told_in_the_answer_to_who_asks(served: RelayProcess) -> None:
    body = {"model": "gpt-image-1", "prompt": "a cat", "quality": "low"}
    answer = post(served, "/v1/images/generations", body, **{"x-polyrelay-usage-cost": "true"})
    cost = json.loads(answer.content, parse_float=Decimal)["usage"]["cost"]
    assert cost == Decimal(answer.headers["x-polyrelay-cost"])


def test_the_vendor_may_refuse_in_its_own_words_and_nobody_pays(served: RelayProcess) -> None:
    answer = post(served, "/v1/images/generations", {"model": "dall-e-2", "prompt": "a", "size": "9x9"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "size")
    assert "x-polyrelay-cost" not in answer.headers


FAULTS: dict[str, tuple[dict[str, Any], bool]] = {
    "500": ({"status": 500}, False),
    "429": ({"status": 429}, False),
    "html page": ({"html": True}, False),
    "empty 200": ({"empty": "body"}, False),
    "malformed body": ({"malformed": 0}, False),
    "body cut": ({"cut": 400}, False),
    "stream of nothing": ({"empty": "body"}, True),
    "error-first stream": ({"error": 0}, True),
    "stream cut in its first event": ({"cut": 400}, True),
    "stream stalls in its first event": ({"stall": 400}, True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_next_channel_answers_unseen_and_is_charged_once(name: str, paired: RelayProcess, fresh: Vendor) -> None:
    script, stream = FAULTS[name]
    fresh.script("gpt-image-broken", **script)
    body = {"model": "gpt-image-1", "prompt": "a cat", "quality": "low", "stream": stream}
    answer = post(paired, "/v1/images/generations", body)
    assert answer.status_code == 200
    assert answer.headers["x-polyrelay-channel"] == "second"
    assert len(fresh.requests()) == 2


def test_a_form_is_sent_to_the_next_channel_as_it_was_to_the_first(
    paired: RelayProcess, fresh: Vendor, png: bytes
) -> None:
    fresh.script("gpt-image-broken", status=500)
    with openai.OpenAI(base_url=paired.base_url, api_key=paired.key, max_retries=0) as client:
        client.images.edit(model="gpt-image-1", image=[png, png], prompt="a dog", quality="low")
    first, second = (base64.b64decode(each["body_base64"]) for each in fresh.requests())
    assert first.count(png) == second.count(png) == 2
    assert b"gpt-image-broken" in first
    assert b"gpt-image-1\r\n" in second


@pytest.mark.parametrize("stream", [False, True])
def test_when_every_channel_fails_nobody_pays(served: RelayProcess, fresh: Vendor, stream: bool) -> None:
    before = spent(served)
    fresh.script("gpt-image-1", status=500)
    answer = post(served, "/v1/images/generations", {"model": "gpt-image-1", "prompt": "a", "stream": stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    fresh.clear()
    post(served, "/v1/images/generations", {"model": "dall-e-2", "prompt": "a"})
    until(lambda: spent(served) == before + Decimal("0.02"))


def spent(served: RelayProcess) -> Decimal:
    """What the key has used, as it is posted."""
    answer = http.get(f"{served.base_url}/usage", headers={"authorization": f"Bearer {served.key}"})
    return Decimal(answer.json()["this_month"]["amount"])


def test_a_stream_that_breaks_after_a_preview_says_so_and_is_charged_for_it(
    served: RelayProcess, fresh: Vendor
) -> None:
    fresh.script("gpt-image-1", error=1)
    body = {"model": "gpt-image-1", "prompt": "a cat", "stream": True, "partial_images": 1}
    answer = post(served, "/v1/images/generations", body)
    assert "event: error" in answer.text or '"error"' in answer.text
    found = charged(served, answer.headers["x-request-id"])
    assert found["estimated"]
    assert Decimal("0.004") <= Decimal(found["amount"]) < Decimal("0.005")


@pytest.mark.parametrize("count", [1, 2])
def test_json_in_place_of_a_stream_comes_as_events(served: RelayProcess, count: int) -> None:
    with openai.OpenAI(base_url=served.base_url, api_key=served.key, max_retries=0) as client:
        events = list(client.images.generate(model="easel", prompt="a cat", n=count, stream=True))
    assert [event.type for event in events] == ["image_generation.completed"] * count
    assert isinstance(events[-1], openai.types.ImageGenCompletedEvent)
    assert (events[-1].b64_json, events[-1].usage.output_tokens) == ("QUJD", 1000)


def test_an_answer_without_images_is_free(served: RelayProcess) -> None:
    answer = post(served, "/v1/images/generations", {"model": "easel", "prompt": "nothing"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")


def test_a_link_is_the_vendors_own_and_opens(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="dall-e-2", prompt="a cat", size="256x256")
    assert answer.data is not None
    assert http.get(answer.data[0].url or "").content.startswith(b"\x89PNG")
