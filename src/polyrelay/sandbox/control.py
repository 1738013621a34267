"""The control endpoints, `/sandbox/...`: set scripts, read records. They are not themselves recorded.

GET    /sandbox            the options of a script, as plain text
POST   /sandbox/script     {"model": "...", "script": {...} or "a=1,b=2", "times": n or null}
GET    /sandbox/script     what is pending
DELETE /sandbox/script     forget all of it
GET    /sandbox/requests   {"requests": [...]}, oldest first, the latest 1024
DELETE /sandbox/requests   forget them
GET    /sandbox/state      counts of connections and exchanges
"""

from typing import Any

import msgspec

from polyrelay.sandbox import refusals, script
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.records import Ring
from polyrelay.sandbox.values import ScriptError

PREFIX = b"/sandbox"
_JSON = (("content-type", "application/json"),)
_TEXT = (("content-type", "text/plain; charset=utf-8"),)


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    script: dict[str, Any] | str
    times: int | None = None


def answer(  # noqa: PLR0911 - one per endpoint
    method: bytes, path: bytes, body: bytes, board: Board, ring: Ring
) -> Reply:
    """Serve one control request."""
    match method, path.removeprefix(PREFIX).rstrip(b"/"):
        case b"GET", b"":
            return Reply(200, _TEXT, [f"{__doc__}\n{script.describe()}\n".encode()])
        case b"POST", b"/script":
            return _order(body, board)
        case b"GET", b"/script":
            return _json({"pending": board.pending()})
        case b"DELETE", b"/script":
            board.clear()
        case b"GET", b"/requests":
            return _json({"requests": [record.as_json() for record in ring.kept]})
        case b"DELETE", b"/requests":
            ring.kept.clear()
        case b"GET", b"/state":
            return _json(ring.state())
        case _:
            return Reply(404, _JSON, [refusals.body("No such control endpoint; see GET /sandbox.", code="not_found")])
    return _json({"ok": True})


def _order(body: bytes, board: Board) -> Reply:
    try:
        order = msgspec.json.decode(body, type=_Order)
        board.put(order.model, order.script, order.times)
    except (msgspec.DecodeError, ScriptError) as error:
        return Reply(400, _JSON, [refusals.body(str(error), param=refusals.parameter(str(error)))])
    return _json({"ok": True, "pending": board.pending()})


def _json(value: object) -> Reply:
    return Reply(200, _JSON, [msgspec.json.encode(value)])
