"""A plain HTTP/1.1 connection to a relay, for what an HTTP client would hide."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.processes import RelayProcess

PATIENCE_SECONDS = 20


class Raw:
    """Bytes out, bytes in; `seen` is everything received so far."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.seen = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until(self, mark: bytes, times: int = 1) -> bytes:
        """Read on until `mark` has come `times` times; fails when the connection ends first."""
        while self.seen.count(mark) < times:
            piece = self.socket.recv(65536)
            assert piece, self.seen
            self.seen += piece
        return self.seen

    def read_to_end(self) -> bytes:
        while piece := self.socket.recv(65536):
            self.seen += piece
        return self.seen


@contextmanager
def connected(served: RelayProcess, *, receive_buffer: int = 0) -> Iterator[Raw]:
    """A connection; `receive_buffer` bytes keep a client that does not read from taking much."""
    parts = urlsplit(served.url)
    with socket.socket() as made:
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(PATIENCE_SECONDS)
        made.connect((parts.hostname or "", parts.port or 0))
        yield Raw(made)


def chat(key: str, model: str = "m", *, stream: bool = True, label: str = "", close: bool = False) -> bytes:
    """One whole chat request; `close` asks for the connection's end after the answer."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
    extra = f"x-request-id: {label}\r\n" if label else ""
    extra += "connection: close\r\n" if close else ""
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{extra}"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
