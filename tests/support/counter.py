"""The sandbox without a socket: its desk, at a time of one's own choosing."""

import json
from dataclasses import dataclass
from typing import Any

from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.desk import Desk
from polyrelay.sandbox.framing import Plan
from polyrelay.sandbox.records import Ring

BOUNDARY = "sandbox-boundary"
HOST = "http://sandbox.test:1234"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    plan: Plan

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Name and JSON of each server-sent event."""
        frames = [frame.split("\n") for frame in self.body.decode().split("\n\n")[:-1]]
        return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


class Front:
    """Asks the desk; `now` is its clock, in seconds since the epoch."""

    def __init__(self, **options: Any) -> None:
        self.now = 1_700_000_000.0
        self.board = Board()
        self.desk = Desk(self.board, Ring(), clock=lambda: self.now, **options)

    def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return self.ask("POST", path, body, **more)

    def get(self, path: str, **more: Any) -> Answer:
        return self.ask("GET", path, **more)

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """`body` as it is when it is bytes, a `form` as such, else as JSON."""
        kind = "application/json"
        if isinstance(body, Form):
            kind, raw = f"multipart/form-data; boundary={BOUNDARY}", body.encoded()
        else:
            raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"host": HOST.removeprefix("http://"), "content-type": kind, **(headers or {})}
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        made = self.desk.plan(Arrived(method.encode(), path.encode(), pairs, raw, legacy=False, closing=False))
        return _read(made if isinstance(made, Plan) else made())


class Form:
    """Parts in order: `(name, text)`, or `(name, filename, data)` for a file."""

    def __init__(self, *parts: tuple[str, str] | tuple[str, str, bytes]) -> None:
        self._parts = parts

    def encoded(self, boundary: str = BOUNDARY) -> bytes:
        whole = b""
        for part in self._parts:
            file = f'; filename="{part[1]}"\r\nContent-Type: application/octet-stream' if len(part) == 3 else ""
            data = part[2] if len(part) == 3 else part[1].encode()
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part[0]}"{file}\r\n\r\n'
            whole += head.encode() + data + b"\r\n"
        return whole + f"--{boundary}--\r\n".encode()


def _read(plan: Plan) -> Answer:
    lines = plan.head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    body = b"".join(plan.writes)
    chunked = headers.get("transfer-encoding") == "chunked"
    return Answer(int(lines[0].split()[1]), headers, dechunked(body) if chunked else body, plan)


def dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + body[:length], body[length + 2 :]
    return whole
