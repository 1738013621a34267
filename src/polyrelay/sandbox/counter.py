"""Serves every call but chat: finds who answers it, asks for the credential and the script, and spoils the answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from polyrelay.sandbox import calls, faults, framing, refusals
from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.calls import Call, Later, Route, Table
from polyrelay.sandbox.content import Content
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.framing import Plan, Reply, Work
from polyrelay.sandbox.guards import Guards
from polyrelay.sandbox.script import Script
from polyrelay.sandbox.surfaces import Refused, Surface
from polyrelay.sandbox.values import ScriptError

Clock = Callable[[], float]
_KEY_BYTES = 64 * 1024
"""Of a body that chance follows from: all of any JSON, and of a large upload enough."""
_NOWHERE = "127.0.0.1"
_Made = TypeVar("_Made")


class Counter:
    """`clock` tells seconds since the epoch: the ages of jobs and the times in answers follow it.

    `scheme` is that of the links in answers.
    """

    def __init__(self, routes: list[Route], board: Board, guards: Guards, *, seed: bytes, clock: Clock) -> None:
        self._table = Table(routes)
        self._board = board
        self._guards = guards
        self._seed = seed
        self._clock = clock
        self.scheme = "http"

    @property
    def places(self) -> list[str]:
        """Method and path of every call, as scripts may name them."""
        return [f"{route.method} {route.place}" for route in self._table.routes]

    def plan(self, arrived: Arrived) -> Plan | Work | None:
        """What to do with one request, None when its path is nobody's."""
        path = arrived.path.decode("latin-1")
        method = arrived.method.decode("latin-1")
        route, names, known = self._table.find(method, path.partition("?")[0])
        if route is None:
            return self._plain(_not_allowed(method), arrived) if known else None
        surface = route.surface
        if not self._guards.allow(surface.guard, arrived):
            return self._plain(_said(surface, surface.denied), arrived)
        call = Call(
            names=names,
            query=calls.queried(path),
            header=arrived.header,
            content=Content(arrived.body, arrived.header(b"content-type")),
            base=f"{self.scheme}://{arrived.header(b'host') or _NOWHERE}",
            now=self._clock(),
            key=self._seed + arrived.path + b"%d:" % len(arrived.body) + arrived.body[:_KEY_BYTES],
            script=Script(),
        )
        try:
            script = self._board.take(route.model(call), f"{method} {route.place}", route.place)
        except ScriptError as error:
            return self._plain(_said(surface, Refused(str(error), code="invalid_value")), arrived)
        return _Errand(route, replace(call, script=script), arrived, self._clock).plan()

    def _plain(self, reply: Reply, arrived: Arrived) -> Plan:
        return framing.plan(reply, Script(), legacy=arrived.legacy, closing=arrived.closing)


@dataclass(frozen=True, slots=True)
class _Errand:
    """One call on its way from its handler to the bytes of its answer."""

    route: Route
    call: Call
    arrived: Arrived
    clock: Clock

    def plan(self) -> Plan | Work:
        """The plan, or the work that gives it; the handler is called at once, as jobs and queues have an order."""
        script = self.call.script
        code = refusals.usual_code(script.status) if script.code is None else script.code
        told = Refused(refusals.usual(script.status), script.status, code=code)
        other = faults.instead(script, self.route.surface.error(told))
        if other is not None:
            return self._framed(other)
        made = self._attempted(lambda: self.route.handle(self.call))
        if isinstance(made, Later):
            make = made.make
            return lambda: self._finished(self._attempted(make))
        return self._finished(made)

    def _attempted(self, make: Callable[[], _Made]) -> _Made | Reply:
        try:
            return make()
        except Refused as refused:
            return _said(self.route.surface, refused)

    def _finished(self, reply: Reply) -> Plan:
        script = self.call.script
        failed = Refused("The sandbox was told to fail in the answer.", 500, code=script.code)
        plan = self._framed(faults.spoiled(reply, script, self.route.surface.error(failed)))
        wait = reply.due - self.clock()
        return replace(plan, headers=plan.headers + wait, whole=None) if wait > 0 else plan

    def _framed(self, reply: Reply) -> Plan:
        label = ("x-request-id", f"req_sandbox{Dice(self.call.key + b'#id').hex(16)}")
        labelled = replace(reply, headers=(*reply.headers, label))
        return framing.plan(labelled, self.call.script, legacy=self.arrived.legacy, closing=self.arrived.closing)


def _said(surface: Surface, refused: Refused) -> Reply:
    return Reply(refused.status, (faults.JSON, *refused.headers), [surface.error(refused)])


def _not_allowed(method: str) -> Reply:
    message = f"The polyrelay sandbox does not serve {method} here."
    return Reply(405, (faults.JSON,), [refusals.body(message, code="method_not_allowed")])
