from typing import Any

from polyrelay.sandbox.chat import schema
from polyrelay.sandbox.dice import Dice


def example(described: object) -> Any:
    return schema.example(described, Dice(b"key"))


def test_every_type() -> None:
    assert isinstance(example({"type": "string"}), str)
    assert example({"type": "string", "format": "date"}) == "2025-01-15"
    assert len(example({"type": "string", "minLength": 20})) == 20
    assert len(example({"type": "string", "maxLength": 2})) == 2
    assert 3 <= example({"type": "integer", "minimum": 3, "maximum": 4}) <= 4
    assert example({"type": "integer", "exclusiveMinimum": 3, "maximum": 4}) == 4
    assert example({"type": "number", "minimum": 1, "maximum": 2}) == 1.5
    assert isinstance(example({"type": "boolean"}), bool)
    assert example({"type": "null"}) is None
    assert len(example({"type": "array", "items": {"type": "integer"}, "minItems": 3})) == 3
    assert isinstance(example({"type": ["null", "string"]}), str)


def test_combinations() -> None:
    assert example({"const": 7}) == 7
    assert example({"anyOf": [{"const": 1}, {"const": 2}]}) == 1
    merged = example({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]})
    assert merged == {"a": 1, "b": 2}
    assert example({"$ref": "#/$defs/x", "$defs": {"x": {"const": "found"}}}) == "found"


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert example(node)["left"]["right"] is not None


def test_nonsense_gives_something() -> None:
    assert example(None) is not ...
    assert example({"$ref": "#/nowhere"}) is not ...


def test_dice_are_the_same_everywhere() -> None:
    dice = Dice(b"key")
    assert [dice.below(1000) for _ in range(5)] == [
        dice_again.below(1000) for dice_again in [Dice(b"key")] for _ in range(5)
    ]
    assert len(Dice(b"key").hex(7)) == 7
