"""The top level of a JSON request in OpenAI's protocol: its members found, and refusals that name them.

Two parsers must not read two requests out of one body. So keys that repeat are refused, and keys that differ from a
known one only by case: some upstreams match names without regard to it.
"""

from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, members, violations
from polyrelay.wire.members import Span, UnreadableError

_Form = TypeVar("_Form")


def scan(text: bytes) -> dict[str, Span]:
    """The top-level members of `text`. Raises `errors.InvalidRequest`."""
    try:
        return members.scan(text)
    except UnreadableError as error:
        message = f"We could not read the JSON body of your request: {error.message}."
        raise InvalidRequest(message, code=error.code, param=error.key) from None


def unknown(spans: Mapping[str, Span], known: frozenset[str], lookalikes: Mapping[str, str]) -> Collection[str]:
    """Members that are not among `known`. `lookalikes` are all names a contract has, by their case-folded form.

    Raises `errors.InvalidRequest` for one that looks like a known name.
    """
    if spans.keys() <= known:
        return ()
    others = spans.keys() - known
    for key in others:
        name = lookalikes.get(key.casefold())
        if name is not None and name in known:
            raise lookalike(echo.cut(key), name)
    return others


def lookalike(param: str, name: str) -> InvalidRequest:
    """The refusal of `param`, which some upstreams take for `name`."""
    return InvalidRequest(
        f"Unknown parameter: {param!r}. Did you mean {name!r}?", code="unknown_parameter", param=param
    )


def decode(decoder: "msgspec.json.Decoder[_Form]", text: bytes, supported: Mapping[str, tuple[str, ...]]) -> _Form:
    """The form in `text`, which is JSON. Raises `errors.InvalidRequest`; `supported` as in `violations.refusal`."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise violations.refusal(str(error), supported) from None
    except RecursionError:
        raise InvalidRequest("The JSON body of your request is nested too deep.", code="nested_too_deep") from None
