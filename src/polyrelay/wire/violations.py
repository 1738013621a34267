"""A breach of a request contract in OpenAI's words: the field, what is allowed, and a stable code.

The typed decoder says `Expected `int` >= 1 - at `$.n``; a developer reads "Invalid 'n': integer below minimum value.
Expected a value >= 1." with `param: "n"` and `code: "integer_below_min_value"`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo

_PLACE = re.compile(r" - at `(?:key` in `)?\$?\.?([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_BOUND = re.compile(r"Expected `(int|float)` (<=|>=) (\S+)")
_LENGTH = re.compile(r"Expected `(array|str|object)` of length (<=|>=) (\d+)")
_TYPE = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_VALUE = re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL)
_POSITION = re.compile(r"\[[^\]]*\]")

Supported = Mapping[str, tuple[str, ...]]
"""The values of a contract's enumerations, by field path without positions."""

NONE_SUPPORTED: Supported = MappingProxyType({})
"""Of a contract without enumerations."""

_TYPE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "int": "an integer",
        "float": "a number",
        "str": "a string",
        "bool": "a boolean",
        "array": "an array",
        "object": "an object",
        "null": "null",
    }
)
_BOUND_CODES: Mapping[tuple[str, str], tuple[str, str]] = MappingProxyType(
    {
        ("int", ">="): ("integer_below_min_value", "integer below minimum value"),
        ("int", "<="): ("integer_above_max_value", "integer above maximum value"),
        ("float", ">="): ("decimal_below_min_value", "decimal below minimum value"),
        ("float", "<="): ("decimal_above_max_value", "decimal above maximum value"),
    }
)
_LENGTH_CODES: Mapping[tuple[str, str], tuple[str, str, str]] = MappingProxyType(
    {
        ("object", "<="): ("object_above_max_length", "too many members", "an object with at most {} members"),
        ("array", ">="): ("empty_array", "empty array", "an array with at least {} element(s)"),
        ("array", "<="): ("array_above_max_length", "array too long", "an array with at most {} elements"),
        ("str", ">="): ("empty_string", "empty string", "a string with at least {} character(s)"),
        ("str", "<="): ("string_above_max_length", "string too long", "a string with at most {} characters"),
    }
)


def refusal(complaint: str, supported: Supported = NONE_SUPPORTED) -> InvalidRequest:
    """The refusal for a message of `msgspec.ValidationError`, raised by a contract with `supported` values."""
    place = _PLACE.search(complaint)
    param = place[1] if place else None
    text = complaint[: place.start()] if place else complaint
    missing = _MISSING.match(text)
    if missing:
        param = f"{param}.{missing[1]}" if param else missing[1]
        return InvalidRequest(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
    return _bound(text, param) or _length(text, param) or _value(text, param, supported) or _wrong_type(text, param)


def _bound(text: str, param: str | None) -> InvalidRequest | None:
    found = _BOUND.match(text)
    if found is None:
        return None
    kind, sign, limit = found.groups()
    code, words = _BOUND_CODES[kind, sign]
    limit = limit.removesuffix(".0")
    return InvalidRequest(f"Invalid '{param}': {words}. Expected a value {sign} {limit}.", code=code, param=param)


def _length(text: str, param: str | None) -> InvalidRequest | None:
    found = _LENGTH.match(text)
    if found is None:
        return None
    kind, sign, limit = found.groups()
    code, words, expected = _LENGTH_CODES[kind, sign]
    return InvalidRequest(f"Invalid '{param}': {words}. Expected {expected.format(limit)}.", code=code, param=param)


def _value(text: str, param: str | None, supported: Supported) -> InvalidRequest | None:
    found = _VALUE.match(text)
    if found is None:
        return None
    values = supported.get(_POSITION.sub("", param or ""), ())
    allowed = f" Supported values are: {', '.join(map(repr, values))}." if values else ""
    given = f"'{echo.cut(found[1][1:-1])}'" if found[1].startswith("'") else echo.cut(found[1])
    return InvalidRequest(f"Invalid value for '{param}': {given}.{allowed}", code="invalid_value", param=param)


def _wrong_type(text: str, param: str | None) -> InvalidRequest:
    found = _TYPE.match(text)
    if found is None:
        return InvalidRequest(f"Invalid '{param}': {text}.", code="invalid_value", param=param)
    expected = " or ".join(_TYPE_NAMES.get(name, name) for name in found[1].split(" | ") if name != "null")
    got = f", but got {_TYPE_NAMES.get(found[2], found[2])} instead" if found[2] else ""
    return InvalidRequest(f"Invalid type for '{param}': expected {expected}{got}.", code="invalid_type", param=param)
