"""Decides who serves a request: the control endpoint, chat, or one of the other calls. No I/O."""

import time

import msgspec

from polyrelay.sandbox import control, faults, framing, refusals
from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.chat.counter import ChatCounter
from polyrelay.sandbox.counter import Clock, Counter
from polyrelay.sandbox.framing import Plan, Reply, Work
from polyrelay.sandbox.guards import Guards
from polyrelay.sandbox.premises import Premises
from polyrelay.sandbox.records import Ring
from polyrelay.sandbox.script import PRESETS, Script


class Desk:
    """Turns requests into plans. `keys` and `basic` are the credentials that are accepted, all when there are none."""

    def __init__(
        self,
        board: Board,
        ring: Ring,
        *,
        seed: int = 0,
        keys: frozenset[str] = frozenset(),
        basic: frozenset[str] = frozenset(),
        clock: Clock = time.time,
    ) -> None:
        prefix = b"%d:" % seed
        self._board = board
        self._ring = ring
        self._guards = Guards(keys, basic)
        self._chat = ChatCounter(board, prefix)
        self._premises = Premises(clock)
        self._counter = Counter(self._premises.routes(), board, self._guards, seed=prefix, clock=clock)

    def secure(self) -> None:
        """Links in answers are to begin with https."""
        self._counter.scheme = "https"

    def plan(self, arrived: Arrived) -> Plan | Work:
        """What to do with one request."""
        path = arrived.path.partition(b"?")[0]
        if path.startswith(control.PREFIX):
            return _plain(self._control(path, arrived), arrived)
        if path.endswith(b"/chat/completions"):
            if not self._guards.bearer(arrived):
                return _plain(_DENIED, arrived)
            return self._chat.plan(arrived) if arrived.method == b"POST" else _refuse(arrived, 405, _WRONG_METHOD)
        return self._counter.plan(arrived) or self._rest(path, arrived)

    def _control(self, path: bytes, arrived: Arrived) -> Reply:
        office = control.Office(self._board, self._ring, self._premises, self._counter.places)
        return office.answer(arrived.method, path, arrived.body)

    def _rest(self, path: bytes, arrived: Arrived) -> Plan:
        if not self._guards.bearer(arrived):
            return _plain(_DENIED, arrived)
        if path.endswith(b"/models") and arrived.method == b"GET":
            return _plain(Reply(200, (faults.JSON,), [_models()]), arrived)
        return _refuse(arrived, 404, "not_found")


_WRONG_METHOD = "method_not_allowed"
_DENIED = Reply(401, (faults.JSON,), [refusals.scripted(401, None)])


def _models() -> bytes:
    data = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"} for name in PRESETS]
    return msgspec.json.encode({"object": "list", "data": data})


def _refuse(arrived: Arrived, status: int, code: str) -> Plan:
    path = arrived.path[:200].decode("latin-1")
    message = f"The polyrelay sandbox does not serve {arrived.method.decode('latin-1')} {path}."
    return _plain(Reply(status, (faults.JSON,), [refusals.body(message, code=code)]), arrived)


def _plain(reply: Reply, arrived: Arrived) -> Plan:
    return framing.plan(reply, Script(), legacy=arrived.legacy, closing=arrived.closing)
