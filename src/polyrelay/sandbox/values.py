"""How the values of a script are written: durations, sizes, counts, switches and words."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from polyrelay.sandbox.lives import Fate, Life

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)s?")
_SIZE = re.compile(r"(\d+)(KB|MB)?")
_SIZES = {None: 1, "KB": 1024, "MB": 1024 * 1024}
_MOST = 1_000_000
_MOST_SECONDS = 3600.0
_FATES = ("complete", "error", "half", "stuck")
_MOST_BYTES = 1024 * 1024 * 1024
_SWITCHES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

Reader = Callable[[object], object]


class ScriptError(ValueError):
    """A script that cannot be understood. The message names the option and what it may be."""


def seconds(value: object) -> float:
    """`200ms`, `1.5s`, or a JSON number of seconds.

    Raises:
        ScriptError: anything else, or a negative number.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    match = _DURATION.fullmatch(str(value))
    if match is None:
        raise ScriptError(f"{value!r} is not a duration such as 200ms or 1.5s")
    amount = float(match[1])
    return amount / 1000 if match[2] == "ms" else amount


def length(value: object) -> float:
    """The length of a recording in seconds, at most an hour: `2`, `2.5`, `2.5s`.

    Raises:
        ScriptError: anything else.
    """
    match = _LENGTH.fullmatch(str(value))
    if match is None or float(match[1]) > _MOST_SECONDS:
        raise ScriptError(f"{value!r} is not a number of seconds such as 2.5, at most an hour")
    return float(match[1])


def life(value: object) -> Life:
    """How a job goes: `2.0`, `300ms`, `error`, `stuck`, `half`, or a time and a fate joined by `+`: `2.0+error`.

    Raises:
        ScriptError: anything else.
    """
    made = Life()
    for word in str(value).split("+"):
        if word in _FATES:
            made = replace(made, fate=cast("Fate", word))
        elif _LENGTH.fullmatch(word) or _DURATION.fullmatch(word):
            made = replace(made, seconds=float(word) if word[-1] != "s" else seconds(word))
        else:
            raise ScriptError(f"{value!r} is not a time such as 2.0 or 300ms, error, half or stuck, joined by +")
    return made


def size(value: object) -> int:
    """A number of bytes: `1234`, `64KB`, `8MB` (powers of 1024), at most 1024MB.

    Raises:
        ScriptError: anything else.
    """
    match = _SIZE.fullmatch(str(value))
    amount = -1 if match is None else int(match[1]) * _SIZES[match[2]]
    if not 0 <= amount <= _MOST_BYTES:
        raise ScriptError(f"{value!r} is not a size such as 1234, 64KB or 8MB")
    return amount


def count(value: object) -> int:
    """A whole number from 0 to 1000000.

    Raises:
        ScriptError: anything else.
    """
    text = str(value)
    if not (text.isascii() and text.isdecimal()) or int(text) > _MOST:
        raise ScriptError(f"{value!r} is not a whole number from 0 to 1000000")
    return int(text)


def difference(value: object) -> int:
    """A signed number of bytes: `+10`, `-3`.

    Raises:
        ScriptError: anything else.
    """
    if re.fullmatch(r"[+-]?\d{1,9}", str(value)) is None:
        raise ScriptError(f"{value!r} is not a difference such as +10 or -3")
    return int(str(value))


def switch(value: object) -> bool:
    """`1` or `0`, or a JSON boolean.

    Raises:
        ScriptError: anything else.
    """
    found = _SWITCHES.get(str(value).lower())
    if found is None:
        raise ScriptError(f"{value!r} is not 1 or 0")
    return found


def text(value: object) -> str:
    """A short printable word that may stand in a header.

    Raises:
        ScriptError: it is long, or holds control characters.
    """
    word = str(value)
    if not (word.isascii() and word.isprintable() and len(word) <= 100):  # noqa: PLR2004 - said in the message
        raise ScriptError(f"{value!r} is not a printable word of at most 100 characters")
    return word


def statuses(value: object) -> tuple[int, ...]:
    """Interim statuses joined by `+`: `100`, `103`, `100+103`.

    Raises:
        ScriptError: one of them is neither 100, 102 nor 103.
    """
    parts = str(value).split("+")
    if not all(part in ("100", "102", "103") for part in parts):
        raise ScriptError(f"{value!r} is not 100, 102 or 103, joined by +")
    return tuple(int(part) for part in parts)


def one_of(*words: str) -> Reader:
    """A reader for one of `words`."""

    def read(value: object) -> str:
        if value not in words:
            raise ScriptError(f"{value!r} is not one of {', '.join(words)}")
        return str(value)

    return read
