"""Everything around the chat routes of a running relay: other routes, bounds, comments, CORS, HTTPS."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from polyrelay.sandbox import certificate
from support import raw
from support.processes import RelayProcess, Vendor, channel, http, relay

MODELS = '{ name = "m", upstream = "vendor-m" }'


@pytest.fixture(scope="module")
def served(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    config = channel("main", sandbox.base_url, MODELS)
    config += "[bounds]\nbody_bytes = 2000\nheader_bytes = 3000\nstreams_in_flight = 2\nheader_seconds = 0.4\n"
    config += '[cors]\norigins = ["https://app.example"]\n[answers]\nkeep_alive_comment_seconds = 0.1\n'
    with relay(tmp_path_factory.mktemp("relay"), config) as found:
        yield found


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health(path: str, served: RelayProcess) -> None:
    answer = http.get(served.url + path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert http.head(served.url + path).status_code == 200


def test_the_control_plane_comes_when_it_is_asked_for(served: RelayProcess) -> None:
    answer = http.get(f"{served.url}/admin/v1/health")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_admin_token")


REFUSED = {
    "unknown route": ("GET", "/v2/nothing", 404, "unknown_url"),
    "unknown route, posted": ("POST", "/v1/chat/completion", 404, "unknown_url"),
    "post route": ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
    "aitoearn route": ("PUT", "/api/ai/chat/completions", 405, "method_not_allowed"),
    "get route": ("POST", "/v1/models", 405, "method_not_allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_has_the_protocols_shape(name: str, served: RelayProcess) -> None:
    method, path, status, code = REFUSED[name]
    answer = http.request(method, served.url + path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-should-retry"] == "false"
    assert (status != 405) or answer.headers["allow"]


def post(served: RelayProcess, content: bytes, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.post(
        f"{served.base_url}/chat/completions",
        content=content,
        headers={"authorization": f"Bearer {served.key}", "content-type": "application/json", **named},
    )


BAD_BODIES = {
    "over the configured bound": (b" " * 2001, {}, 413, "request_too_large"),
    "coded": (b"{}", {"content_encoding": "gzip"}, 415, "unsupported_media_type"),
    "form": (b"a=b", {"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    "no JSON": (b"{", {}, 400, "invalid_json"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bodies_that_are_not_taken(name: str, served: RelayProcess) -> None:
    content, headers, status, code = BAD_BODIES[name]
    answer = post(served, content, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_headers_are_bounded_as_configured(served: RelayProcess) -> None:
    assert post(served, b"{}", x_long="x" * 3000).json()["error"]["code"] == "headers_too_large"
    with raw.connected(served) as slow:
        slow.send(b"POST /v1/chat/comp")
        assert slow.read_to_end().startswith(b"HTTP/1.1 408 ")


def test_streams_in_flight_are_bounded_as_configured(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("vendor-m", tokens=60, stall=1500)
    with raw.connected(served) as one, raw.connected(served) as two:
        for each in (one, two):
            each.send(raw.chat(served.key))
            each.read_until(b"data: {")
        answer = served.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
        assert float(answer.headers["retry-after"]) > 0


def test_comments_keep_a_waiting_stream_open(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("vendor-m", first="700ms", tokens=5)
    with raw.connected(served) as waiting:
        waiting.send(raw.chat(served.key))
        waiting.read_until(b": keep-alive\n\n", 3)
        assert b"data: " not in waiting.seen
        whole = waiting.read_until(b"[DONE]")
        assert whole.startswith(b"HTTP/1.1 200 ")
    fresh.script("vendor-m", headers="300ms", tokens=5)
    assert served.ask().json()["choices"]


ORIGIN = "https://app.example"


def test_named_origins_may_call(served: RelayProcess) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    headers = {**asked, "access-control-request-headers": "authorization, x-stainless-lang"}
    answer = http.options(f"{served.base_url}/chat/completions", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-headers"] == "authorization, x-stainless-lang"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert post(served, b"{}", origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN


def test_other_origins_may_not(served: RelayProcess) -> None:
    answer = post(served, b"{}", origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_relay_speaks_https_itself(sandbox: Vendor, tmp_path: Path) -> None:
    """Its certificate is named from the configuration's folder."""
    files = certificate.ensure(tmp_path / "tls")
    config = '[server]\nport = 0\ntls_certificate = "tls/server.pem"\ntls_key = "tls/server.key"\n'
    trusted = ssl.create_default_context(cafile=files.ca)
    with relay(tmp_path, config + channel("main", sandbox.base_url, MODELS)) as served:
        assert urlsplit(served.url).scheme == "https"
        assert served.process.said["data"] == str(tmp_path / "polyrelay-data")
        with httpx2.Client(verify=trusted, trust_env=False) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            headers = {"authorization": f"Bearer {served.key}"}
            answer = client.post(f"{served.base_url}/chat/completions", json=body, headers=headers)
            assert answer.text.endswith("data: [DONE]\n\n")
            # The idle connection of this client does not hold the end up.
            assert served.process.stop(seconds=10) == 0
