"""From parsed TOML to settings, driven by the dataclasses' own fields and types."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, TypeGuard, get_args, get_origin, get_type_hints

from polyrelay.config import rules
from polyrelay.config.locate import KeyPath
from polyrelay.config.problems import Problem, suggestion

_WRONG = object()
"""Stands for a value that has a problem; no settings are built around it."""


def _is_integer(raw: object) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool)


def _is_number(raw: object) -> bool:
    return _is_integer(raw) or (isinstance(raw, float) and math.isfinite(raw))


_SCALARS: Mapping[type, tuple[Callable[[object], bool], str]] = {
    bool: (lambda raw: isinstance(raw, bool), "true or false"),
    int: (_is_integer, "a whole number"),
    float: (_is_number, "a number"),
    str: (lambda raw: isinstance(raw, str) and "\0" not in raw, "a text"),
}
_NAMES: Mapping[type, str] = {
    dict: "a table",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where a value belongs: its path, the rule it obeys, and whether messages may repeat it."""

    path: KeyPath
    rule: rules.Rule | None = None
    secret: bool = False

    def element(self, position: int) -> "_Place":
        return dataclasses.replace(self, path=(*self.path, position))


class Converter:
    """Builds settings and collects what is wrong in `problems`; a result counts only while that is empty."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def convert(self, owner: type[Any], raw: object) -> Any:
        """`raw`, a parsed TOML document, as the dataclass `owner`."""
        return self._table(owner, raw, _Place(()))

    def _table(self, owner: type[Any], raw: object, place: _Place) -> Any:
        fields = {field.name: field for field in dataclasses.fields(owner)}
        if isinstance(raw, str) and (only := _only_required(owner)):
            raw = {only: raw}
        if not isinstance(raw, dict):
            return self._refuse(place, raw, "a table with " + ", ".join(fields))
        before = len(self.problems)
        for name in raw.keys() - fields.keys():
            self._unknown((*place.path, name), name, fields)
        kinds = get_type_hints(owner)
        values = {
            name: self._value(kinds[name], raw[name], _member(owner, field, place))
            for name, field in fields.items()
            if name in raw
        }
        for name, field in fields.items():
            if name not in raw and _is_required(field):
                self.problems.append(Problem(place.path, f"{name} is missing", f"{name} = …"))
        return owner(**values) if len(self.problems) == before else _WRONG

    def _value(self, kind: Any, raw: object, place: _Place) -> Any:
        if _is_dataclass(kind):
            return self._table(kind, raw, place)
        origin = get_origin(kind)
        if origin is UnionType:
            return self._value(next(member for member in get_args(kind) if member is not NoneType), raw, place)
        if origin is tuple:
            return self._list(get_args(kind)[0], raw, place)
        return self._scalar(kind, raw, place)

    def _list(self, kind: Any, raw: object, place: _Place) -> Any:
        if not isinstance(raw, list):
            return self._refuse(place, raw, "a list, in square brackets")
        return tuple(self._value(kind, element, place.element(position)) for position, element in enumerate(raw))

    def _scalar(self, kind: type, raw: object, place: _Place) -> Any:
        accepts, allowed = _SCALARS[kind]
        if not accepts(raw):
            return self._refuse(place, raw, place.rule.allowed if place.rule else allowed)
        if place.rule and not place.rule.accepts(raw):
            return self._refuse(place, raw, place.rule.allowed)
        return float(raw) if kind is float and isinstance(raw, int) else raw

    def _refuse(self, place: _Place, raw: object, allowed: str) -> object:
        kind = _NAMES.get(type(raw), "a date or time")
        hidden = place.secret or isinstance(raw, dict | list) or (place.rule is not None and place.rule.secret)
        self.problems.append(Problem(place.path, f"found {kind}" if hidden else f"found {_show(raw)}", allowed))
        return _WRONG

    def _unknown(self, path: KeyPath, name: str, fields: Mapping[str, object]) -> None:
        self.problems.append(Problem(path, "unknown key", suggestion(name, fields)))


def _show(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return f'"{raw[:80]}"' if isinstance(raw, str) else str(raw)


def _member(owner: type[Any], field: "dataclasses.Field[Any]", place: _Place) -> _Place:
    """A list's rule is that of its elements. Around a field without a repr, nothing is repeated (it holds secrets)."""
    path = (*place.path, field.name)
    secret = place.secret or _holds_secret(field, owner)
    return _Place(path, rules.find(owner, field.name), secret)


def _holds_secret(field: "dataclasses.Field[Any]", owner: type[Any]) -> bool:
    if not field.repr:
        return True
    kind = get_type_hints(owner)[field.name]
    members = (kind, *get_args(kind))
    return any(not inner.repr for member in members if _is_dataclass(member) for inner in dataclasses.fields(member))


def _only_required(owner: type[Any]) -> str | None:
    """The name of the single required field, which a bare text in place of a table stands for."""
    required = [field.name for field in dataclasses.fields(owner) if _is_required(field)]
    return required[0] if len(required) == 1 else None


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _is_dataclass(kind: Any) -> TypeGuard[type[Any]]:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)
