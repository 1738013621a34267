"""The query of `/asr` and `/detect-language`, checked as FastAPI would (WIRE 4.5). Unknown parameters pass.

`model` is the relay's own: the service has one model and no such parameter.
"""

from typing import Literal, TypeVar, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec

from polyrelay.exchange.transcript import Wish
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo

MODEL = "asr"
"""The model of a request that names none: what operators call their channel's model."""

Output = Literal["txt", "vtt", "srt", "tsv", "json"]
Task = Literal["transcribe", "translate"]

_OUTPUTS: tuple[Output, ...] = get_args(Output)
_TASKS: tuple[Task, ...] = get_args(Task)
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}
"""Words that pydantic takes for a boolean, in lower case."""

_COUNTS = ("min_speakers", "max_speakers")
_MOST_PARAMETERS = 64
_LONGEST_MODEL = 256
_LONGEST_COUNT = 9

_Choice = TypeVar("_Choice", bound=str)


class Query(msgspec.Struct, frozen=True, gc=False):
    """What is asked. `encode`: the recording is a file to be decoded, and not bare samples. `passed` is the query for
    an upstream of the same kind. `portable`: another protocol can say all of it that matters.
    """

    model: str
    output: Output
    wish: Wish
    encode: bool
    passed: str
    portable: bool


def read(text: bytes) -> Query:
    """Check a query string. Raises `InvalidRequest`, its `param` beginning with `query.`."""
    given = _given(text)
    model = given.pop("model", "") or MODEL
    if len(model) > _LONGEST_MODEL:
        raise _bad("model", "string_too_long", f"String should have at most {_LONGEST_MODEL} characters")
    output: Output = _choice("output", given.get("output", "txt"), _OUTPUTS)
    task: Task = _choice("task", given.get("task", "transcribe"), _TASKS)
    encode, words, diarize = (
        _boolean(given, name, default=default)
        for name, default in (("encode", True), ("word_timestamps", False), ("diarize", False))
    )
    _boolean(given, "vad_filter", default=False)
    for name in _COUNTS:
        _check_count(given, name)
    wish = Wish(
        task == "translate",
        given.get("language") or None,
        given.get("initial_prompt") or None,
        words and output == "json",
        output != "txt",
    )
    return Query(model, output, wish, encode, urlencode(given), not diarize)


def _given(text: bytes) -> dict[str, str]:
    """The parameters by name. One that comes twice is refused: servers disagree on which one counts."""
    try:
        pairs = parse_qsl(
            text.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict"
        )
    except (UnicodeDecodeError, ValueError):
        raise InvalidRequest("The query string is malformed.", code="bad_request") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        name = next(each for each in names if names.count(each) > 1)
        raise _bad(echo.cut(name), "duplicate_parameter", "Parameter should be given once")
    return found


def _choice(name: str, value: str, allowed: tuple[_Choice, ...]) -> _Choice:
    for each in allowed:
        if each == value:
            return each
    shown = ", ".join(map(repr, allowed[:-1])) + f" or {allowed[-1]!r}"
    raise _bad(name, "enum", f"Input should be {shown}")


def _boolean(given: dict[str, str], name: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    found = _BOOLEANS.get(value.lower())
    if found is None:
        raise _bad(name, "bool_parsing", "Input should be a valid boolean, unable to interpret input")
    return found


def _check_count(given: dict[str, str], name: str) -> None:
    value = given.get(name)
    if value is not None and not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_COUNT):
        raise _bad(name, "int_parsing", "Input should be a valid integer, unable to parse string as an integer")


def _bad(name: str, code: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code=code, param=f"query.{name}")
