"""What the sandbox received and what became of it, so that tests can compare bytes."""

import base64
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

HELD_BODY_BYTES = 64 * 1024
"""Longer bodies are kept as length and SHA-256 only."""
MOST_RECORDS = 1024
"""With HELD_BODY_BYTES each, 64 MiB at the very most."""

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Record:
    """One request. Times are nanoseconds of CLOCK_MONOTONIC.

    `outcome` is `answering`, then one of: `finished`, `cut`, `reset`, `stalled`, `client_left`. `sent` counts the
    bytes of the answer handed to the socket, head and framing included; when the client left early it says how far
    the answer had come.
    """

    number: int
    connection: int
    method: bytes
    path: bytes
    headers: list[Header]
    received_at: int
    body_size: int
    body: bytes | None
    body_sha256: str | None = None
    outcome: str = "answering"
    sent: int = 0
    ended_at: int = 0

    def as_json(self) -> dict[str, Any]:
        """The record with text for bytes; the body in base64 where it was kept."""
        return {
            "number": self.number,
            "connection": self.connection,
            "method": self.method.decode("latin-1"),
            "path": self.path.decode("latin-1"),
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "received_at_ns": self.received_at,
            "body_size": self.body_size,
            "body_base64": None if self.body is None else base64.b64encode(self.body).decode(),
            "body_sha256": self.body_sha256 or sha256(self.body or b"").hexdigest(),
            "outcome": self.outcome,
            "client_left_early": self.outcome == "client_left",
            "sent_bytes": self.sent,
            "ended_at_ns": self.ended_at or None,
        }


@dataclass(slots=True)
class Ring:
    """The latest records and the counts since the start."""

    kept: deque[Record] = field(default_factory=lambda: deque(maxlen=MOST_RECORDS))
    requests_total: int = 0
    connections_total: int = 0
    connections_open: int = 0
    exchanges_active: int = 0

    def note(self, connection: int, method: bytes, path: bytes, headers: list[Header], body: bytes, now: int) -> Record:
        """Keep a request that has arrived whole at `now`."""
        self.requests_total += 1
        held = len(body) <= HELD_BODY_BYTES
        record = Record(
            number=self.requests_total,
            connection=connection,
            method=method,
            path=path,
            headers=headers,
            received_at=now,
            body_size=len(body),
            body=body if held else None,
            body_sha256=None if held else sha256(body).hexdigest(),
        )
        self.kept.append(record)
        return record

    def state(self) -> dict[str, int]:
        """The counts, as JSON can hold them."""
        return {
            "connections_open": self.connections_open,
            "connections_total": self.connections_total,
            "exchanges_active": self.exchanges_active,
            "requests_total": self.requests_total,
        }
