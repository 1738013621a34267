"""The demo's client: one streamed chat completion, spoken as the official OpenAI SDK speaks it."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from polyrelay.kernel.errors import PolyrelayError

PROMPT = "What is an AI API relay good for?"
TIMEOUT_SECONDS = 60.0


class DemoError(PolyrelayError):
    """The demo's answer was not what a working relay gives; the message says what came instead."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the answer told besides its text. Times in seconds from the start of the call."""

    usage: dict[str, Any] | None
    request_id: str
    channel: str
    first_token: float
    total: float


def ask(base_url: str, key: str, model: str, show: Callable[[str], None]) -> Told:
    """Stream one completion from `base_url` (`http://host:port/v1`); each piece of text goes to `show` as it comes.

    Raises `DemoError` when the relay refuses or breaks off.
    """
    parts = urlsplit(base_url)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "accept": "text/event-stream"}
    started = time.monotonic()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path + "/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise DemoError(f"the relay answered {answer.status}: {answer.read().decode(errors='replace')}")
        first, usage = _read(answer, show)
        return Told(
            usage,
            answer.headers.get("x-request-id", ""),
            answer.headers.get("x-polyrelay-channel", ""),
            first - started,
            time.monotonic() - started,
        )
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, show: Callable[[str], None]) -> tuple[float, dict[str, Any] | None]:
    first, usage = 0.0, None
    for raw in answer:
        line = raw.strip()
        if line == b"data: [DONE]":
            return first, usage
        if not line.startswith(b"data: "):
            continue
        chunk = json.loads(line.removeprefix(b"data: "))
        if "error" in chunk:
            raise DemoError(f"the stream broke off: {chunk['error']['message']}")
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                first = first or time.monotonic()
                show(text)
    raise DemoError("the stream ended without [DONE]")
