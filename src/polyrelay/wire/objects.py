"""The members of a request's JSON object, and of objects within it, where a repeated key or a look-alike is refused."""

from collections.abc import Collection, Mapping

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, members
from polyrelay.wire.members import Span, UnreadableError


def of_body(body: bytes, known: Collection[str]) -> dict[str, Span]:
    """Members of the body. Raises `errors.InvalidRequest`, also for one that is a `known` one but for its case."""
    try:
        spans = members.scan(body)
    except UnreadableError as error:
        message = f"We could not read the JSON body of your request: {error.message}."
        raise InvalidRequest(message, code=error.code, param=error.key) from None
    _refuse_lookalikes(spans, known, "")
    return spans


def within(text: bytes, path: str, known: Collection[str] = ()) -> dict[str, Span]:
    """Members of the object `text`, which is at `path`; spans are relative to it. Raises `errors.InvalidRequest`."""
    if not text.lstrip().startswith(b"{"):
        raise InvalidRequest(f"Invalid type for '{path}': expected an object.", code="invalid_type", param=path)
    try:
        spans = members.scan(text)
    except UnreadableError as error:
        param = path if error.key is None else f"{path}.{error.key}"
        raise InvalidRequest(f"Invalid '{path}': {error.message}.", code=error.code, param=param) from None
    _refuse_lookalikes(spans, known, f"{path}.")
    return spans


def text_of(body: bytes, span: Span) -> bytes:
    """The value of a member."""
    _, start, end = span
    return body[start:end]


def values(text: bytes, path: str) -> dict[str, msgspec.Raw]:
    """The members of the object `text` as they stand. Raises `errors.InvalidRequest`."""
    return {name: msgspec.Raw(text_of(text, span)) for name, span in within(text, path).items()}


def _refuse_lookalikes(spans: Mapping[str, Span], known: Collection[str], prefix: str) -> None:
    lowered = {name.casefold(): name for name in known}
    for key in spans:
        name = lowered.get(key.casefold(), key)
        if name != key:
            param = f"{prefix}{echo.cut(key)}"
            text = f"Unknown parameter: {param!r}. Did you mean {prefix + name!r}?"
            raise InvalidRequest(text, code="unknown_parameter", param=param)
