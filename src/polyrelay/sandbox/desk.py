"""Decides what each request gets: the one place where paths, keys, scripts and answers meet. No I/O."""

import time
from dataclasses import dataclass, replace
from uuid import uuid4

import msgspec

from polyrelay.sandbox import answers, chat, control, frames, framing, refusals, request
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.framing import Plan, Reply
from polyrelay.sandbox.records import Header, Ring
from polyrelay.sandbox.request import ChatRequest, RequestError
from polyrelay.sandbox.script import PRESETS, Script
from polyrelay.sandbox.values import ScriptError

ELSEWHERE = "/v1/elsewhere/chat/completions"
"""Where redirects point: the sandbox itself, so that a client that follows one shows up in the records."""

_JSON = ("content-type", "application/json")
_STREAM = ("content-type", "text/event-stream; charset=utf-8")
_HTML = ("content-type", "text/html; charset=utf-8")
_ERROR_PAGE = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><p>polyrelay sandbox</p>\n"
_OK = 200
_REDIRECTS = range(300, 400)
_CACHED_BYTES = 256 * 1024
_MOST_CACHED = 256


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that has arrived whole. `legacy` is HTTP/1.0; `closing`: the connection ends after the answer."""

    method: bytes
    path: bytes
    headers: list[Header]
    body: bytes
    legacy: bool
    closing: bool


class Desk:
    """Turns requests into plans.

    A chat answer follows from the seed and the body alone, so its plan is kept and a repeated request costs one look
    into a dictionary: this is what lets one core serve a load test.
    """

    def __init__(self, board: Board, ring: Ring, *, seed: int, keys: frozenset[str]) -> None:
        self._board = board
        self._ring = ring
        self._seed = b"%d:" % seed
        self._bearers = frozenset(f"bearer {key}".encode() for key in keys)
        self._plans: dict[tuple[bytes, bool, bool], Plan] = {}

    def plan(self, arrived: Arrived) -> Plan:
        """What to do with one request."""
        path = arrived.path.partition(b"?")[0]
        if path.startswith(control.PREFIX):
            return _plain(control.answer(arrived.method, path, arrived.body, self._board, self._ring), arrived)
        if not self._allowed(arrived):
            return _plain(Reply(401, (_JSON,), [refusals.scripted(401, None)]), arrived)
        if path.endswith(b"/chat/completions"):
            return self._chat(arrived) if arrived.method == b"POST" else _refuse(arrived, 405, "method_not_allowed")
        if path.endswith(b"/models") and arrived.method == b"GET":
            return _plain(Reply(200, (_JSON,), [_models()]), arrived)
        return _refuse(arrived, 404, "not_found")

    def _allowed(self, arrived: Arrived) -> bool:
        if not self._bearers:
            return True
        sent = next((value for name, value in arrived.headers if name.lower() == b"authorization"), b"")
        scheme, _, key = sent.partition(b" ")
        return scheme.lower() + b" " + key.strip() in self._bearers

    def _chat(self, arrived: Arrived) -> Plan:
        key = (arrived.body, arrived.legacy, arrived.closing)
        if not self._board and (known := self._plans.get(key)) is not None:
            return known
        scripted = bool(self._board)
        try:
            asked = request.decode(arrived.body)
            script = self._board.take(asked.model)
        except (RequestError, ScriptError) as error:
            refusal = refusals.body(str(error), param=refusals.parameter(str(error)), code="invalid_value")
            return _plain(Reply(400, (_JSON,), [refusal]), arrived)
        reply = _answer(asked, script, self._seed + arrived.body)
        plan = framing.plan(reply, script, legacy=arrived.legacy, closing=arrived.closing)
        if not (scripted or script.fresh or len(arrived.body) + sum(map(len, plan.writes)) > _CACHED_BYTES):
            self._keep(key, plan)
        return plan

    def _keep(self, key: tuple[bytes, bool, bool], plan: Plan) -> None:
        if len(self._plans) >= _MOST_CACHED:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = plan


def _answer(asked: ChatRequest, script: Script, key: bytes) -> Reply:
    label = ("x-request-id", f"req_sandbox{Dice(key + b'#id').hex(16)}")
    if script.status in _REDIRECTS:
        return Reply(script.status, (("location", ELSEWHERE), label), [])
    if script.status != _OK:
        retry = () if script.retry_after is None else (("retry-after", script.retry_after),)
        return Reply(script.status, (_JSON, label, *retry), [refusals.scripted(script.status, script.code)])
    if script.html:
        return Reply(_OK, (_HTML, label), [_ERROR_PAGE])
    made = answers.answer(asked, script, key)
    if script.fresh:
        made = replace(made, id=f"chatcmpl-{uuid4().hex}", created=int(time.time()))
    if asked.stream:
        return Reply(_OK, (_STREAM, ("cache-control", "no-cache"), label), _streamed(made, asked, script), stream=True)
    return Reply(_OK, (_JSON, label), _unary(made, asked, script))


def _streamed(made: answers.Answer, asked: ChatRequest, script: Script) -> list[bytes]:
    return frames.segments(chat.chunks(made, asked, script), script)


def _unary(made: answers.Answer, asked: ChatRequest, script: Script) -> list[bytes]:
    if script.empty != "no":
        return []
    body = refusals.frame(script.code) if script.error is not None else chat.completion(made, asked, script)
    if script.malformed is not None:
        body = body[: len(body) // 2]
    return [body + frames.GARBAGE] if script.garbage == "body" else [body]


def _models() -> bytes:
    data = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"} for name in PRESETS]
    return msgspec.json.encode({"object": "list", "data": data})


def _refuse(arrived: Arrived, status: int, code: str) -> Plan:
    path = arrived.path[:200].decode("latin-1")
    message = f"The polyrelay sandbox does not serve {arrived.method.decode('latin-1')} {path}."
    return _plain(Reply(status, (_JSON,), [refusals.body(message, code=code)]), arrived)


def _plain(reply: Reply, arrived: Arrived) -> Plan:
    return framing.plan(reply, Script(), legacy=arrived.legacy, closing=arrived.closing)
