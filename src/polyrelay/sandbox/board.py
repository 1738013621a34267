"""Scripts set from outside, by model, for the next requests or for good."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from polyrelay.sandbox import script
from polyrelay.sandbox.script import Script

ANY_MODEL = "*"


@dataclass(slots=True)
class _Entry:
    changes: dict[str, Any]
    times: int | None


class Board:
    """What was asked of the control endpoint. Several scripts of one model are used up in the order they came."""

    def __init__(self) -> None:
        self._entries: dict[str, deque[_Entry]] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def put(self, model: str, written: str | Mapping[str, object], times: int | None = None) -> None:
        """Let the next `times` requests (None: all) to `model` follow these options, over those of the name itself.

        `model` is a whole name, a name without its options, the path of a call as the control endpoint lists it
        (`/suno/fetch/{id}`, or `GET /v1/videos` for one of its methods), `*`, or `script.CONNECTIONS`.

        Raises:
            ScriptError: the options cannot be understood.
        """
        entry = _Entry(script.changes(written), times)
        if times is None or times > 0:
            self._entries.setdefault(_written(model), deque()).append(entry)

    def clear(self, model: str | None = None) -> None:
        """Forget the scripts of one model, or all."""
        if model is None:
            self._entries.clear()
        else:
            self._entries.pop(_written(model), None)

    def take(self, model: str, *places: str) -> Script:
        """The script of one request to `model` (may be empty) by the call at `places`; uses up one of its times.

        Raises:
            ScriptError: the model's own options cannot be understood.
        """
        return self._apply(script.for_model(model), model, model.partition(":")[0], *places, ANY_MODEL)

    def take_connection(self) -> Script:
        """The script of one new connection; uses up one of its times."""
        return self._apply(Script(), script.CONNECTIONS) if self._entries else _PLAIN

    def pending(self) -> dict[str, list[dict[str, Any]]]:
        """What is left, as JSON can hold it."""
        return {
            model: [{"script": entry.changes, "times": entry.times} for entry in entries]
            for model, entries in self._entries.items()
        }

    def _apply(self, base: Script, *names: str) -> Script:
        found = next((name for name in names if name in self._entries), None)
        if found is None:
            return base
        entries = self._entries[found]
        entry = entries[0]
        if entry.times is not None:
            entry.times -= 1
            if entry.times == 0:
                entries.popleft()
        if not entries:
            del self._entries[found]
        return replace(base, **entry.changes)


def _written(name: str) -> str:
    """A path without the slash that may end it."""
    return name.rstrip("/") if "/" in name else name


_PLAIN = Script()
