"""Clients whose word counts: each says what it saw of its answer, to the byte, and gives up on nothing but the wire."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

DONE = b"data: [DONE]"
PATIENCE_SECONDS = 60.0
RECONNECT_SECONDS = 0.02
RETRY_SECONDS = 0.25
"""In the place of the second that refusals advise."""
IN_FLIGHT = "funds_in_flight"
EXHAUSTED = "insufficient_quota"


@dataclass(frozen=True)
class Answer:
    """What a client saw. `exchange` is the relay's id, empty when no head came, and `status` 0 then; `whole` when the
    last byte came (`[DONE]` of a stream); `left` when the client did not wait for it. Wall-clock seconds.
    """

    began: float
    ended: float
    stream: bool
    status: int = 0
    exchange: str = ""
    whole: bool = False
    left: bool = False
    code: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def paid(self) -> bool:
        """Whether it must be in the books, exactly once."""
        return self.status == 200 and self.whole


def request(key: str, model: str, **members: Any) -> bytes:
    """A whole chat request with these members beside the model and a message, on a connection that ends with it."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], **members}).encode()
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(
    port: int, key: str, model: str = "m", *, stream: bool = False, leave_after: int = 0, **members: Any
) -> Answer | None:
    """One request; None when nobody listens. Leaves once `leave_after` bytes came."""
    began = time.time()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    seen = bytearray()
    try:
        writer.write(request(key, model, stream=stream, **members))
        async with asyncio.timeout(PATIENCE_SECONDS):
            left = await _read(reader, seen, leave_after)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return replace(_understood(bytes(seen), began, stream=stream), left=left)


async def _read(reader: asyncio.StreamReader, seen: bytearray, leave_after: int) -> bool:
    """Add what comes to `seen`; whether it was left before the connection's end."""
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            seen += piece
            if 0 < leave_after <= len(seen):
                return True
    return False


def _understood(seen: bytes, began: float, *, stream: bool) -> Answer:
    ended = time.time()
    head, separator, body = seen.partition(b"\r\n\r\n")
    if not separator:
        return Answer(began, ended, stream)
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    status = int(lines[0].split()[1])
    if "content-length" in headers:
        whole = len(body) == int(headers["content-length"])
    else:
        whole = DONE in body if stream else body.endswith(b"0\r\n\r\n")
    code = message = ""
    if status != 200 and whole:
        error = json.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])
    exchange = headers.get("x-request-id", "")
    return Answer(began, ended, stream, status, exchange, whole, code=code, message=message, headers=headers, body=body)


async def insist(
    port: int, key: str, *, seconds: float, retry_seconds: float = RETRY_SECONDS, **members: Any
) -> list[Answer]:
    """Ask again while told that funds are in flight, and after each answer, until another refusal or for `seconds`."""
    answers: list[Answer] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = await ask(port, key, **members)
        if answer is None:
            await asyncio.sleep(RECONNECT_SECONDS)
            continue
        answers.append(answer)
        if answer.code == IN_FLIGHT:
            await asyncio.sleep(retry_seconds)
        elif not answer.paid:
            break
    return answers
