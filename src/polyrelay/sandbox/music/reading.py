"""Fields of Suno's bodies, which no dialect checks much: what is not of its type counts as absent."""

from typing import Any

from polyrelay.sandbox.calls import Call
from polyrelay.sandbox.surfaces import Refused


def text(given: dict[str, Any], name: str) -> str:
    """A text, empty when it is absent."""
    value = given.get(name)
    return value if isinstance(value, str) else ""


def seconds(given: dict[str, Any], name: str) -> float | None:
    """A number of seconds, None when it is absent."""
    value = given.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def named(call: Call, name: str) -> str:
    """A text of the body for scripts to go by, empty when there is no body that can be read."""
    try:
        return text(call.content.json, name)
    except Refused:
        return ""
