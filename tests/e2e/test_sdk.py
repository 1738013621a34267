"""The official OpenAI SDK against the running relay, with the sandbox behind, on both chat routes."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from support.processes import RelayProcess, Vendor, channel, http, polyrelay, relay

MODELS = '"gpt-4o", { name = "fast", upstream = "sandbox-fast" }'
ROUTES = {"openai": "/v1", "aitoearn": "/api/ai"}


@pytest.fixture(scope="module")
def served(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    config = channel("main", sandbox.base_url, MODELS) + "[answers]\nreveal_channel = true\n"
    with relay(tmp_path_factory.mktemp("relay"), config) as found:
        yield found


@pytest.fixture(params=ROUTES)
def client(request: pytest.FixtureRequest, served: RelayProcess) -> Iterator[openai.OpenAI]:
    base_url = served.url + ROUTES[request.param]
    with openai.OpenAI(base_url=base_url, api_key=served.key, max_retries=0) as found:
        yield found


USER: Any = {"role": "user", "content": "Say something."}


def test_a_whole_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=[USER])
    assert "sandbox" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_streamed_answer(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=[USER], seed=7, stream=True))
    assert "sandbox" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_to_who_asks(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=[USER], stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


def test_several_choices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=[USER], n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.mark.parametrize("stream", [False, True])
def test_tools_and_the_turn_after_them(client: openai.OpenAI, stream: bool) -> None:
    arguments: dict[str, Any] = {"model": "gpt-4o", "messages": [USER], "tools": [TOOL], "tool_choice": "required"}
    if stream:
        with client.chat.completions.stream(**arguments) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(**arguments).choices[0].message
    assert message.tool_calls
    call = message.tool_calls[0]
    assert call.function.name == "weather"
    assert "city" in json.loads(call.function.arguments)
    said: Any = call.model_dump(exclude_none=True)
    after = client.chat.completions.create(
        model="gpt-4o",
        tools=[TOOL],
        messages=[
            USER,
            {"role": "assistant", "content": None, "tool_calls": [said]},
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ],
    )
    assert after.choices[0].message.content


def test_images_as_data_urls_arrive_whole(client: openai.OpenAI, fresh: Vendor) -> None:
    image = base64.b64encode(bytes(range(256)) * 1200).decode()
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}", "detail": "low"}},
    ]
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content
    assert fresh.requests()[-1]["body_size"] > len(image)


def test_the_raw_answer_carries_the_headers_of_the_house(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[USER], extra_headers={"x-request-id": "my-label-1"}
    )
    assert raw.headers["x-request-id"] == "my-label-1"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-polyrelay-channel"] == "main"
    assert raw.parse().choices


def test_without_a_label_the_exchange_id_is_ours(client: openai.OpenAI, served: RelayProcess) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[USER], extra_headers={"x-request-id": "not valid!"}
    )
    assert raw.headers["x-request-id"].startswith("px_")
    assert served.record(raw.headers["x-request-id"])["outcome"] == "complete"


def test_the_vendor_sees_its_own_model_name_and_key_and_nothing_of_the_client(
    served: RelayProcess, fresh: Vendor
) -> None:
    body = (
        b'{ "model" : "fast", "messages":[{"role":"user","content":"\\u00e9\\ud83d\\ude00"}],"vendor_extra":{"a":1} }'
    )
    answer = http.post(
        f"{served.base_url}/chat/completions",
        content=body,
        headers={
            "authorization": f"BEARER {served.key}",
            "content-type": "application/json",
            "cookie": "session=1",
            "openai-organization": "org",
            "x-forwarded-for": "10.1.2.3",
        },
    )
    assert answer.status_code == 200
    seen = fresh.requests()[-1]
    assert base64.b64decode(seen["body_base64"]) == body.replace(b'"fast"', b'"sandbox-fast"')
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["authorization"] == "Bearer sandbox-secret-main"
    assert set(headers) <= {
        "host",
        "authorization",
        "content-type",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-length",
    }
    assert headers["accept-encoding"] == "identity"


def test_billing_extras_stay_here_on_the_aitoearn_route_and_pass_on_the_other(
    served: RelayProcess, fresh: Vendor
) -> None:
    body = {"model": "gpt-4o", "messages": [USER], "billingGroupId": "g-1", "source": "plugin"}
    headers = {"authorization": f"Bearer {served.key}", "x-request-id": "billing-1"}
    answer = http.post(f"{served.url}/api/ai/chat/completions", json=body, headers=headers)
    assert answer.json()["object"] == "chat.completion"
    forwarded = json.loads(base64.b64decode(fresh.requests()[-1]["body_base64"]))
    assert "billingGroupId" not in forwarded
    assert "source" not in forwarded
    record = served.record("billing-1")
    assert (record["billing_group"], record["source"]) == ("g-1", "plugin")
    http.post(f"{served.base_url}/chat/completions", json=body, headers=headers)
    assert json.loads(base64.b64decode(fresh.requests()[-1]["body_base64"]))["billingGroupId"] == "g-1"


@pytest.mark.parametrize("extra", [{"billingGroupId": ""}, {"source": "elsewhere"}, {"billingGroupId": 7}])
def test_billing_extras_are_checked_as_documented(served: RelayProcess, extra: dict[str, object]) -> None:
    body = {"model": "gpt-4o", "messages": [USER], **extra}
    headers = {"authorization": f"Bearer {served.key}"}
    answer = http.post(f"{served.url}/api/ai/chat/completions", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == next(iter(extra))


def test_models(served: RelayProcess) -> None:
    with openai.OpenAI(base_url=served.base_url, api_key=served.key, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["fast", "gpt-4o"]
        assert client.models.retrieve("fast").object == "model"
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("sandbox-fast")
        assert caught.value.code == "model_not_found"


def test_a_key_sees_and_uses_only_its_models(served: RelayProcess) -> None:
    made = polyrelay("keys", "create", "--account", "narrow", "--model", "fa*", "--config", str(served.config))
    with openai.OpenAI(base_url=served.base_url, api_key=made["key"], max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["fast"]
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model="gpt-4o", messages=[USER])
        assert (caught.value.code, caught.value.param) == ("model_not_allowed", "model")
        assert caught.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "missing_api_key"),
        ("Bearer sk-not-ours", "invalid_api_key"),
        ("Bearer pr-" + "A" * 43, "invalid_api_key"),
        ("Basic dXNlcjpwYXNz", "invalid_api_key"),
    ],
)
def test_keys_that_do_not_open(served: RelayProcess, authorization: str | None, code: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = http.post(
        f"{served.base_url}/chat/completions", json={"model": "gpt-4o", "messages": [USER]}, headers=headers
    )
    assert answer.status_code == 401
    assert answer.json()["error"] == {**answer.json()["error"], "param": None, "code": code}
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"].startswith("px_")


def test_a_wrong_field_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[USER], temperature=3)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"


def test_plain_curl(served: RelayProcess, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "-N",
            f"{served.base_url}/chat/completions",
            "-H",
            f"Authorization: Bearer {served.key}",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps({"model": "gpt-4o", "messages": [USER], "stream": True}),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.endswith("data: [DONE]\n\n")
    assert '"usage"' not in done.stdout
