"""A sandbox on a thread of its own, and a client that sees every byte and how the connection ended."""

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvloop

from polyrelay.sandbox.server import Sandbox


@dataclass
class Seen:
    head: bytes
    body: bytes
    end: str
    """`closed`, `reset`, or `open` when nothing came for a while."""


class Vendor:
    def __init__(self, sandbox: Sandbox, port: int, trust: ssl.SSLContext | None) -> None:
        self.sandbox = sandbox
        self.port = port
        self.trust = trust

    def connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        if self.trust is None:
            return plain
        return self.trust.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)

    def request(
        self, model: str = "sandbox", *, close: bool = True, version: str = "1.1", headers: str = "", **fields: object
    ) -> bytes:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
        connection = "connection: close\r\n" if close else ""
        head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\n{connection}{headers}"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def see(self, model: str = "sandbox", *, patience: float = 10.0, **fields: Any) -> Seen:
        with contextlib.closing(self.connect()) as sock:
            sock.settimeout(patience)
            sock.sendall(self.request(model, **fields))
            return read(sock)

    def raw(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(client):
            client.request(method, path, body, headers or {})
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        status, _, answer = self.raw(method, path, None if body is None else json.dumps(body).encode(), headers)
        return status, json.loads(answer)


def read(sock: socket.socket) -> Seen:
    got, end = bytearray(), "closed"
    try:
        while data := sock.recv(65536):
            got += data
    except TimeoutError:
        end = "open"
    except (ConnectionResetError, ssl.SSLError):
        end = "reset"
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    return Seen(head, body, end)


@contextlib.contextmanager
def running(
    sandbox: Sandbox, tls: ssl.SSLContext | None = None, trust: ssl.SSLContext | None = None
) -> Iterator[Vendor]:
    started, ports = threading.Event(), list[int]()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        ports.append(await sandbox.start(tls=tls))
        loops.append((asyncio.get_running_loop(), stop))
        started.set()
        await stop.wait()
        await sandbox.stop()

    thread = threading.Thread(target=lambda: uvloop.run(main()))
    thread.start()
    assert started.wait(10)
    try:
        yield Vendor(sandbox, ports[0], trust)
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
    assert sandbox.state()["connections_open"] == 0
    assert sandbox.state()["exchanges_active"] == 0


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)
