"""The control endpoints, `/sandbox/...`: set scripts, read records. They are not themselves recorded.

GET    /sandbox            the options of a script and the calls it can be for, as plain text
POST   /sandbox/script     {"model": "...", "script": {...} or "a=1,b=2", "times": n or null}; in place of a model
                           the path of a call, such as "/suno/fetch/{id}" or "GET /v1/videos"
GET    /sandbox/script     what is pending
DELETE /sandbox/script     forget all of it
GET    /sandbox/requests   {"requests": [...]}, oldest first, the latest 1024
DELETE /sandbox/requests   forget them
GET    /sandbox/jobs       {"jobs": [...]}, songs, lyrics and videos, oldest first
GET    /sandbox/state      counts of connections, exchanges and jobs
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from polyrelay.sandbox import faults, refusals, script
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.premises import Premises
from polyrelay.sandbox.records import Ring
from polyrelay.sandbox.values import ScriptError

PREFIX = b"/sandbox"
_TEXT = (("content-type", "text/plain; charset=utf-8"),)


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    script: dict[str, Any] | str
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """What the control endpoints read and change; `places` are the calls that scripts may name."""

    board: Board
    ring: Ring
    premises: Premises
    places: list[str]

    def answer(self, method: bytes, path: bytes, body: bytes) -> Reply:  # noqa: PLR0911 - one per endpoint
        """Serve one control request."""
        match method, path.removeprefix(PREFIX).rstrip(b"/"):
            case b"GET", b"":
                return Reply(200, _TEXT, [self._help().encode()])
            case b"POST", b"/script":
                return self._order(body)
            case b"GET", b"/script":
                return _json({"pending": self.board.pending()})
            case b"DELETE", b"/script":
                self.board.clear()
            case b"GET", b"/requests":
                return _json({"requests": [record.as_json() for record in self.ring.kept]})
            case b"DELETE", b"/requests":
                self.ring.kept.clear()
            case b"GET", b"/jobs":
                return _json({"jobs": self.premises.jobs()})
            case b"GET", b"/state":
                return _json({**self.ring.state(), **self.premises.state()})
            case _:
                message = "No such control endpoint; see GET /sandbox."
                return Reply(404, (faults.JSON,), [refusals.body(message, code="not_found")])
        return _json({"ok": True})

    def _help(self) -> str:
        places = "\n".join(f"  {place}" for place in self.places)
        return f"{__doc__}\n{script.describe()}\n\nCalls besides POST /v1/chat/completions:\n{places}\n"

    def _order(self, body: bytes) -> Reply:
        try:
            order = msgspec.json.decode(body, type=_Order)
            self.board.put(order.model, order.script, order.times)
        except (msgspec.DecodeError, ScriptError) as error:
            return Reply(400, (faults.JSON,), [refusals.body(str(error), param=refusals.parameter(str(error)))])
        return _json({"ok": True, "pending": self.board.pending()})


def _json(value: object) -> Reply:
    return Reply(200, (faults.JSON,), [msgspec.json.encode(value)])
