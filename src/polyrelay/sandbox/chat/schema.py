"""A plausible value for a JSON schema: what a model would fill in as arguments or as structured output."""

from collections.abc import Mapping
from typing import Any

from polyrelay.sandbox.dice import Dice

_WORDS = ("amber", "birch", "coral", "delta", "ember", "fjord", "grove", "harbour")
_FORMATS = {
    "date": "2025-01-15",
    "time": "12:30:00Z",
    "date-time": "2025-01-15T12:30:00Z",
    "email": "sandbox@example.com",
    "uri": "https://example.com/sandbox",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST = 10
"""A schema that refers to itself is filled in to this depth, then with nulls."""


def example(schema: object, dice: Dice) -> Any:
    """A value of `schema`, the same for the same dice. Keywords it does not know are ignored."""
    root = schema if isinstance(schema, Mapping) else {}
    return _value(root, root, dice, _DEEPEST)


def _value(schema: object, root: Mapping[str, Any], dice: Dice, depth: int) -> Any:  # noqa: PLR0911 - one per keyword
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][dice.below(len(schema["enum"]))]
    if "$ref" in schema:
        return _value(_resolve(str(schema["$ref"]), root), root, dice, depth - 1)
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            return _value(schema[union][0], root, dice, depth - 1)
    if schema.get("allOf"):
        parts = [_value(part, root, dice, depth - 1) for part in schema["allOf"]]
        objects = [part for part in parts if isinstance(part, dict)]
        return {key: value for part in objects for key, value in part.items()} if objects else parts[0]
    return _typed(schema, root, dice, depth)


def _typed(schema: Mapping[str, Any], root: Mapping[str, Any], dice: Dice, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    match kind:
        case "object":
            properties = schema.get("properties") or {}
            return {name: _value(part, root, dice, depth - 1) for name, part in properties.items()}
        case "array":
            size = max(1, int(schema.get("minItems", 1)))
            return [
                _value(schema.get("items", {"type": "string"}), root, dice, depth - 1) for _ in range(min(size, 64))
            ]
        case "integer" | "number":
            return _number(schema, dice, whole=kind == "integer")
        case "boolean":
            return bool(dice.below(2))
        case "string":
            return _string(schema, dice)
        case _:
            return None


def _number(schema: Mapping[str, Any], dice: Dice, *, whole: bool) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
    if not whole:
        return float((low + high) / 2)
    first = int(low) + ("minimum" not in schema and "exclusiveMinimum" in schema)
    return first + dice.below(max(1, int(high) - first))


def _string(schema: Mapping[str, Any], dice: Dice) -> str:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return known
    word = _WORDS[dice.below(len(_WORDS))]
    return word.ljust(int(schema.get("minLength", 0)), "x")[: schema.get("maxLength")]


def _resolve(reference: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) and step else found
    return found
