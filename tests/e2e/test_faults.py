"""Each fault of a vendor has its documented outcome (docs/faults.md)."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx2 import Response

from support.processes import RelayProcess, Vendor, channel, http, relay

FAST_TIMEOUTS = "[channels.timeouts]\nconnect = 1\nfirst_byte = 0.6\nidle = 0.6\ntotal = 5\n"


@pytest.fixture(scope="module")
def alone(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """One channel: what fails has no other to go to."""
    config = channel("only", sandbox.base_url, '{ name = "m", upstream = "broken-vendor" }', FAST_TIMEOUTS)
    with relay(tmp_path_factory.mktemp("alone"), config) as found:
        yield found


@pytest.fixture(scope="module")
def paired(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """A preferred channel that fails and a second one that answers."""
    config = channel("first", sandbox.base_url, '{ name = "m", upstream = "broken-vendor" }', FAST_TIMEOUTS)
    config += channel("second", sandbox.base_url, '{ name = "m", upstream = "good-vendor" }', "priority = 1")
    with relay(tmp_path_factory.mktemp("paired"), config + "[answers]\nreveal_channel = true\n") as found:
        yield found


def ask(served: RelayProcess, *, stream: bool, label: str = "") -> Response:
    return http.post(
        f"{served.base_url}/chat/completions",
        json={"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream},
        headers={"authorization": f"Bearer {served.key}", **({"x-request-id": label} if label else {})},
        timeout=20,
    )


BEFORE_COMMIT: dict[str, tuple[dict[str, Any], bool, int, str]] = {
    # script, stream, status when there is no other channel, code
    "500": ({"status": 500}, False, 502, "upstream_error"),
    "503": ({"status": 503}, False, 503, "upstream_unavailable"),
    "529": ({"status": 529}, True, 503, "upstream_unavailable"),
    "429": ({"status": 429, "retry_after": "7"}, False, 429, "upstream_rate_limited"),
    "401 blames our credential": ({"status": 401}, False, 502, "upstream_error"),
    "402 blames our credential": ({"status": 402}, False, 502, "upstream_error"),
    "403 blames our credential": ({"status": 403}, True, 502, "upstream_error"),
    "404 blames our mapping": ({"status": 404}, False, 502, "upstream_error"),
    "redirects are not followed": ({"status": 302}, False, 502, "upstream_error"),
    "closes without a word": ({"before": "close"}, False, 502, "upstream_error"),
    "resets without a word": ({"before": "reset"}, True, 502, "upstream_error"),
    "never answers": ({"before": "stall"}, True, 504, "upstream_timeout"),
    "headers but no body": ({"first": "3s"}, True, 504, "upstream_timeout"),
    "empty 200": ({"empty": "body"}, False, 502, "upstream_error"),
    "empty stream": ({"empty": "body"}, True, 502, "upstream_error"),
    "only [DONE]": ({"empty": "done"}, True, 502, "upstream_error"),
    "error-first stream": ({"error": 0}, True, 502, "upstream_error"),
    "malformed first frame": ({"malformed": 0}, True, 502, "upstream_error"),
    "malformed body": ({"malformed": 0}, False, 502, "upstream_error"),
    "html page": ({"html": True}, False, 502, "upstream_error"),
    "html page for a stream": ({"html": True}, True, 502, "upstream_error"),
    "unary body cut": ({"cut": 40}, False, 502, "upstream_error"),
    "unary body reset": ({"reset": 40}, False, 502, "upstream_error"),
    "unary body stalls": ({"stall": 40}, False, 504, "upstream_timeout"),
    "content-length too long": ({"length": 50}, False, 502, "upstream_error"),
    "content-length too short": ({"length": -50}, False, 502, "upstream_error"),
}


@pytest.mark.parametrize("name", BEFORE_COMMIT)
def test_before_commit_the_next_channel_answers_unseen(name: str, paired: RelayProcess, fresh: Vendor) -> None:
    script, stream, _, _ = BEFORE_COMMIT[name]
    fresh.script("broken-vendor", **script)
    answer = ask(paired, stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-polyrelay-channel"] == "second"
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        assert '"error"' not in answer.text
    else:
        assert answer.json()["choices"]
    record = paired.record(answer.headers["x-request-id"])
    assert (record["outcome"], record["attempts"], record["channel"]) == ("complete", 2, "second")


@pytest.mark.parametrize("name", BEFORE_COMMIT)
def test_with_no_other_channel_the_client_gets_our_error(name: str, alone: RelayProcess, fresh: Vendor) -> None:
    script, stream, status, code = BEFORE_COMMIT[name]
    fresh.script("broken-vendor", **script)
    answer = ask(alone, stream=stream)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert "127.0.0.1" not in answer.text
    assert "secret" not in answer.text
    record = alone.record(answer.headers["x-request-id"])
    assert record["outcome"] == "upstream_error"
    assert record["input_tokens"] is None


def test_the_wait_a_vendor_asks_for_reaches_the_client(alone: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", status=429, retry_after="7")
    answer = ask(alone, stream=False)
    assert answer.headers["retry-after"] == "7"
    assert "x-should-retry" not in answer.headers


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_request_the_vendor_rejects_is_answered_in_its_own_words(
    status: int, paired: RelayProcess, fresh: Vendor
) -> None:
    fresh.script("broken-vendor", status=status)
    answer = ask(paired, stream=True)
    assert answer.status_code == status
    assert "sandbox" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert paired.record(answer.headers["x-request-id"])["attempts"] == 1


AFTER_COMMIT: dict[str, dict[str, Any]] = {
    "cut": {"cut": 1500, "tokens": 60},
    "reset": {"reset": 1500, "tokens": 60},
    "stall": {"stall": 1500, "tokens": 60},
    "ends without a finish": {"cut": 1500, "tokens": 60, "framing": "close"},
}


@pytest.mark.parametrize("name", AFTER_COMMIT)
def test_after_commit_a_break_is_told_in_band(name: str, paired: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", **AFTER_COMMIT[name])
    answer = ask(paired, stream=True)
    assert answer.status_code == 200
    frames = [frame for frame in answer.text.split("\n\n") if frame]
    last = json.loads(frames[-1].removeprefix("data: "))
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in answer.text
    assert all(json.loads(frame.removeprefix("data: ")) for frame in frames)
    record = paired.record(answer.headers["x-request-id"])
    assert (record["outcome"], record["attempts"], record["estimated"]) == ("truncated", 1, True)


def test_the_vendors_own_error_frame_passes(paired: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", error=5, tokens=30)
    answer = ask(paired, stream=True)
    assert '"error"' in answer.text
    assert "[DONE]" not in answer.text
    assert paired.record(answer.headers["x-request-id"])["outcome"] == "upstream_error"


def test_a_missing_done_after_a_finish_is_complete_and_none_is_invented(paired: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", done=False)
    answer = ask(paired, stream=True)
    assert "[DONE]" not in answer.text
    assert '"error"' not in answer.text
    assert paired.record(answer.headers["x-request-id"])["outcome"] == "complete"


def test_missing_usage_is_estimated_and_marked(paired: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", usage="none", tokens=40)
    answer = ask(paired, stream=True)
    record = paired.record(answer.headers["x-request-id"])
    assert record["estimated"] is True
    assert record["output_tokens"] > 0


SAME_BYTES: dict[str, dict[str, Any]] = {
    "split at every byte": {"split": 1},
    "split at seven": {"split": 7},
    "coalesced": {"coalesce": 5},
    "interim answers": {"inform": "100+103"},
    "usage in the last choice": {"usage": "last"},
    "usage in every chunk": {"usage": "every"},
    "gzip": {"gzip": True},
    "closes after": {"after": "close"},
    "drops the next": {"after": "drop"},
}


@pytest.mark.parametrize("name", SAME_BYTES)
def test_whatever_the_transport_does_the_client_gets_the_same_bytes(
    name: str, alone: RelayProcess, fresh: Vendor
) -> None:
    fresh.script("broken-vendor", tokens=20)
    plain = ask(alone, stream=True)
    assert plain.text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in plain.text
    fresh.script("broken-vendor", tokens=20, **SAME_BYTES[name])
    for _ in range(2):
        odd = ask(alone, stream=True)
        assert odd.content == plain.content
        seen = alone.record(odd.headers["x-request-id"])
        expected = alone.record(plain.headers["x-request-id"])
        for field in ("outcome", "input_tokens", "output_tokens", "finish", "estimated"):
            assert seen[field] == expected[field]


UNTOUCHED: dict[str, dict[str, Any]] = {
    "crlf": {"newline": "crlf"},
    "comments": {"comments": 2},
    "multiline": {"multiline": True},
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_odd_frames_pass_untouched_and_are_understood(name: str, alone: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", tokens=8, **UNTOUCHED[name])
    body: dict[str, Any] = {"model": "broken-vendor", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    body["stream_options"] = {"include_usage": True}
    direct = http.post(f"{fresh.base_url}/chat/completions", json=body, headers={"authorization": "Bearer x"})
    relayed = http.post(
        f"{alone.base_url}/chat/completions",
        json={**body, "model": "m"},
        headers={"authorization": f"Bearer {alone.key}"},
    )
    assert relayed.content == direct.content
    assert alone.record(relayed.headers["x-request-id"])["output_tokens"] > 0


def test_an_unreachable_vendor(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        config = channel("dead", dead, '"gpt-4o", "m"') + channel("alive", sandbox.base_url, '"gpt-4o"', "priority = 1")
        with relay(tmp_path_factory.mktemp("dead"), config) as served:
            answer = ask(served, stream=False)
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
            fine = http.post(
                f"{served.base_url}/chat/completions",
                json={"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
                headers={"authorization": f"Bearer {served.key}"},
            )
            assert fine.status_code == 200


def test_a_client_that_leaves_cancels_the_vendor_within_a_second(paired: RelayProcess, fresh: Vendor) -> None:
    fresh.script("broken-vendor", tokens=400, pace="20ms")
    parts = urlsplit(paired.url)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"x-request-id: leaver\r\n"
            b"authorization: Bearer " + paired.key.encode() + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        received = b""
        while received.count(b"data: ") < 3:
            received += client.recv(4096)
    left = time.monotonic()
    while not any(request["client_left_early"] for request in fresh.requests()):
        assert time.monotonic() - left < 1
        time.sleep(0.02)
    record = paired.record("leaver")
    assert (record["outcome"], record["estimated"]) == ("client_gone", True)
