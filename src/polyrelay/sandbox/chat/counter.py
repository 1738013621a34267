"""Serves chat completions, each new question once and then from memory."""

import time
from dataclasses import replace
from uuid import uuid4

from polyrelay.sandbox import faults, frames, framing, refusals
from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.chat import answers, completions, request
from polyrelay.sandbox.chat.request import ChatRequest, RequestError
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.framing import Plan, Reply
from polyrelay.sandbox.script import Script
from polyrelay.sandbox.values import ScriptError

_STREAM = ("content-type", "text/event-stream; charset=utf-8")
_OK = 200
_CACHED_BYTES = 256 * 1024
_MOST_CACHED = 256

PLACE = "/v1/chat/completions"
"""Under which scripts may name this call, whatever comes before `/chat/completions`."""


class ChatCounter:
    """Turns chat requests into plans.

    An answer follows from the seed and the body alone, so its plan is kept and a repeated request costs one look
    into a dictionary: this is what lets one core serve a load test.
    """

    def __init__(self, board: Board, seed: bytes) -> None:
        self._board = board
        self._seed = seed
        self._plans: dict[tuple[bytes, bool, bool], Plan] = {}

    def plan(self, arrived: Arrived) -> Plan:
        """What to do with one request."""
        key = (arrived.body, arrived.legacy, arrived.closing)
        if not self._board and (known := self._plans.get(key)) is not None:
            return known
        scripted = bool(self._board)
        try:
            asked = request.decode(arrived.body)
            script = self._board.take(asked.model, PLACE)
        except (RequestError, ScriptError) as error:
            refusal = refusals.body(str(error), param=refusals.parameter(str(error)), code="invalid_value")
            reply = Reply(400, (faults.JSON,), [refusal])
            return framing.plan(reply, Script(), legacy=arrived.legacy, closing=arrived.closing)
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
    other = faults.instead(script, refusals.scripted(script.status, script.code), label)
    if other is not None:
        return other
    made = answers.answer(asked, script, key)
    if script.fresh:
        made = replace(made, id=f"chatcmpl-{uuid4().hex}", created=int(time.time()))
    if asked.stream:
        portions = frames.segments(completions.chunks(made, asked, script), script)
        return Reply(_OK, (_STREAM, ("cache-control", "no-cache"), label), portions, stream=True, events=True)
    whole = Reply(_OK, (faults.JSON, label), [completions.completion(made, asked, script)])
    return faults.spoiled(whole, script, refusals.frame(script.code))
