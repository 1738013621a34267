"""Reading the fields of an OpenAI call, with the refusals its API gives."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyrelay.sandbox.surfaces import Refused

_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a body. A form has only text, so there numbers and booleans may be written (`written`)."""

    values: Mapping[str, Any]
    written: bool = False

    def text(self, name: str, *, most: int, usual: str | None = None) -> str:
        """A text of at most `most` characters; one that is absent and has no `usual` is missing.

        Raises:
            Refused: missing, no text, or too long.
        """
        value = self.values.get(name)
        if value is None:
            value = usual
        if value is None or value == "":
            raise Refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        if len(value) > most:
            message = f"Invalid '{name}': string too long. Expected a string with maximum length {most}."
            raise Refused(message, param=name, code="string_above_max_length")
        return value

    def choice(self, name: str, usual: str, words: tuple[str, ...]) -> str:
        """One of `words`.

        Raises:
            Refused: anything else.
        """
        value = self.values.get(name)
        if value is None:
            return usual
        if value not in words:
            raise Refused(f"Invalid value for '{name}': must be one of {', '.join(words)}.", param=name, code=_VALUE)
        return str(value)

    def number(self, name: str, usual: float, low: float, high: float) -> float:
        """A number from `low` to `high`.

        Raises:
            Refused: anything else.
        """
        value = self.values.get(name)
        if value is None:
            return usual
        try:
            found = float(value) if self.written or not isinstance(value, (str, bool)) else None
        except (TypeError, ValueError):
            found = None
        if found is None:
            raise self._wrong(name, "a number")
        if not low <= found <= high:
            raise Refused(f"Invalid '{name}': must be from {low:g} to {high:g}.", param=name, code=_VALUE)
        return found

    def whole(self, name: str, usual: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`.

        Raises:
            Refused: anything else.
        """
        found = self.number(name, usual, low, high)
        if found != int(found):
            raise self._wrong(name, "an integer")
        return int(found)

    def flag(self, name: str) -> bool:
        """A boolean, false when it is absent.

        Raises:
            Refused: anything else.
        """
        value = self.values.get(name)
        if self.written and isinstance(value, str):
            value = _SWITCHES.get(value.lower(), value)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "a boolean")
        return bool(value)

    def _wrong(self, name: str, expected: str) -> Refused:
        return Refused(f"Invalid type for '{name}': expected {expected}.", param=name, code="invalid_type")


_VALUE = "invalid_value"


def pixels(size: str) -> tuple[int, int] | None:
    """Width and height of `WIDTHxHEIGHT`, None for anything else."""
    match = _SIZE.fullmatch(size)
    return (int(match[1]), int(match[2])) if match else None
